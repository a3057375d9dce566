"""The figures of 14.9 million real e-mails (XCampaign), within the tolerances named here.

Only messages old enough to have been opened by the end count: the slowest open takes 21.5 days.
The rates of 4,000 people vary from seed to seed by about a third of the tolerances.
"""

import pytest

from tests.simulation.conftest import Shop

_RIPE = """
with ripe as (
    select sends.*, opens.opened_at, opens.opened_at is not null as is_opened
    from sends
    left join (
        select message_id, min(occurred_at) as opened_at from human
        where event_type = 'open' group by message_id
    ) as opens using (message_id)
    where sends.sent_at < timestamp '2026-01-01' - interval 22 days
),
delays as (
    select date_diff('millisecond', sent_at, opened_at) / 3.6e6 as hours from ripe where is_opened
)
"""


def test_nine_in_a_hundred_sends_are_opened(shop: Shop) -> None:
    rate = shop.value(f"{_RIPE} select avg(is_opened::int) from ripe")
    assert rate == pytest.approx(0.0909, abs=0.006)


def test_mailings_differ_as_real_ones_do(shop: Shop) -> None:
    mean, spread = shop.database.sql(
        f"""{_RIPE}, mailings as (
            select avg(is_opened::int) as rate from ripe group by campaign_id
        ) select avg(rate), stddev_pop(rate) from mailings"""
    ).fetchall()[0]
    assert mean == pytest.approx(0.0913, abs=0.008)
    assert spread == pytest.approx(0.0358, abs=0.008)


def test_people_differ_as_real_ones_do(shop: Shop) -> None:
    mean, spread = shop.database.sql(
        f"""{_RIPE}, people as (select avg(is_opened::int) as rate from ripe group by email)
        select avg(rate), stddev_pop(rate) from people"""
    ).fetchall()[0]
    assert mean == pytest.approx(0.1233, abs=0.013)
    assert spread == pytest.approx(0.2046, abs=0.018)


@pytest.mark.parametrize(("hours", "share"), [(1, 0.259), (24, 0.712), (168, 0.930)])
def test_opens_follow_the_send_as_fast_as_real_ones(shop: Shop, hours: int, share: float) -> None:
    within = shop.value(f"{_RIPE} select avg((hours <= {hours})::int) from delays")
    assert within == pytest.approx(share, abs=0.02)


def test_half_of_the_opens_come_within_six_hours_and_a_half(shop: Shop) -> None:
    median = shop.value(f"{_RIPE} select median(hours) from delays")
    assert median == pytest.approx(6 + 25 / 60, abs=1.0)


def test_the_mean_open_comes_after_a_day_and_seventeen_hours(shop: Shop) -> None:
    mean = shop.value(f"{_RIPE} select avg(hours) from delays")
    assert mean == pytest.approx(24 + 17 + 25 / 60, abs=4.0)
