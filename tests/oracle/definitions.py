"""The public tables by definition: slow, plain, and meant to be checked against the text.

`marts` takes the raw tables and an instant and returns the rows that a right build holds, so
that a build can be compared with it. Nothing here is shared with the models: no SQL, no query
engine. Profiles are named by their address, because their ids are keyed hashes.

Readings, where the text leaves two:

 1. A dot "inside the domain, not at its ends" asks for one such dot; further dots at the ends
    or beside each other do not make an address invalid.
 2. Only ASCII is brought to lower case: an address with another character is not valid anyway.
 3. Nulls are equal in the keys of duplicates. The address never breaks a tie inside one
    address, and breaks ties between versions in its normalised form.
 4. A web event with an invalid address and a visitor is the visitor's; without one it is
    left out and listed.
 5. Copies of a web event under one `event_id` at one instant: the smallest `event_type`, `url`,
    `product_id` stays, nulls last.
 6. A version of an order is seen when its `ordered_at` and its `updated_at` have come. Rows of
    lines, products and campaigns with a null `updated_at` are the oldest and always seen.
 7. The newest version counts even if its address is invalid or null: the order or the contact
    then belongs to nobody, while the addresses of older versions keep their profiles, and the
    order's earlier `ordered_at` counts for when those were first seen.
 8. An order's earlier address keeps `first_seen_at` from that version; the order is the newest
    address's alone.
 9. A visitor first seen with an erased address is tied to nobody; its events with another own
    address stay that address's. A visitor who only later met an erased address keeps its owner.
10. Requests for erasure make no profile, and are themselves listed nowhere.
11. Where a web event gives the country, ties at one instant go to the smallest (country, region,
    city), nulls last; between contacts to the greatest `contact_id`, then `source_system`.
12. Text counts as it is: only purposes are trimmed and lower-cased; country and region of a
    segment are compared exactly.
13. Consents of one instant: withdrawn wins, then the greatest (source, expires_at), nulls lowest.
14. A complaint or unsubscribe is undone by any grant strictly later than the newest of its
    kind, though it has expired or been withdrawn since.
15. A person may have complained in an event that counts as a duplicate of another under the same
    provider and `event_id`: the event that stays is the one that counts.
16. Points of a day with a site visit are dated by its first web event of the profile; if the
    first occurrence of anything is older than 365 days, a later one brings no points.
17. The newest `add_to_cart` may be one without a product; only the cart leaves those out.
18. A product's price and category are those of its newest version, null or not.
19. A line of a product without a known category makes its buyer a member; the null category is
    never the one most bought. Quantities below 0 are summed as they are.
20. A campaign's unique opens and unique clicks are messages with at least one, of any agent.
21. Churn: opens and clicks are human by what is known at `as_of`; the order that makes somebody
    active at a cutoff is judged by the versions seen at the cutoff, the label by those at `as_of`.
    Cutoffs are the firsts of the month of `as_of` and of the 11 before, and `as_of` itself.
22. An open at the instant of the send counts, and one 72 h after it; one before it does not.
23. Delivery: nobody is a member or a profile there who may not be mailed at `as_of`, who withdrew
    `email_marketing` ever after, whom any raw event suppresses, or who ever asked for erasure.
    Every copy of an event counts, those too that are duplicates elsewhere. A grant after `as_of`
    undoes neither a withdrawal nor a suppression, for it has not happened. A suppression names
    the reason at `as_of`, else the later one; a null reason here stands for any other word, such
    as that of a missing consent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.oracle.engagement import (
    DAY,
    IsMachineAgent,
    classify,
    clicks_only_tier_at,
    emails_opened,
    engagement_score,
    in_last,
    inactive_reason,
    links_clicked,
    tier_at,
    tier_spells,
)
from tests.oracle.known import (
    Known,
    address_of,
    known_at,
    normalise,
    order_version_at,
    seen,
    spelled,
)
from tests.oracle.raw import Row, World, group, newest_versions, nulls_lowest
from tests.oracle.segments import Person, Scores, is_timezone, members

SCORED_SEGMENTS = ("churn_risk", "likely_openers")


def no_agent_is_machine(user_agent: str) -> bool:
    """Take every user agent for a person's."""
    return False


