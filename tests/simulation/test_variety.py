"""The shop has something to show for every tier, reason and segment at its end."""

import pytest

from tests.simulation.conftest import Shop

AS_OF = "timestamp '2026-01-01'"

_ENGAGED = f"""
with windows as (
    select people.email, people.signed_up_at,
        count(distinct message_id) filter (
            event_type = 'open' and occurred_at > {AS_OF} - interval 7 days
        ) as opened_7,
        count(distinct (message_id, url)) filter (
            event_type = 'click' and occurred_at > {AS_OF} - interval 7 days
        ) as clicked_7,
        count(*) filter (occurred_at > {AS_OF} - interval 14 days) as events_14,
        count(*) filter (occurred_at > {AS_OF} - interval 30 days) as events_30
    from truth.people left join human using (email)
    group by all
),
inactive as (select * from windows where events_30 = 0),
mailed as (select distinct email from sends where sent_at > {AS_OF} - interval 30 days),
hidden as (
    select distinct normal(email) as email from truth.machine_events
    where event_type = 'open' and occurred_at > {AS_OF} - interval 30 days
)
"""

_OLD = f"signed_up_at < {AS_OF} - interval 30 days"


@pytest.mark.parametrize(
    ("group", "condition"),
    [
        ("highly engaged", "from windows where opened_7 >= 3 and clicked_7 >= 2"),
        ("moderately engaged", "from windows where events_14 > 0 and opened_7 = 0"),
        ("lapsing", "from windows where events_30 > 0 and events_14 = 0"),
        ("inactive: new", f"from inactive where not ({_OLD})"),
        ("inactive: not mailed", f"from inactive anti join mailed using (email) where {_OLD}"),
        (
            "inactive: opens hidden",
            "from inactive semi join mailed using (email) semi join hidden using (email) "
            f"where {_OLD}",
        ),
        (
            "inactive: ignored",
            "from inactive semi join mailed using (email) anti join hidden using (email) "
            f"where {_OLD}",
        ),
        (
            "win-back",
            "from inactive semi join mailed using (email) anti join hidden using (email) "
            f"semi join valid_orders using (email) where {_OLD}",
        ),
    ],
)
def test_every_tier_and_reason_has_members(shop: Shop, group: str, condition: str) -> None:
    assert shop.value(f"{_ENGAGED} select count(*) {condition}") >= 5, group


_LAST_DAY = f"occurred_at > {AS_OF} - interval 24 hours"
_BUYERS = "(select email from valid_orders where ordered_at > timestamp '2025-12-02')"
_LAST_BUYERS = "(select email from valid_orders where ordered_at > timestamp '2025-12-31')"


@pytest.mark.parametrize(
    ("segment", "query"),
    [
        (
            "potentially_interested",
            "select count(distinct email) from visits "
            f"where event_type = 'product_view' and {_LAST_DAY}",
        ),
        (
            "abandoned_cart_ny",
            "select count(distinct email) from visits where event_type = 'add_to_cart' "
            f"and region in ('NY', 'New York') and {_LAST_DAY} and email not in {_LAST_BUYERS}",
        ),
        (
            "frequent_browsers",
            "select count(*) from (select email from visits where event_type = 'product_view' "
            f"and occurred_at > {AS_OF} - interval 7 days and email not in {_BUYERS} "
            "group by email having count(distinct session_id) >= 3)",
        ),
        (
            "high_value_cart_dropouts",
            "select count(*) from (select email from visits where event_type = 'add_to_cart' "
            f"and occurred_at > {AS_OF} - interval 7 days and email not in {_BUYERS} "
            "group by email having sum(coalesce(quantity, 1) * unit_price) >= 100)",
        ),
        ("recent_category_buyers", f"select count(*) from {_BUYERS}"),
        (
            "birthday_week",
            "select count(distinct contact_id) from raw.contacts "
            "where month(birth_date) = 1 and day(birth_date) <= 7",
        ),
        (
            "likely_openers",
            "select count(*) from (select email from truth.messages where "
            f"sent_at > {AS_OF} - interval 14 days group by email "
            "having avg(open_probability_within_72_hours) >= 0.55)",
        ),
    ],
)
def test_every_segment_has_what_it_is_made_of(shop: Shop, segment: str, query: str) -> None:
    assert shop.value(query) >= 2, segment


def test_every_file_format_of_the_contract_is_there(shop: Shop) -> None:
    names = [file.name for file in (shop.folder / "landing").rglob("*") if file.is_file()]
    endings = {name.split(".", 1)[1] for name in names}
    assert endings == {"parquet", "ndjson", "ndjson.gz", "jsonl.gz", "csv", "csv.gz"}


def test_times_are_of_the_simulated_time_but_for_what_the_crm_remembers(shop: Shop) -> None:
    for table, column in (
        ("email_events", "occurred_at"),
        ("web_events", "occurred_at"),
        ("orders", "ordered_at"),
    ):
        first, last = shop.database.sql(
            f"select min({column}), max({column}) from raw.{table}"
        ).fetchall()[0]
        assert str(first) >= "2025-06-15"
        assert "2025-12-31" <= str(last) <= "2026-01-01 00:00:00"
    assert shop.value("select min(created_at) < timestamp '2025-01-01' from raw.contacts")
