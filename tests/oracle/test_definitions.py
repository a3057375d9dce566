"""The definitions on named characters, each number counted by hand.

Every test is one sentence of the definitions, in the smallest world that could get it wrong.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.oracle.definitions import cutoffs, marts
from tests.oracle.known import is_valid, normalise
from tests.oracle.raw import Row, World
from tests.oracle.segments import Scores

AS_OF = datetime(2024, 6, 15, 12)  # noqa: DTZ001 - naive times are UTC here
ADA, BO, CY, DEE = "ada@example.com", "bo@example.com", "cy@example.com", "dee@example.com"
US = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PAGE = "https://shop.example.com/"


# Small words for small worlds --------------------------------------------------------------


def mail(event_type: str, at: datetime, email: str = ADA, **values: Any) -> Row:
    return {"event_type": event_type, "occurred_at": at, "email": email, **values}


def web(event_type: str, at: datetime, email: str | None = ADA, **values: Any) -> Row:
    return {"event_type": event_type, "occurred_at": at, "email": email, **values}


def order(order_id: str, at: datetime, email: str = ADA, **values: Any) -> Row:
    return {"total_amount": Decimal(10)} | {
        "order_id": order_id,
        "ordered_at": at,
        "email": email,
        **values,
    }


def contact(contact_id: str, at: datetime, email: str | None = ADA, **values: Any) -> Row:
    return {"contact_id": contact_id, "updated_at": at, "email": email, **values}


def consent(status: str, at: datetime, email: str = ADA, **values: Any) -> Row:
    return {"purpose": "email_marketing"} | {
        "status": status,
        "recorded_at": at,
        "email": email,
        **values,
    }


def opened(message_id: str, at: datetime, **values: Any) -> Row:
    return mail("open", at, message_id=message_id, **values)


def clicked(message_id: str | None, at: datetime, url: str | None, **values: Any) -> Row:
    return mail("click", at, message_id=message_id, url=url, **values)


def build(as_of: datetime = AS_OF, **tables: list[Row]) -> dict[str, list[Row]]:
    return marts(World(**tables), as_of, lambda user_agent: user_agent == "scanner")


def profile(email: str = ADA, as_of: datetime = AS_OF, **tables: list[Row]) -> Row:
    rows = build(as_of, **tables)["marts.dim_profiles"]
    (row,) = (row for row in rows if row["email"] == email)
    return row


def emails(tables: dict[str, list[Row]], table: str = "marts.dim_profiles") -> list[str]:
    return sorted(row["email"] for row in tables[table])


def reasons(*events: Row) -> list[str | None]:
    """Return the machine reasons of the opens and clicks, by time and url."""
    rows = [
        row
        for row in build(email_events=list(events))["marts.fct_email_events"]
        if row["is_human"] is not None
    ]
    rows.sort(key=lambda row: (row["occurred_at"], row["url"] or ""))
    assert all(row["is_human"] == (row["machine_reason"] is None) for row in rows)
    return [row["machine_reason"] for row in rows]


def segments(as_of: datetime = AS_OF, **tables: list[Row]) -> dict[str, str | None]:
    """Return the segments of Ada with their attributes."""
    return {
        row["segment"]: row["attribute"]
        for row in build(as_of, **tables)["marts.fct_segment_members"]
        if row["email"] == ADA
    }


# Time --------------------------------------------------------------------------------------


def test_an_event_counts_from_its_instant_on_for_exactly_n_days() -> None:
    counts = [
        profile(as_of=at, email_events=[opened("m1", AS_OF)])["emails_opened_last_7_days"]
        for at in (AS_OF, AS_OF + 7 * DAY - US, AS_OF + 7 * DAY)
    ]
    assert counts == [1, 1, 0]


def test_what_happened_after_as_of_has_not_happened() -> None:
    tables = build(
        email_events=[opened("m1", AS_OF + US, email=BO)],
        web_events=[web("page_view", AS_OF + US, email=CY)],
        orders=[order("o1", AS_OF + US)],
        contacts=[contact("c1", AS_OF + US, email=DEE)],
        consents=[consent("granted", AS_OF + US)],
        campaigns=[{"campaign_id": "spring", "updated_at": AS_OF + US}],
    )
    assert all(rows == [] for rows in tables.values())


def test_a_later_click_does_not_make_a_burst_of_earlier_ones() -> None:
    clicks = [
        clicked("m1", AS_OF - SECOND, "a"),
        clicked("m1", AS_OF, "b"),
        clicked("m1", AS_OF + US, "c"),
    ]
    assert reasons(*clicks) == [None, None]


# Profiles ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw", ["Ada@Example.COM", " ada@example.com\t", "\u00a0ada@example.com\n"]
)
def test_an_address_is_trimmed_and_lower_cased(raw: str) -> None:
    assert normalise(raw) == ADA


def test_only_the_listed_blanks_are_trimmed() -> None:
    assert emails(build(email_events=[opened("m1", AS_OF, email="ada@example.com\u2003")])) == []


@pytest.mark.parametrize(
    ("address", "valid"),
    [
        ("a@b.c", True),
        ("a" * 248 + "@b.com", True),  # 248 + 6 = 254 characters
        ("a" * 249 + "@b.com", False),
        ("a@b", False),
        ("a@.b", False),
        ("a@b.", False),
        ("@b.c", False),
        ("a@", False),
        ("a@b@c.d", False),
        ("a b@c.d", False),
        ("ä@b.c", False),
        ("a@xn--bcher-kva.example", True),
        ("a\u007f@b.c", False),
        ("!@b.c", True),
    ],
)
def test_a_valid_address_has_one_at_sign_and_a_dot_inside_its_domain(
    address: str, valid: bool
) -> None:
    assert is_valid(address) is valid


def test_everything_with_one_normalised_address_is_one_profile() -> None:
    tables = build(
        email_events=[opened("m1", AS_OF, email=" ADA@example.com")],
        orders=[order("o1", AS_OF, email="Ada@Example.com")],
        consents=[consent("granted", AS_OF)],
    )
    assert emails(tables) == [ADA]


def test_an_invalid_address_makes_no_profile_and_is_listed() -> None:
    tables = build(
        email_events=[opened("m1", AS_OF, email="ada@localhost")],
        orders=[order("o1", AS_OF - DAY, email="ada@localhost", updated_at=AS_OF)],
        contacts=[contact("c1", AS_OF, email="nobody"), contact("c2", AS_OF, email=None)],
        consents=[consent("granted", AS_OF, email="nobody")],
    )
    assert emails(tables) == []
    assert sorted(
        (row["source_table"], row["occurred_at"]) for row in tables["marts.fct_quarantined_rows"]
    ) == [
        ("consents", AS_OF),
        ("contacts", AS_OF),
        ("email_events", AS_OF),
        ("orders", AS_OF - DAY),
    ]


def test_a_web_event_with_an_invalid_address_is_anonymous() -> None:
    tables = build(
        web_events=[
            web("search", AS_OF - HOUR, email="nobody", anonymous_id="v1"),
            web("search", AS_OF, anonymous_id="v1"),
            web("search", AS_OF, email="nobody"),
        ]
    )
    visits = [row["occurred_at"] for row in tables["marts.fct_web_events"]]
    assert sorted(visits) == [AS_OF - HOUR, AS_OF]
    assert len(tables["marts.fct_quarantined_rows"]) == 1


def test_a_visitor_belongs_to_the_address_first_seen_with_it_earlier_and_later() -> None:
    tables = build(
        web_events=[
            web("page_view", AS_OF - 3 * HOUR, email=None, anonymous_id="v1"),
            web("page_view", AS_OF - 2 * HOUR, email=BO, anonymous_id="v1"),
            web("page_view", AS_OF - HOUR, email=ADA, anonymous_id="v1"),
            web("page_view", AS_OF, email=None, anonymous_id="v1"),
            web("page_view", AS_OF, email=None, anonymous_id="v2"),
        ]
    )
    assert sorted((r["email"], r["occurred_at"]) for r in tables["marts.fct_web_events"]) == [
        (ADA, AS_OF - HOUR),
        (BO, AS_OF - 3 * HOUR),
        (BO, AS_OF - 2 * HOUR),
        (BO, AS_OF),
    ]
    first_seen = {row["email"]: row["first_seen_at"] for row in tables["marts.dim_profiles"]}
    assert first_seen == {ADA: AS_OF - HOUR, BO: AS_OF - 3 * HOUR}


def test_of_two_addresses_at_one_instant_the_smallest_owns_the_visitor() -> None:
    tables = build(
        web_events=[
            web("page_view", AS_OF, email=BO, anonymous_id="v1"),
            web("page_view", AS_OF, email=ADA, anonymous_id="v1"),
            web("search", AS_OF, email=None, anonymous_id="v1"),
        ]
    )
    (search,) = (r for r in tables["marts.fct_web_events"] if r["event_type"] == "search")
    assert search["email"] == ADA


def test_an_order_belongs_to_the_address_of_its_newest_version_and_ties_the_others() -> None:
    tables = build(
        orders=[
            order("o1", AS_OF - DAY, email=ADA),
            order("o1", AS_OF - DAY, email=BO, updated_at=AS_OF),
        ]
    )
    assert emails(tables) == [ADA, BO]
    assert emails(tables, "marts.fct_orders") == [BO]
    assert [row["lifetime_orders"] for row in tables["marts.dim_profiles"]] == [0, 1]


def test_a_null_updated_at_of_an_order_is_its_ordered_at() -> None:
    versions = [
        order("o1", AS_OF - DAY, status="paid", updated_at=AS_OF - DAY - US),
        order("o1", AS_OF - DAY, status="cancelled"),
    ]
    (row,) = build(orders=versions)["marts.fct_orders"]
    assert row["status"] == "cancelled"


def test_versions_of_one_instant_go_to_the_greatest_remaining_columns() -> None:
    versions = [
        order("o1", AS_OF, status=None, total_amount=Decimal(99), updated_at=AS_OF),
        order("o1", AS_OF, status="paid", total_amount=Decimal(1), updated_at=AS_OF),
        order("o1", AS_OF, status="cancelled", total_amount=Decimal(99), updated_at=AS_OF),
    ]
    (row,) = build(orders=versions)["marts.fct_orders"]
    assert (row["status"], row["total_amount"]) == ("paid", Decimal(1))


def test_each_attribute_comes_from_the_newest_contact_that_has_it() -> None:
    row = profile(
        contacts=[
            contact("c1", AS_OF - 2 * DAY, first_name="Ada", last_name="Byron"),
            contact("c2", AS_OF - DAY, last_name="Lovelace", timezone="Mars/Olympus"),
            contact("c3", AS_OF - 3 * DAY, timezone="Europe/London"),
            contact("c4", AS_OF, first_name="Deleted", is_deleted=True),
        ]
    )
    assert (row["first_name"], row["last_name"]) == ("Ada", "Lovelace")
    assert row["timezone"] == "Europe/London"


def test_a_contact_whose_newest_version_left_the_address_gives_it_no_attributes() -> None:
    tables = build(
        contacts=[
            contact("c1", AS_OF - DAY, email=ADA, first_name="Ada", created_at=AS_OF - 9 * DAY),
            contact("c1", AS_OF, email=BO, first_name="Bo"),
            contact("c1", AS_OF, email=CY, first_name="Cy", source_system="shop"),
        ]
    )
    names = {row["email"]: row["first_name"] for row in tables["marts.dim_profiles"]}
    assert names == {ADA: None, BO: "Bo", CY: "Cy"}
    first_seen = {row["email"]: row["first_seen_at"] for row in tables["marts.dim_profiles"]}
    assert first_seen == {ADA: AS_OF - 9 * DAY, BO: AS_OF, CY: AS_OF}


def test_the_place_comes_whole_from_the_newest_web_event_with_a_country() -> None:
    home = contact("c1", AS_OF, country="DE", region="BY", city="Munich")
    visit = web("page_view", AS_OF - 30 * DAY + US, country="US", city="Boston")
    without = web("page_view", AS_OF, region="NY")
    row = profile(contacts=[home], web_events=[visit, without])
    assert (row["country"], row["region"], row["city"]) == ("US", None, "Boston")

    left_the_window = {**visit, "occurred_at": AS_OF - 30 * DAY}
    row = profile(contacts=[home], web_events=[left_the_window, without])
    assert (row["country"], row["region"], row["city"]) == ("DE", "BY", "Munich")


def test_the_place_of_a_contact_needs_a_country() -> None:
    row = profile(
        contacts=[
            contact("c1", AS_OF, region="NY", city="Nowhere"),
            contact("c2", AS_OF - DAY, country="NZ"),
        ]
    )
    assert (row["country"], row["region"], row["city"]) == ("NZ", None, None)


# Human engagement --------------------------------------------------------------------------


def test_the_providers_flag_comes_before_the_user_agent() -> None:
    flagged = opened("m1", AS_OF, is_machine=True, user_agent="scanner")
    scanned = opened("m2", AS_OF - HOUR, user_agent="scanner")
    human = opened("m3", AS_OF - 2 * HOUR, user_agent="a person", is_machine=False)
    assert reasons(flagged, scanned, human) == [None, "user_agent", "provider_flag"]


def test_a_click_0_to_under_2_seconds_after_the_first_delivery_is_too_fast() -> None:
    start = AS_OF - DAY
    events = [mail("delivered", start + x * SECOND, message_id="m1") for x in (0, 60)]
    clicks = [
        clicked("m1", start + after, PAGE)
        for after in (-US, 0 * SECOND, 2 * SECOND - US, 2 * SECOND, 61 * SECOND)
    ]
    assert reasons(*events, *clicks) == [None, "too_fast", "too_fast", None, None]


def test_the_delivery_must_be_of_the_same_address_and_message() -> None:
    events = [
        mail("delivered", AS_OF, message_id="m1", email=BO),
        mail("delivered", AS_OF, message_id="m2"),
        mail("delivered", AS_OF),
        clicked("m1", AS_OF, PAGE),
        clicked(None, AS_OF, "b"),
        opened("m2", AS_OF - US),
    ]
    assert reasons(*events) == [None, None, None]


def test_three_urls_in_a_closed_span_of_10_seconds_are_a_burst() -> None:
    start = AS_OF - DAY
    inside = [
        clicked("m1", start, "a"),
        clicked("m1", start + 5 * SECOND, None),
        clicked("m1", start + 6 * SECOND, "b"),
        clicked("m1", start + 10 * SECOND, "c"),
        clicked("m1", start + 16 * SECOND + US, "a"),
    ]
    assert reasons(*inside) == ["burst", "burst", "burst", "burst", None]


def test_a_span_of_10_seconds_and_a_microsecond_is_no_burst() -> None:
    start = AS_OF - DAY
    clicks = [
        clicked("m1", start, "a"),
        clicked("m1", start + SECOND, "b"),
        clicked("m1", start + 10 * SECOND + US, "c"),
    ]
    assert reasons(*clicks) == [None, None, None]


def test_a_null_url_is_not_one_of_the_three_and_messages_do_not_mix() -> None:
    clicks = [
        clicked("m1", AS_OF, "a"),
        clicked("m1", AS_OF, "b"),
        clicked("m1", AS_OF, None),
        clicked("m2", AS_OF, "c"),
        clicked(None, AS_OF, "d"),
    ]
    assert reasons(*clicks) == [None] * 5


def test_flagged_and_fast_clicks_count_for_a_span() -> None:
    start = AS_OF - DAY
    events = [
        mail("delivered", start, message_id="m1"),
        clicked("m1", start + SECOND, "a"),
        clicked("m1", start + 5 * SECOND, "b", is_machine=True),
        clicked("m1", start + 11 * SECOND, "c"),
    ]
    assert reasons(*events) == ["too_fast", "provider_flag", "burst"]


def test_copies_under_new_ids_are_one_event_flagged_if_any_copy_is() -> None:
    copies = [
        opened("m1", AS_OF, event_id="e2", campaign_id="second", is_machine=True),
        opened("m1", AS_OF, event_id="e1", campaign_id="first", email="ADA@example.com "),
        opened("m1", AS_OF, event_id=None, campaign_id="none"),
    ]
    (row,) = build(email_events=copies)["marts.fct_email_events"]
    assert (row["campaign_id"], row["machine_reason"]) == ("first", "provider_flag")


def test_copies_without_an_id_go_by_the_remaining_columns_nulls_last() -> None:
    copies = [
        opened("m1", AS_OF, campaign_id=None),
        opened("m1", AS_OF, campaign_id="é"),
        opened("m1", AS_OF, campaign_id="z"),
    ]
    (row,) = build(email_events=copies)["marts.fct_email_events"]
    assert row["campaign_id"] == "z"  # its byte is smaller than the first of é


def test_one_id_of_one_provider_is_one_event_and_the_earliest_stays() -> None:
    events = [
        opened("m1", AS_OF - HOUR, event_id="e1", provider="acme"),
        opened("m1", AS_OF, event_id="e1", provider="acme", is_machine=True),
        opened("m1", AS_OF, event_id="e1", provider="other", url=PAGE),
        opened("m1", AS_OF + 0 * US, event_id="e1", url="no provider"),
        opened("m1", AS_OF, event_id="e1", provider="acme", email=BO),
    ]
    rows = build(email_events=events)["marts.fct_email_events"]
    assert sorted((row["email"], row["occurred_at"], row["url"] or "") for row in rows) == [
        (ADA, AS_OF - HOUR, ""),
        (ADA, AS_OF, PAGE),
        (ADA, AS_OF, "no provider"),
        (BO, AS_OF, ""),
    ]
    assert all(row["is_human"] for row in rows)  # a dropped copy's flag is not carried over


def test_ties_under_one_id_go_to_the_smallest_message_nulls_last() -> None:
    events = [
        mail("open", AS_OF, event_id="e1", provider="acme", message_id=None),
        mail("open", AS_OF, event_id="e1", provider="acme", message_id="m2"),
        mail("click", AS_OF, event_id="e1", provider="acme", message_id="m1"),
    ]
    (row,) = build(email_events=events)["marts.fct_email_events"]
    assert (row["event_type"], row["message_id"]) == ("click", "m1")


def test_web_events_are_one_by_their_own_address_before_stitching() -> None:
    visit = web("page_view", AS_OF, anonymous_id="v1", url=PAGE, session_id="s1")
    tables = build(
        web_events=[
            {**visit, "event_id": "w2", "session_id": "s2"},
            {**visit, "event_id": "w1"},
            {**visit, "event_id": "w3", "email": None},  # Ada's too, but not the same event
            {**visit, "event_id": "w1", "occurred_at": AS_OF - HOUR},  # the earliest of w1
        ]
    )
    rows = tables["marts.fct_web_events"]
    assert sorted((row["email"], row["occurred_at"], row["session_id"]) for row in rows) == [
        (ADA, AS_OF - HOUR, "s1"),
        (ADA, AS_OF, "s1"),
    ]


def test_emails_opened_counts_messages_and_links_clicked_counts_links_of_messages() -> None:
    hours = [AS_OF - x * HOUR for x in range(9)]
    row = profile(
        email_events=[
            opened("m1", hours[0]),
            opened("m1", hours[1]),
            opened("m2", hours[2], is_machine=True),
            mail("open", hours[3]),  # no message: a message of its own
            mail("open", hours[4]),  # and another
            clicked("m1", hours[5], "a"),
            clicked("m1", hours[6], "a"),
            clicked("m2", hours[5], "a"),
            clicked("m2", hours[6], None),
            clicked("m2", hours[7], None),
            clicked(None, hours[7], "a"),
            clicked(None, hours[8], "a"),
        ]
    )
    assert row["emails_opened_last_7_days"] == 3  # m1 and two without a message
    assert row["links_clicked_last_7_days"] == 5  # m1 a, m2 a, m2 null, and two without


# Tiers -------------------------------------------------------------------------------------


def engaged(opens: int, clicks: int, at: datetime = AS_OF, **values: Any) -> list[Row]:
    return [opened(f"m{x}", at, **values) for x in range(opens)] + [
        clicked(f"m{x}", at, "a", **values) for x in range(clicks)
    ]


@pytest.mark.parametrize(
    ("events", "tier"),
    [
        (engaged(3, 2), "highly_engaged"),
        (engaged(3, 2, AS_OF - 7 * DAY + US), "highly_engaged"),
        (engaged(3, 2, AS_OF - 7 * DAY), "moderately_engaged"),
        (engaged(2, 9), "moderately_engaged"),
        (engaged(9, 1), "moderately_engaged"),
        (engaged(0, 1, AS_OF - 14 * DAY + US), "moderately_engaged"),
        (engaged(9, 9, AS_OF - 14 * DAY), "lapsing"),
        (engaged(1, 0, AS_OF - 30 * DAY + US), "lapsing"),
        (engaged(9, 9, AS_OF - 30 * DAY), "inactive"),
        (engaged(9, 9, is_machine=True), "inactive"),
    ],
)
def test_the_tier_is_the_first_that_fits(events: list[Row], tier: str) -> None:
    assert profile(email_events=events)["engagement_tier"] == tier


def test_one_variant_counts_machines_and_the_other_no_opens() -> None:
    row = profile(email_events=[*engaged(3, 1, is_machine=True), clicked("m9", AS_OF, "a")])
    assert row["engagement_tier"] == "moderately_engaged"
    assert row["engagement_tier_all_opens"] == "highly_engaged"
    assert row["engagement_tier_clicks_only"] == "moderately_engaged"

    row = profile(email_events=engaged(9, 2))
    assert row["engagement_tier_clicks_only"] == "highly_engaged"
    row = profile(email_events=engaged(9, 0))
    assert row["engagement_tier_clicks_only"] == "inactive"
    row = profile(email_events=engaged(0, 1, AS_OF - 14 * DAY))
    assert row["engagement_tier_clicks_only"] == "lapsing"


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([mail("sent", AS_OF - 30 * DAY + US)], "new"),
        ([mail("sent", AS_OF - 30 * DAY)], "not_mailed"),
        ([mail("sent", AS_OF - 31 * DAY), mail("sent", AS_OF)], "ignored"),
        ([mail("sent", AS_OF - 31 * DAY), mail("delivered", AS_OF)], "ignored"),
        ([mail("sent", AS_OF - 31 * DAY), mail("bounce", AS_OF)], "not_mailed"),
        (
            [
                mail("sent", AS_OF - 31 * DAY),
                mail("sent", AS_OF - DAY),
                opened("m1", AS_OF, is_machine=True),
            ],
            "opens_hidden",
        ),
        (
            [
                mail("sent", AS_OF - 31 * DAY),
                mail("sent", AS_OF - DAY),
                clicked("m1", AS_OF, "a", is_machine=True),
            ],
            "ignored",
        ),
        ([mail("sent", AS_OF - 31 * DAY), opened("m1", AS_OF)], None),
    ],
)
def test_the_inactive_are_told_apart(events: list[Row], reason: str | None) -> None:
    assert profile(email_events=events)["inactive_reason"] == reason


def spells(**tables: list[Row]) -> list[tuple[str, datetime, datetime | None]]:
    return [
        (row["engagement_tier"], row["valid_from"], row["valid_to"])
        for row in build(AS_OF, **tables)["marts.fct_engagement_tier_spells"]
    ]


def test_spells_begin_when_first_seen_and_change_as_events_come_and_leave() -> None:
    start = AS_OF - 100 * DAY
    assert spells(
        consents=[consent("granted", start)],
        email_events=[opened("m1", start + DAY)],
    ) == [
        ("inactive", start, start + DAY),
        ("moderately_engaged", start + DAY, start + 15 * DAY),
        ("lapsing", start + 15 * DAY, start + 31 * DAY),
        ("inactive", start + 31 * DAY, None),
    ]


def test_a_spell_that_a_second_open_carries_on_is_one() -> None:
    start = AS_OF - 20 * DAY
    assert spells(email_events=[opened("m1", start), opened("m1", start + 14 * DAY)]) == [
        ("moderately_engaged", start, None)
    ]
    assert spells(email_events=[opened("m1", start), opened("m1", start + 14 * DAY + US)]) == [
        ("moderately_engaged", start, start + 14 * DAY),
        ("lapsing", start + 14 * DAY, start + 14 * DAY + US),
        ("moderately_engaged", start + 14 * DAY + US, None),
    ]


def test_a_spell_may_begin_at_as_of_itself() -> None:
    start = AS_OF - 7 * DAY
    assert spells(email_events=engaged(3, 2, start)) == [
        ("highly_engaged", start, AS_OF),
        ("moderately_engaged", AS_OF, None),
    ]


# Score -------------------------------------------------------------------------------------


def test_points_are_halved_every_7_days_and_given_once() -> None:
    row = profile(
        email_events=[
            opened("m1", AS_OF),
            opened("m1", AS_OF - 7 * DAY),  # the first open: 1 × 0.5
            clicked("m1", AS_OF - 14 * DAY, "a"),  # 2 × 0.25
        ],
        orders=[order("o1", AS_OF), order("o2", AS_OF, status="refunded")],  # 5 × 1
        web_events=[
            # Both on 8 June, the first at 12:00: 1 × 0.5; and one at as_of: 1 × 1.
            web("page_view", AS_OF - 7 * DAY),
            web("page_view", AS_OF - 7 * DAY + HOUR),
            web("page_view", AS_OF),
        ],
    )
    assert row["engagement_score"] == pytest.approx(0.5 + 0.5 + 5 + 0.5 + 1, abs=1e-12)


def test_machines_bring_no_points_and_fractions_of_a_day_count() -> None:
    row = profile(
        email_events=[
            opened("m1", AS_OF - 3.5 * DAY),
            opened("m2", AS_OF, is_machine=True),
        ]
    )
    assert row["engagement_score"] == pytest.approx(2**-0.5, abs=1e-12)


# Orders ------------------------------------------------------------------------------------


def test_only_placed_and_paid_orders_count() -> None:
    row = profile(
        orders=[
            order("o1", AS_OF, total_amount=Decimal("10.10")),  # null status: placed
            order("o2", AS_OF - 30 * DAY, status="paid", total_amount=Decimal("20.20")),
            order("o3", AS_OF - 90 * DAY, status="placed", total_amount=Decimal("30.30")),
            order("o4", AS_OF, status="cancelled", total_amount=Decimal(500)),
            order("o5", AS_OF, status="refunded", total_amount=Decimal(500)),
        ]
    )
    assert (row["orders_last_30_days"], row["orders_last_90_days"]) == (1, 2)
    assert row["lifetime_orders"] == 3
    assert row["revenue_last_90_days"] == Decimal("30.30")
    assert row["lifetime_revenue"] == Decimal("60.60")
    assert row["average_order_value"] == Decimal("20.20")
    assert row["last_order_at"] == AS_OF


def test_a_cancellation_after_as_of_is_not_seen() -> None:
    versions = [
        order("o1", AS_OF, status="paid"),
        order("o1", AS_OF, status="cancelled", updated_at=AS_OF + US),
    ]
    assert profile(orders=versions)["lifetime_orders"] == 1
    assert profile(orders=versions, as_of=AS_OF + US)["lifetime_orders"] == 0


def test_sessions_are_distinct_and_known() -> None:
    ids = ("s1", "s1", "s2", None)
    visits = [web("search", AS_OF - x * HOUR, session_id=s) for x, s in enumerate(ids)]
    old = web("search", AS_OF - 7 * DAY, session_id="s3")
    assert profile(web_events=[*visits, old])["web_sessions_last_7_days"] == 2


# Segments ----------------------------------------------------------------------------------


def test_potentially_interested_is_over_with_an_order_at_or_after_the_first_view() -> None:
    views = [web("product_view", AS_OF - 5 * HOUR), web("product_view", AS_OF - HOUR)]
    assert "potentially_interested" in segments(web_events=views)
    before = [order("o1", AS_OF - 5 * HOUR - US)]
    assert "potentially_interested" in segments(web_events=views, orders=before)
    at_it = [order("o1", AS_OF - 5 * HOUR)]
    assert "potentially_interested" not in segments(web_events=views, orders=at_it)
    assert segments(web_events=[web("product_view", AS_OF - DAY)]) == {}


def add(product_id: str | None, at: datetime, **values: Any) -> Row:
    return web("add_to_cart", at, product_id=product_id, **values)


def test_a_cart_left_within_24_hours_makes_a_recent_abandoner() -> None:
    assert "recent_abandoners" in segments(web_events=[add("p1", AS_OF - DAY + US)])
    assert "recent_abandoners" not in segments(web_events=[add("p1", AS_OF - DAY)])
    adds = [add("p1", AS_OF - 2 * HOUR)]
    bought = [order("o1", AS_OF - 2 * HOUR)]
    assert "recent_abandoners" not in segments(web_events=adds, orders=bought)


def test_a_cart_emptied_again_abandons_nothing() -> None:
    events = [
        add("p1", AS_OF - 2 * HOUR),  # a null quantity is 1
        web("remove_from_cart", AS_OF - HOUR, product_id="p1", quantity=1),
        web("remove_from_cart", AS_OF - HOUR, product_id="p2", quantity=5),  # not below 0
    ]
    assert segments(web_events=events) == {}
    assert "recent_abandoners" in segments(web_events=[*events, add("p2", AS_OF, quantity=6)])
    assert segments(web_events=[add(None, AS_OF)]) == {}


def test_a_cart_begins_after_the_last_order_and_within_7_days() -> None:
    adds = [
        add("p1", AS_OF - 7 * DAY, unit_price=Decimal(100)),
        add("p2", AS_OF - 2 * HOUR, unit_price=Decimal(100)),
        add("p3", AS_OF - HOUR, unit_price=Decimal("99.99")),
    ]
    bought = [order("o1", AS_OF - 2 * HOUR)]
    assert "high_value_cart_dropouts" in segments(web_events=adds)
    assert "high_value_cart_dropouts" not in segments(web_events=adds, orders=bought)
    assert "high_value_cart_dropouts" not in segments(web_events=adds[:1])


def test_a_product_costs_its_newest_price_on_any_web_event_else_the_catalogues() -> None:
    catalogue = [
        {"product_id": "p1", "price": Decimal(50), "updated_at": AS_OF - DAY},
        {"product_id": "p1", "price": Decimal(1), "updated_at": None},
    ]
    two = add("p1", AS_OF - 2 * HOUR, quantity=2)
    assert "high_value_cart_dropouts" in segments(web_events=[two], products=catalogue)
    assert "high_value_cart_dropouts" not in segments(web_events=[two])

    seen_at = AS_OF - 40 * DAY
    cheaper = web("product_view", seen_at, product_id="p1", unit_price=Decimal(49))
    dearer = web("search", seen_at, product_id="p1", unit_price=Decimal(50))
    assert "high_value_cart_dropouts" not in segments(web_events=[two, cheaper], products=catalogue)
    assert "high_value_cart_dropouts" in segments(web_events=[two, cheaper, dearer])


def test_new_york_is_ny_or_new_york_in_the_united_states() -> None:
    for country, region, member in (
        ("US", "NY", True),
        ("US", "New York", True),
        ("US", "CA", False),
        ("DE", "NY", False),
    ):
        visit = add("p1", AS_OF, country=country, region=region)
        assert ("abandoned_cart_ny" in segments(web_events=[visit])) is member


def test_a_frequent_browser_views_in_three_sessions_and_orders_nothing() -> None:
    views = [
        web("product_view", AS_OF - x * DAY, session_id=f"s{x}" if x != 3 else None)
        for x in range(2, 6)
    ]
    assert "frequent_browsers" in segments(web_events=views)
    assert "frequent_browsers" not in segments(web_events=views[:3])
    late = [order("o1", AS_OF - 30 * DAY + US)]
    assert "frequent_browsers" not in segments(web_events=views, orders=late)
    early = [order("o1", AS_OF - 30 * DAY)]
    assert "frequent_browsers" in segments(web_events=views, orders=early)


def line(order_id: str, number: int, product_id: str, quantity: int, **values: Any) -> Row:
    return {
        "order_id": order_id,
        "line_number": number,
        "product_id": product_id,
        "quantity": quantity,
        "unit_price": Decimal(1),
        **values,
    }


def test_the_category_most_bought_is_by_quantity_and_ties_by_name() -> None:
    products: list[Row] = [
        {"product_id": "p1", "category": "tea"},
        {"product_id": "p2", "category": "coffee"},
        {"product_id": "p3", "category": None},
    ]
    orders = [order("o1", AS_OF), order("o2", AS_OF - 30 * DAY), order("o3", AS_OF)]
    orders[2]["status"] = "cancelled"
    lines = [
        line("o1", 1, "p1", 3),
        line("o1", 2, "p2", 2),
        line("o1", 2, "p2", 3, updated_at=AS_OF),  # the version that counts
        line("o1", 3, "p3", 9),
        line("o2", 1, "p1", 9),  # out of the window
        line("o3", 1, "p1", 9),  # cancelled
    ]
    found = segments(orders=orders, order_lines=lines, products=products)
    assert found == {"recent_category_buyers": "coffee"}
    found = segments(orders=orders, order_lines=lines[:2], products=products)
    assert found == {"recent_category_buyers": "tea"}
    assert segments(orders=orders, order_lines=lines[4:], products=products) == {}


def born(born_on: date, timezone: str | None = None) -> list[Row]:
    return [contact("c1", AS_OF - 300 * DAY, birth_date=born_on, timezone=timezone)]


def test_a_birthday_is_today_or_on_one_of_the_next_6_days() -> None:
    for day, member in ((14, False), (15, True), (21, True), (22, False)):
        assert ("birthday_week" in segments(contacts=born(date(1990, 6, day)))) is member


def test_a_birthday_is_kept_by_the_persons_own_calendar() -> None:
    # At 12:00 UTC on 15 June it is already 02:00 on the 16th on Kiritimati, 14 hours ahead.
    on_the_15th, on_the_22nd = date(1990, 6, 15), date(1990, 6, 22)
    assert segments(contacts=born(on_the_15th, "Pacific/Kiritimati")) == {}
    assert segments(contacts=born(on_the_22nd, "Pacific/Kiritimati")) == {"birthday_week": None}


def test_29_february_is_kept_on_the_28th_in_other_years() -> None:
    leapling = born(date(1992, 2, 29))
    leapling[0]["updated_at"] = datetime(2020, 1, 1)  # noqa: DTZ001
    for as_of, member in (
        (datetime(2023, 2, 22), True),  # noqa: DTZ001 - 28 February is 6 days ahead
        (datetime(2023, 2, 28), True),  # noqa: DTZ001
        (datetime(2023, 3, 1), False),  # noqa: DTZ001
        (datetime(2024, 2, 22), False),  # noqa: DTZ001 - 29 February is 7 days ahead
        (datetime(2024, 2, 29), True),  # noqa: DTZ001
    ):
        assert ("birthday_week" in segments(as_of, contacts=leapling)) is member


def test_who_once_ordered_and_ignores_us_is_to_be_won_back() -> None:
    mailed = [mail("sent", AS_OF - 40 * DAY), mail("sent", AS_OF)]
    bought = [order("o1", AS_OF - 200 * DAY)]
    assert segments(email_events=mailed, orders=bought) == {"win_back": None}
    assert segments(email_events=mailed) == {}


def test_the_top_decile_of_the_scored_are_a_churn_risk() -> None:
    people = [f"p{number}@example.com" for number in range(20)]
    consents = [consent("granted", AS_OF, email=p, purpose="profiling") for p in people[:19]]
    mails = [mail("sent", AS_OF, email=p) for p in people]
    scores = {p: Scores(churn=number / 20, open=number / 20) for number, p in enumerate(people)}
    tables = marts(World(email_events=mails, consents=consents), AS_OF, scores=scores)
    rows = tables["marts.fct_segment_members"]
    # The 20th has not agreed to profiling. Of 19, one is 0.053 of them, two are 0.105.
    assert [r["email"] for r in rows if r["segment"] == "churn_risk"] == ["p18@example.com"]
    openers = sorted(r["email"] for r in rows if r["segment"] == "likely_openers")
    assert openers == [f"p{number}@example.com" for number in range(10, 19)]


# Consent -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("consents", "may_be_mailed"),
    [
        ([], False),
        ([consent("granted", AS_OF)], True),
        ([consent("granted", AS_OF, purpose=" Email_Marketing ")], True),
        ([consent("granted", AS_OF, purpose="profiling")], False),
        ([consent("granted", AS_OF - US), consent("withdrawn", AS_OF)], False),
        ([consent("withdrawn", AS_OF - US), consent("granted", AS_OF)], True),
        ([consent("granted", AS_OF), consent("withdrawn", AS_OF)], False),
        ([consent("granted", AS_OF - DAY, expires_at=AS_OF)], False),
        ([consent("granted", AS_OF - DAY, expires_at=AS_OF + US)], True),
        ([consent("granted", AS_OF - DAY), consent("granted", AS_OF, expires_at=AS_OF)], False),
    ],
)
def test_the_newest_consent_decides_who_may_be_mailed(
    consents: list[Row], may_be_mailed: bool
) -> None:
    row = profile(consents=consents, email_events=[mail("sent", AS_OF)])
    assert row["may_be_mailed"] is may_be_mailed


@pytest.mark.parametrize(
    ("events", "granted_at", "reason"),
    [
        ([mail("bounce", AS_OF - DAY, bounce_type="hard")], AS_OF, "hard_bounce"),
        ([mail("bounce", AS_OF - DAY, bounce_type="soft")], AS_OF, None),
        ([mail("complaint", AS_OF - DAY)], AS_OF - DAY, "complaint"),
        ([mail("complaint", AS_OF - DAY)], AS_OF - DAY + US, None),
        ([mail("unsubscribe", AS_OF - DAY)], AS_OF - DAY, "unsubscribe"),
        ([mail("unsubscribe", AS_OF), mail("complaint", AS_OF - DAY)], AS_OF - HOUR, "unsubscribe"),
        ([mail("complaint", AS_OF), mail("unsubscribe", AS_OF)], AS_OF - HOUR, "complaint"),
        (
            [mail("complaint", AS_OF), mail("bounce", AS_OF, bounce_type="hard")],
            AS_OF,
            "hard_bounce",
        ),
    ],
)  # fmt: skip
def test_the_first_suppression_that_nothing_undid_is_the_reason(
    events: list[Row], granted_at: datetime, reason: str | None
) -> None:
    row = profile(email_events=events, consents=[consent("granted", granted_at)])
    assert row["suppression_reason"] == reason
    assert row["may_be_mailed"] is (reason is None)


def test_a_grant_undoes_a_complaint_whatever_came_after_it() -> None:
    row = profile(
        email_events=[mail("complaint", AS_OF - 3 * DAY)],
        consents=[consent("granted", AS_OF - 2 * DAY), consent("withdrawn", AS_OF)],
    )
    assert (row["suppression_reason"], row["may_be_mailed"]) == (None, False)


# Erasure -----------------------------------------------------------------------------------


def test_who_asked_for_erasure_is_in_no_table() -> None:
    tables = build(
        email_events=[opened("m1", AS_OF)],
        web_events=[web("search", AS_OF, anonymous_id="v1"),
                    web("search", AS_OF - HOUR, email=None, anonymous_id="v1")],
        orders=[order("o1", AS_OF)],
        contacts=[contact("c1", AS_OF - DAY, email=ADA), contact("c1", AS_OF, email="not valid")],
        consents=[consent("granted", AS_OF)],
        erasure_requests=[{"email": "ADA@example.com ", "requested_at": AS_OF}],
    )  # fmt: skip
    assert all(rows == [] for rows in tables.values())


def test_a_visitor_whose_address_was_erased_is_tied_to_nobody() -> None:
    tables = build(
        web_events=[
            web("search", AS_OF - 2 * HOUR, email=ADA, anonymous_id="v1"),
            web("search", AS_OF - HOUR, email=BO, anonymous_id="v1"),
            web("search", AS_OF, email=None, anonymous_id="v1"),
        ],
        erasure_requests=[{"email": ADA, "requested_at": AS_OF}],
    )
    assert [(row["email"], row["occurred_at"]) for row in tables["marts.fct_web_events"]] == [
        (BO, AS_OF - HOUR)
    ]


def test_every_version_of_a_contact_that_ever_carried_an_erased_address_goes() -> None:
    tables = build(
        contacts=[
            contact("c1", AS_OF - DAY, email=ADA),
            contact("c1", AS_OF, email=BO),
            contact("c1", AS_OF, email=CY, source_system="shop"),
        ],
        erasure_requests=[{"email": ADA, "requested_at": AS_OF}],
    )
    assert emails(tables) == [CY]


def test_a_request_after_as_of_stops_delivery_alone() -> None:
    tables = build(
        consents=[consent("granted", AS_OF)],
        erasure_requests=[{"email": ADA, "requested_at": AS_OF + DAY}],
    )
    assert emails(tables) == [ADA]
    assert tables["marts.dim_profiles"][0]["may_be_mailed"] is True
    assert tables["sync.profiles"] == []


# Reports, examples, delivery ---------------------------------------------------------------


def test_campaigns_count_their_events_by_kind() -> None:
    spring = {"campaign_id": "spring"}
    tables = build(
        email_events=[
            mail("sent", AS_OF - DAY, message_id="m1", **spring),
            mail("sent", AS_OF - DAY, message_id="m2", email=BO, **spring),
            mail("bounce", AS_OF - DAY, message_id="m2", email=BO, **spring),
            mail("delivered", AS_OF - DAY, message_id="m1", **spring),
            opened("m1", AS_OF - 2 * HOUR, **spring),
            opened("m1", AS_OF - HOUR, is_machine=True, **spring),
            opened("m1", AS_OF, **spring),
            clicked("m1", AS_OF, "a", **spring),
            clicked("m1", AS_OF, "b", **spring),
            mail("unsubscribe", AS_OF, message_id="m1", **spring),
            mail("sent", AS_OF, message_id="m3"),
        ],
        campaigns=[{"campaign_id": "summer", "name": "Not sent yet"}],
    )
    first, second = tables["marts.rpt_campaign_performance"]
    assert first == {
        "campaign_id": "spring", "sent": 2, "delivered": 1, "bounces": 1, "complaints": 0,
        "unsubscribes": 1, "opens_total": 3, "opens_unique": 1, "opens_human": 2,
        "opens_machine": 1, "clicks_total": 2, "clicks_unique": 1, "clicks_human": 2,
        "clicks_machine": 0,
    }  # fmt: skip
    assert second.pop("campaign_id") == "summer"
    assert set(second.values()) == {0}


def test_cutoffs_are_the_firsts_of_twelve_months_and_as_of() -> None:
    found = cutoffs(AS_OF)
    assert len(found) == 13
    assert found[0] == datetime(2023, 7, 1)  # noqa: DTZ001
    assert found[-2:] == [datetime(2024, 6, 1), AS_OF]  # noqa: DTZ001
    assert len(cutoffs(datetime(2024, 6, 1))) == 12  # noqa: DTZ001 - one is both


def churned(**tables: list[Row]) -> dict[datetime, bool | None]:
    return {
        row["cutoff_at"]: row["is_churned"] for row in build(AS_OF, **tables)["marts.ftr_churn"]
    }


MARCH, APRIL, MAY, JUNE = (datetime(2024, month, 1) for month in (3, 4, 5, 6))  # noqa: DTZ001


def test_active_is_who_engaged_in_60_days_and_churned_who_then_did_not_in_30() -> None:
    assert churned(email_events=[opened("m1", MARCH)]) == {MARCH: True, APRIL: True}
    # 31 days lie between 1 March and 1 April, 30 between 1 April and 1 May.
    both = [opened("m1", MARCH), opened("m2", APRIL)]
    assert churned(email_events=both) == {MARCH: True, APRIL: True, MAY: True}
    # The horizon of May ends on 31 May, those of June and as_of have not passed.
    until_may = [opened("m1", APRIL), opened("m2", MAY)]
    assert churned(email_events=until_may) == {
        APRIL: False, MAY: True, JUNE: None, AS_OF: None,
    }  # fmt: skip
    assert churned(email_events=[opened("m1", MARCH, is_machine=True)]) == {}


def test_activity_by_an_order_is_what_was_known_at_the_cutoff() -> None:
    versions = [
        order("o1", MARCH - DAY),
        order("o1", MARCH - DAY, status="cancelled", updated_at=MARCH + DAY),
    ]
    assert churned(orders=versions) == {MARCH: True}


def examples(*events: Row) -> list[tuple[str, datetime, bool | None]]:
    rows = build(email_events=list(events))["marts.ftr_open_propensity"]
    return sorted((row["message_id"], row["sent_at"], row["is_opened"]) for row in rows)


def test_a_message_is_opened_by_a_human_within_72_hours_of_its_send() -> None:
    start = AS_OF - 10 * DAY
    sends = [mail("sent", start, message_id=f"m{number}") for number in range(5)]
    sends.append(mail("sent", start + HOUR, message_id="m0"))
    opens = [
        opened("m0", start + 72 * HOUR),
        opened("m1", start + 72 * HOUR + US),
        opened("m2", start),
        opened("m3", start - US),
        opened("m4", start + HOUR, is_machine=True),
    ]
    assert examples(*sends, *opens) == [
        ("m0", start, True),
        ("m1", start, False),
        ("m2", start, True),
        ("m3", start, False),
        ("m4", start, False),
    ]


def test_a_message_without_a_send_counts_from_its_delivery_and_waits_72_hours() -> None:
    start = AS_OF - 72 * HOUR
    assert examples(
        mail("delivered", start, message_id="m1"),
        mail("delivered", start + US, message_id="m2"),
        opened("m2", start + HOUR),
        mail("sent", start - HOUR, message_id="m3"),
        mail("delivered", start - 2 * HOUR, message_id="m3"),
        mail("sent", start),  # names no message
        opened("m4", start),  # was never sent
    ) == [("m1", start, False), ("m2", start + US, None), ("m3", start - HOUR, False)]


def test_delivery_heeds_a_withdrawal_and_a_complaint_that_came_after_as_of() -> None:
    people = (ADA, BO, CY, DEE)
    tables = build(
        consents=[
            *(consent("granted", AS_OF - DAY, email=email) for email in people),
            consent("withdrawn", AS_OF + DAY, email=ADA),
            consent("withdrawn", AS_OF + DAY, email=BO),
            consent("granted", AS_OF + 2 * DAY, email=BO),
        ],
        email_events=[
            mail("complaint", AS_OF + DAY, email=CY),
            *(row for email in people for row in [mail("sent", AS_OF, email=email)]),
        ],
        web_events=[web("product_view", AS_OF, email=email) for email in people],
    )
    assert all(row["may_be_mailed"] for row in tables["marts.dim_profiles"])
    assert emails(tables, "sync.profiles") == [DEE]
    assert emails(tables, "marts.fct_segment_members") == [ADA, BO, CY, DEE]
    assert emails(tables, "sync.segment_members") == [DEE]
    assert {row["email"]: row["reason"] for row in tables["sync.suppressions"]} == {
        ADA: None,
        BO: None,
        CY: "complaint",
    }


def test_delivery_hears_a_refusal_that_is_a_duplicate_elsewhere_and_no_later_grant() -> None:
    one_id = {"event_id": "e1", "provider": "acme"}
    tables = build(
        consents=[
            consent("granted", AS_OF - DAY),
            consent("granted", AS_OF - DAY, email=BO),
            consent("granted", AS_OF + 2 * DAY, email=BO),
        ],
        email_events=[
            mail("sent", AS_OF - 2 * HOUR, **one_id),
            mail("unsubscribe", AS_OF - HOUR, **one_id),
            mail("complaint", AS_OF + DAY, email=BO),
        ],
    )
    assert [row["may_be_mailed"] for row in tables["marts.dim_profiles"]] == [True, True]
    assert tables["sync.profiles"] == []
    assert {row["email"]: row["reason"] for row in tables["sync.suppressions"]} == {
        ADA: "unsubscribe",
        BO: "complaint",
    }


def test_a_suppression_of_as_of_keeps_its_reason_though_a_stronger_one_follows() -> None:
    tables = build(
        email_events=[
            mail("complaint", AS_OF),
            mail("bounce", AS_OF + DAY, bounce_type="hard"),
            mail("sent", AS_OF, email=BO),
            mail("bounce", AS_OF + DAY, email=BO, bounce_type="hard"),
        ],
    )
    assert {row["email"]: row["reason"] for row in tables["sync.suppressions"]} == {
        ADA: "complaint",
        BO: "hard_bounce",
    }