def counts_as_order(order: Row) -> bool:
    """Tell whether an order's newest version makes it an order."""
    return order["status"] in (None, "placed", "paid")


# Consent -----------------------------------------------------------------------------------


def purpose_of(consent: Row) -> str:
    """Return the purpose of a consent in the form in which purposes are compared."""
    purpose = normalise(consent["purpose"])
    assert purpose is not None
    return purpose


def newest_consent(consents: Sequence[Row], address: str, purpose: str) -> Row | None:
    """Return the consent of an address to a purpose that counts."""
    own = [c for c in consents if c["address"] == address and purpose_of(c) == purpose]
    return max(
        own,
        key=lambda c: (
            c["recorded_at"],
            c["status"] == "withdrawn",
            nulls_lowest([c["source"], c["expires_at"]]),
        ),
        default=None,
    )


def has_consented(consents: Sequence[Row], address: str, purpose: str, as_of: datetime) -> bool:
    """Tell whether an address's newest consent is granted and not expired."""
    newest = newest_consent(consents, address, purpose)
    if newest is None or newest["status"] != "granted":
        return False
    return newest["expires_at"] is None or newest["expires_at"] > as_of


def suppression_reason(
    email_events: Sequence[Row], consents: Sequence[Row], address: str
) -> str | None:
    """Return why an address is suppressed, by the events and the consents that count."""
    events = [e for e in email_events if e["address"] == address]
    if any(e["event_type"] == "bounce" and e["bounce_type"] == "hard" for e in events):
        return "hard_bounce"
    grants = [
        c["recorded_at"]
        for c in consents
        if c["address"] == address
        and purpose_of(c) == "email_marketing"
        and c["status"] == "granted"
    ]
    for event_type in ("complaint", "unsubscribe"):
        instants = [e["occurred_at"] for e in events if e["event_type"] == event_type]
        if instants and not any(grant > max(instants) for grant in grants):
            return event_type
    return None


# Profiles ----------------------------------------------------------------------------------


def first_seen_at(known: Known, address: str) -> datetime:
    """Return the earliest timestamp of anything known of a profile."""
    instants: list[datetime] = []
    for event in [*known.email_events, *known.web_events]:
        if event["address"] == address:
            instants.append(event["occurred_at"])
    for order in known.order_versions:
        if order["address"] == address:
            instants.append(order["ordered_at"])
    for consent in known.consents:
        if consent["address"] == address:
            instants.append(consent["recorded_at"])
    for contact in known.contact_versions:
        if contact["address"] == address:
            instants.append(contact["updated_at"])
            if contact["created_at"] is not None:
                instants.append(contact["created_at"])
    return min(instants)


def attributes(known: Known, address: str) -> dict[str, Any]:
    """Return names, birth date, time zone and place of a profile."""
    contacts = [c for c in known.contacts if c["address"] == address and not c["is_deleted"]]

    def newest(candidates: list[Row]) -> Row | None:
        return max(
            candidates,
            key=lambda c: (
                c["updated_at"],
                nulls_lowest([c["contact_id"], c["source_system"]]),
            ),
            default=None,
        )

    found: dict[str, Any] = {}
    for attribute in ("first_name", "last_name", "birth_date", "timezone"):
        having = [
            c
            for c in contacts
            if c[attribute] is not None and (attribute != "timezone" or is_timezone(c[attribute]))
        ]
        winner = newest(having)
        found[attribute] = None if winner is None else winner[attribute]

    visits = [
        e
        for e in known.web_events
        if e["address"] == address
        and e["country"] is not None
        and in_last(30, e["occurred_at"], known.as_of)
    ]
    if visits:
        last = max(e["occurred_at"] for e in visits)
        places = [
            (e["country"], e["region"], e["city"]) for e in visits if e["occurred_at"] == last
        ]
        place = min(places, key=_place_rank)
    else:
        home = newest([c for c in contacts if c["country"] is not None])
        place = (
            (None, None, None) if home is None else (home["country"], home["region"], home["city"])
        )
    found["country"], found["region"], found["city"] = place
    return found


