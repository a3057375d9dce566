"""Dirt: every kind is there, about as often as `params.yaml` says, and can be switched off."""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest

from ingestion.contract import TABLES
from simulation import params
from simulation.shop import simulate
from tests.simulation.conftest import PEOPLE, Shop

DIRT = params.load().dirt


@pytest.mark.parametrize("table", ["email_events", "web_events"])
def test_some_events_come_twice_under_their_own_id(shop: Shop, table: str) -> None:
    twice, shifted, rows = shop.database.sql(
        f"""
        select
            sum(copies - moments), sum(moments - 1), sum(copies)
        from (
            select count(*) as copies, count(distinct occurred_at) as moments
            from raw.{table} group by event_id
        )
        """
    ).fetchall()[0]
    assert twice / rows == pytest.approx(DIRT.duplicate_same_id, rel=0.2)
    assert shifted / rows == pytest.approx(DIRT.duplicate_shifted, rel=0.3)


def test_some_email_events_come_twice_under_another_id(shop: Shop) -> None:
    renamed, rows = shop.database.sql(
        """
        select sum(ids - 1), sum(copies) from (
            select count(distinct event_id) as ids, count(*) as copies from raw.email_events
            group by message_id, event_type, occurred_at, url
        )
        """
    ).fetchall()[0]
    assert renamed / rows == pytest.approx(DIRT.duplicate_new_id, rel=0.2)


@pytest.mark.parametrize("table", ["email_events", "web_events"])
def test_some_rows_come_in_the_file_of_a_later_month(shop: Shop, table: str) -> None:
    share = shop.value(
        f"""
        select avg((month < regexp_extract(_file, '\\d{{4}}-\\d\\d'))::int)
        from (select strftime(occurred_at, '%Y-%m') as month, _file from raw.{table})
        """
    )
    # A late row still hits its own month if it is a few days late; copies are late more often.
    assert 0.4 * DIRT.late < share < 1.3 * DIRT.late


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("email_events", "email"),
        ("web_events", "email"),
        ("orders", "email"),
        ("consents", "email"),
    ],
)
def test_some_addresses_are_messy_and_mean_the_same(shop: Shop, table: str, column: str) -> None:
    share = shop.value(
        f"select avg(({column} <> normal({column}))::int) from raw.{table} "
        f"where {column} is not null"
    )
    assert share == pytest.approx(DIRT.messy_address, rel=0.35)


def test_messy_addresses_have_blanks_tabs_hard_blanks_and_capitals(shop: Shop) -> None:
    kinds = shop.database.sql(
        """
        select
            count(*) filter (email like ' %'), count(*) filter (email like '% '),
            count(*) filter (ends_with(email, chr(9))),
            count(*) filter (starts_with(email, chr(160))),
            count(*) filter (trim(email) <> lower(trim(email)))
        from raw.email_events
        """
    ).fetchall()[0]
    assert min(kinds) > 20


def test_rejected_rows_are_those_that_were_broken(shop: Shop) -> None:
    rejected: Mapping[str, int] = dict(
        shop.database.sql(
            "select table_name, count(*) from raw.rejected_rows group by all"
        ).fetchall()
    )
    broken = {name: count for name, count in shop.summary.broken_rows.items() if count}
    assert rejected == broken == {
        "email_events": 6, "web_events": 5, "orders": 3, "order_lines": 3, "contacts": 3
    }  # fmt: skip


def test_every_other_row_is_loaded(shop: Shop) -> None:
    loaded = {name: shop.value(f"select count(*) from raw.{name}") for name in TABLES}
    assert loaded == shop.summary.rows


def test_broken_email_events_are_opens_whose_type_can_be_read(shop: Shop) -> None:
    readable = shop.value(
        """select count(*) from raw.rejected_rows where table_name = 'email_events'
        and regexp_matches(raw_text, '"event_type": ?"open"')"""
    )
    assert readable == 6


def test_a_column_that_the_contract_does_not_know_is_in_orders_alone(shop: Shop) -> None:
    named = shop.database.sql(
        """select distinct table_name, lower(unnest(unknown_columns::varchar[]))
        from raw.loaded_files"""
    ).fetchall()
    assert named == [("orders", "sales_channel")]


def test_addresses_that_are_none_are_in_contacts_and_web_events(shop: Shop) -> None:
    for table, share in (("contacts", DIRT.invalid_contacts), ("web_events", None)):
        count = shop.value(
            f"""select count(*) from raw.{table} where email is not null
            and not regexp_matches(normal(email), '^[!-?A-~]+@[!-?A-~]+\\.[!-?A-~]+$')"""
        )
        assert 0 < count < 0.005 * shop.summary.rows[table]
        if share is not None:
            assert count == share * PEOPLE


@pytest.mark.parametrize(
    "event_type",
    ["deferred", "bounce", "dropped", "complaint", "unsubscribe", "delivered", "click", "open"],
)
def test_every_fate_of_a_message_occurs(shop: Shop, event_type: str) -> None:
    assert (
        shop.value(f"select count(*) from raw.email_events where event_type = '{event_type}'") > 0
    )