def _place_rank(place: tuple[str | None, ...]) -> tuple[Any, ...]:
    return tuple((part is None, (part or "").encode("utf-8")) for part in place)


# The tables --------------------------------------------------------------------------------


def marts(
    world: World,
    as_of: datetime,
    is_machine_agent: IsMachineAgent = no_agent_is_machine,
    scores: Mapping[str, Scores] | None = None,
) -> dict[str, list[Row]]:
    """Return the expected rows of the public tables at `as_of`, by table name.

    `is_machine_agent` tells the known scanners and privacy proxies by their user agent. `scores`
    are by address; without them the two segments that need a score are left out.
    """
    known = known_at(world, as_of)
    classify(known.email_events, is_machine_agent)
    profiles: list[Row] = []
    spells: list[Row] = []
    people: list[Person] = []
    for address in known.addresses:
        profile = profile_of(known, address)
        person = person_of(known, profile)
        people.append(person)
        for tier, start, end in tier_spells(
            *human_opens_and_clicks(known, address), profile["first_seen_at"], as_of
        ):
            spells.append(
                {
                    "email": address,
                    "engagement_tier": tier,
                    "valid_from": start,
                    "valid_to": end,
                }
            )
        profiles.append(profile)

    membership = members(people, known.order_lines, known.products, scores, as_of)
    tables = {
        "marts.dim_profiles": [
            {column: value for column, value in profile.items() if column != "birth_date"}
            for profile in profiles
        ],
        "marts.fct_email_events": [email_event_of(event) for event in known.email_events],
        "marts.fct_web_events": [web_event_of(event) for event in known.web_events],
        "marts.fct_orders": [
            {
                "email": order["address"],
                **{
                    column: order[column]
                    for column in ("order_id", "ordered_at", "status", "total_amount", "currency")
                },
            }
            for order in known.orders
        ],
        "marts.fct_quarantined_rows": [
            {**row, "reason": "invalid_address"} for row in known.quarantined
        ],
        "marts.rpt_campaign_performance": campaign_performance(known),
        "marts.fct_engagement_tier_spells": spells,
        "marts.fct_segment_members": membership,
        "marts.ftr_churn": churn_examples(known),
        "marts.ftr_open_propensity": open_examples(known),
    }
    return tables | desired_state(world, known, profiles, membership)


def events_of(known: Known, address: str, event_type: str) -> list[Row]:
    """Return a profile's distinct email events of one type."""
    return [
        e for e in known.email_events if e["address"] == address and e["event_type"] == event_type
    ]


def human_opens_and_clicks(known: Known, address: str) -> tuple[list[Row], list[Row]]:
    """Return a profile's human opens and human clicks."""
    opens = [e for e in events_of(known, address, "open") if e["is_human"]]
    clicks = [e for e in events_of(known, address, "click") if e["is_human"]]
    return opens, clicks


def profile_of(known: Known, address: str) -> Row:
    """Return one row of `dim_profiles`, and the birth date that segments need beside it."""
    as_of = known.as_of
    events = [e for e in known.email_events if e["address"] == address]
    web_events = [e for e in known.web_events if e["address"] == address]
    orders = [o for o in known.orders if o["address"] == address and counts_as_order(o)]
    opens, clicks = human_opens_and_clicks(known, address)
    first_seen = first_seen_at(known, address)
    tier = tier_at(opens, clicks, as_of)
    reason = suppression_reason(known.email_events, known.consents, address)
    revenue = sum((order["total_amount"] for order in orders), Decimal(0))
    row: Row = {"email": address, **attributes(known, address)}
    row["first_seen_at"] = first_seen
    row["last_engaged_at"] = max((e["occurred_at"] for e in [*opens, *clicks]), default=None)
    for days in (7, 14, 30, 90):
        row[f"emails_opened_last_{days}_days"] = emails_opened(opens, days, as_of)
        row[f"links_clicked_last_{days}_days"] = links_clicked(clicks, days, as_of)
    for days in (30, 90):
        row[f"orders_last_{days}_days"] = sum(
            in_last(days, order["ordered_at"], as_of) for order in orders
        )
    row["revenue_last_90_days"] = sum(
        (order["total_amount"] for order in orders if in_last(90, order["ordered_at"], as_of)),
        Decimal(0),
    )
    row["lifetime_orders"] = len(orders)
    row["lifetime_revenue"] = revenue
    row["average_order_value"] = revenue / len(orders) if orders else None
    row["last_order_at"] = max((order["ordered_at"] for order in orders), default=None)
    row["web_sessions_last_7_days"] = len(
        {
            e["session_id"]
            for e in web_events
            if e["session_id"] is not None and in_last(7, e["occurred_at"], as_of)
        }
    )
    row["engagement_score"] = engagement_score(opens, clicks, web_events, orders, as_of)
    row["engagement_tier"] = tier
    row["engagement_tier_all_opens"] = tier_at(
        events_of(known, address, "open"), events_of(known, address, "click"), as_of
    )
    row["engagement_tier_clicks_only"] = clicks_only_tier_at(clicks, as_of)
    row["inactive_reason"] = inactive_reason(tier, events, first_seen, as_of)
    row["may_be_mailed"] = reason is None and has_consented(
        known.consents, address, "email_marketing", as_of
    )
    row["may_be_profiled"] = has_consented(known.consents, address, "profiling", as_of)
    row["suppression_reason"] = reason
    return row


def person_of(known: Known, profile: Row) -> Person:
    """Return a profile as the segment rules see it."""
    address = profile["email"]
    return Person(
        address=address,
        web_events=[e for e in known.web_events if e["address"] == address],
        orders=[o for o in known.orders if o["address"] == address and counts_as_order(o)],
        tier=profile["engagement_tier"],
        inactive_reason=profile["inactive_reason"],
        country=profile["country"],
        region=profile["region"],
        birth_date=profile["birth_date"],
        timezone=profile["timezone"],
        may_be_profiled=profile["may_be_profiled"],
    )


def email_event_of(event: Row) -> Row:
    """Return one row of `fct_email_events`."""
    columns = (
        "event_type",
        "occurred_at",
        "message_id",
        "campaign_id",
        "url",
        "is_human",
        "machine_reason",
    )
    return {"email": event["address"], **{column: event[column] for column in columns}}


def web_event_of(event: Row) -> Row:
    """Return one row of `fct_web_events`."""
    left_out = ("event_id", "email", "own_address", "address", "properties")
    return {"email": event["address"]} | {
        column: value for column, value in event.items() if column not in left_out
    }


def campaign_performance(known: Known) -> list[Row]:
    """Return one row per campaign that is in the campaigns or in a profile's email event."""
    campaign_ids = {campaign["campaign_id"] for campaign in known.campaigns} | {
        e["campaign_id"] for e in known.email_events if e["campaign_id"] is not None
    }
    rows = []
    for campaign_id in sorted(campaign_ids):
        events = [e for e in known.email_events if e["campaign_id"] == campaign_id]
        row: Row = {"campaign_id": campaign_id}
        for column, event_type in (
            ("sent", "sent"),
            ("delivered", "delivered"),
            ("bounces", "bounce"),
            ("complaints", "complaint"),
            ("unsubscribes", "unsubscribe"),
        ):
            row[column] = sum(e["event_type"] == event_type for e in events)
        for noun, event_type in (("opens", "open"), ("clicks", "click")):
            of_type = [e for e in events if e["event_type"] == event_type]
            row[f"{noun}_total"] = len(of_type)
            row[f"{noun}_unique"] = len({(e["address"], e["message_key"]) for e in of_type})
            row[f"{noun}_human"] = sum(e["is_human"] for e in of_type)
            row[f"{noun}_machine"] = sum(not e["is_human"] for e in of_type)
        rows.append(row)
    return rows


# What the models predict -------------------------------------------------------------------


def cutoffs(as_of: datetime) -> list[datetime]:
    """Return the first of each of the last 12 months at 00:00 UTC, and `as_of`."""
    firsts = []
    year, month = as_of.year, as_of.month
    for _ in range(12):
        firsts.append(datetime(year, month, 1))  # noqa: DTZ001 - all times here are naive UTC
        year, month = (year - 1, 12) if month == 1 else (year, month - 1)
    return sorted({*firsts, as_of})