def test_bounces_are_hard_and_soft_and_the_hard_ones_end_the_mailing(shop: Shop) -> None:
    kinds = dict(
        shop.database.sql(
            "select bounce_type, count(*) from raw.email_events "
            "where event_type = 'bounce' group by all"
        ).fetchall()
    )
    assert set(kinds) == {"hard", "soft"}
    after = shop.value(
        """select count(*) from sends join (
            select normal(email) as email, min(occurred_at) as bounced_at from raw.email_events
            where bounce_type = 'hard' group by all
        ) using (email) where sent_at > bounced_at"""
    )
    assert after == 0


def test_who_unsubscribed_gets_no_mail_until_consent_is_granted_again(shop: Shop) -> None:
    wrongly = shop.value(
        """select count(*) from sends
        join (
            select normal(email) as email, min(occurred_at) as stopped_at from raw.email_events
            where event_type in ('unsubscribe', 'complaint') group by all
        ) using (email)
        where sent_at > stopped_at and not exists (
            select 1 from raw.consents where normal(consents.email) = sends.email
                and purpose = 'email_marketing' and status = 'granted'
                and recorded_at > stopped_at and recorded_at <= sent_at
        )"""
    )
    assert wrongly == 0
    regranted = "stopped_at < resumed_at and resumed_at is not null"
    assert shop.value(f"select count(*) from truth.people where {regranted}") > 0


def test_gmail_relays_opens_of_people(shop: Shop) -> None:
    relayed = shop.value(
        """select count(*) from raw.email_events where user_agent like '%GoogleImageProxy%'
        and event_id not in (select event_id from truth.machine_events)"""
    )
    assert relayed > 1_000


def test_visitors_browse_before_they_log_in_and_some_never_do(shop: Shop) -> None:
    first, never = shop.database.sql(
        """
        select
            count(*) filter (known_at > first_at), count(*) filter (known_at is null)
        from (
            select min(occurred_at) as first_at,
                min(occurred_at) filter (email is not null) as known_at
            from raw.web_events group by anonymous_id
        )
        """
    ).fetchall()[0]
    assert first > 1_000
    assert never > 1_000


def test_contacts_have_versions_two_systems_deletions_and_older_addresses(shop: Shop) -> None:
    versions, deleted, older = shop.database.sql(
        """
        select
            count(*) - count(distinct (source_system, contact_id)),
            count(*) filter (is_deleted), count(*) filter (normal(email) like 'old.%')
        from raw.contacts
        """
    ).fetchall()[0]
    assert versions > 1_000
    assert deleted > 20
    assert older > 5
    assert shop.value("select count(distinct source_system) from raw.contacts") == 2


def test_orders_go_through_versions(shop: Shop) -> None:
    statuses = dict(
        shop.database.sql("select status, count(*) from raw.orders group by all").fetchall()
    )
    assert set(statuses) == {"placed", "paid", "cancelled", "refunded", None}
    corrected = shop.value(
        "select count(*) - count(distinct (order_id, line_number)) from raw.order_lines"
    )
    assert corrected > 20


def test_the_total_of_an_order_is_that_of_its_lines(shop: Shop) -> None:
    unequal = shop.value(
        """
        with totals as (
            select order_id, max(total_amount) as total from raw.orders group by order_id
        ),
        of_lines as (
            select order_id, sum(quantity * unit_price) as total from raw.order_lines
            where updated_at is null group by order_id
        )
        select count(*) from totals left join of_lines using (order_id)
        where of_lines.total is distinct from totals.total
        """
    )
    assert unequal == 0


def test_consents_are_missing_refused_withdrawn_and_expired(shop: Shop) -> None:
    states = shop.database.sql(
        """
        select
            count(*) filter (consents.email is null),
            count(*) filter (consents.status = 'withdrawn'),
            count(*) filter (consents.expires_at < timestamp '2026-01-01')
        from truth.people left join raw.consents on
            normal(consents.email) = people.email and consents.purpose = 'email_marketing'
        """
    ).fetchall()[0]
    assert min(states) > 20


def test_three_people_ask_to_be_forgotten(shop: Shop) -> None:
    asked = shop.value(
        "select count(*) from raw.erasure_requests join truth.people using (email)"
        " where requested_at = erasure_requested_at"
    )
    assert asked == 3


def test_dirt_can_be_switched_off(tmp_path: Path) -> None:
    numbers = params.load()
    clean = {name: 0 for name, value in DIRT if isinstance(value, float)}
    dirt = DIRT.model_copy(update={**clean, "broken_rows": {}, "erasure_requests": 0})
    summary = simulate(200, 40, 1, tmp_path, params=numbers.model_copy(update={"dirt": dirt}))
    assert set(summary.broken_rows.values()) == {0}
    files = str(tmp_path / "landing" / "email_events" / "**" / "*.parquet")
    rows, ids, messy = duckdb.sql(
        f"""select count(*), count(distinct event_id), count(*) filter (email <> lower(trim(email)))
        from read_parquet('{files}')"""
    ).fetchall()[0]
    assert rows == ids > 0
    assert messy == 0