def churn_examples(known: Known) -> list[Row]:
    """Return `(email, cutoff_at, is_churned)` of the profiles active at each cutoff."""
    rows = []
    for cutoff in cutoffs(known.as_of):
        seen_then = [row for row in known.order_versions if seen("orders", row, cutoff)]
        orders_then = newest_versions(
            "orders", seen_then, ("order_id",), order_version_at, address=spelled
        )
        for address in known.addresses:
            opens, clicks = human_opens_and_clicks(known, address)
            engaged = [e["occurred_at"] for e in [*opens, *clicks]]
            ordered_then = [
                o["ordered_at"]
                for o in orders_then
                if o["address"] == address and counts_as_order(o)
            ]
            ordered_now = [
                o["ordered_at"]
                for o in known.orders
                if o["address"] == address and counts_as_order(o)
            ]
            if not any(in_last(60, instant, cutoff) for instant in [*engaged, *ordered_then]):
                continue
            horizon = cutoff + 30 * DAY
            came_back = any(cutoff < instant <= horizon for instant in [*engaged, *ordered_now])
            rows.append(
                {
                    "email": address,
                    "cutoff_at": cutoff,
                    "is_churned": None if horizon > known.as_of else not came_back,
                }
            )
    return rows


def open_examples(known: Known) -> list[Row]:
    """Return `(email, message_id, sent_at, is_opened)` of the messages that were sent."""
    rows = []
    named = [e for e in known.email_events if e["message_id"] is not None]
    messages = group(named, lambda e: (e["address"], e["message_id"]))
    for (address, message_id), events in messages.items():
        sent = [e["occurred_at"] for e in events if e["event_type"] == "sent"]
        delivered = [e["occurred_at"] for e in events if e["event_type"] == "delivered"]
        if not sent and not delivered:
            continue
        sent_at = min(sent or delivered)
        horizon = sent_at + timedelta(hours=72)
        opened = any(
            e["event_type"] == "open" and e["is_human"] and sent_at <= e["occurred_at"] <= horizon
            for e in events
        )
        rows.append(
            {
                "email": address,
                "message_id": message_id,
                "sent_at": sent_at,
                "is_opened": None if horizon > known.as_of else opened,
            }
        )
    return rows


# Delivery ----------------------------------------------------------------------------------


def desired_state(
    world: World, known: Known, profiles: Sequence[Row], membership: Sequence[Row]
) -> dict[str, list[Row]]:
    """Return what the destinations should hold: nobody who said no, even after `as_of`."""
    every_event = [{**event, "address": address_of(event)} for event in world.email_events]
    every_consent = [{**row, "address": address_of(row)} for row in world.consents]
    erased = {normalise(request["email"]) for request in world.erasure_requests}
    mailed: set[str] = set()
    scores_withheld: set[str] = set()
    suppressions: list[Row] = []

    def withdraws_later(address: str, purpose: str) -> bool:
        return any(
            consent["address"] == address
            and purpose_of(consent) == purpose
            and consent["status"] == "withdrawn"
            and consent["recorded_at"] > known.as_of
            for consent in every_consent
        )

    for profile in profiles:
        address = profile["email"]
        if address in erased:
            continue
        reason = profile["suppression_reason"] or suppression_reason(
            every_event, known.consents, address
        )
        if withdraws_later(address, "profiling"):
            scores_withheld.add(address)
        if (
            profile["may_be_mailed"]
            and reason is None
            and not withdraws_later(address, "email_marketing")
        ):
            mailed.add(address)
        else:
            suppressions.append({"email": address, "reason": reason})
    return {
        "sync.profiles": [{"email": address} for address in sorted(mailed)],
        "sync.segment_members": [
            row
            for row in membership
            if row["email"] in mailed
            and not (row["email"] in scores_withheld and row["segment"] in SCORED_SEGMENTS)
        ],
        "sync.suppressions": suppressions,
    }
