"""Two real shops: what the models say is what hand-written SQL finds in the raw files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pytest

from tests.dbt_project.building import Project, load_landing
from tests.real_data import beside_the_project


@dataclass(frozen=True)
class Shop:
    """A folder of real data, when it ends, and how many people are in it."""

    name: str
    as_of: datetime
    profiles: int


SHOPS = (
    Shop("online-retail", datetime(2011, 12, 10), profiles=4_372),  # noqa: DTZ001 - UTC
    # 2,377 households with baskets, and two of whom there is a card alone.
    Shop("complete-journey", datetime(2018, 1, 2), profiles=2_379),  # noqa: DTZ001 - UTC
)


@dataclass(frozen=True)
class BuiltShop:
    """A built warehouse in which the files themselves are views: `orders_file` and so on."""

    shop: Shop
    connection: duckdb.DuckDBPyConnection

    def assert_same_rows(self, built: str, by_hand: str) -> None:
        """Compare two queries as bags of rows, and show the first that only one has."""
        for one, other in ((built, by_hand), (by_hand, built)):
            query = f"(({one}) except all ({other})) limit 5"
            assert self.connection.execute(query).fetchall() == []
        assert self.connection.execute(f"select count(*) from ({built})").fetchone() != (0,)


@pytest.fixture(scope="module", params=SHOPS, ids=lambda shop: shop.name)
def shop(project: Project, request: pytest.FixtureRequest) -> Iterator[BuiltShop]:
    real: Shop = request.param
    landing = beside_the_project(f"{real.name}/landing")
    readers = {".parquet": "read_parquet", ".csv": "read_csv", ".gz": "read_csv"}
    with project.world() as connection:
        connection.execute("set threads = 2")
        load_landing(connection, landing)
        project.build(connection, real.as_of)
        for table in ("orders", "order_lines", "products", "consents"):
            (file,) = (path for path in (landing / table).rglob("*") if path.is_file())
            reader = readers.get(file.suffix, "read_json")
            connection.execute(
                f"create temp view {table}_file as select * from {reader}('{file.as_posix()}')"
            )
        connection.execute("set variable as_of = ?", [real.as_of])
        yield BuiltShop(real, connection)


def test_every_person_is_one_profile(shop: BuiltShop) -> None:
    counted = shop.connection.execute("select count(*) from marts.dim_profiles").fetchone()

    assert counted == (shop.shop.profiles,)


def test_orders_are_those_of_the_file(shop: BuiltShop) -> None:
    shop.assert_same_rows(
        """
        select order_id, email, ordered_at, status, total_amount, currency
        from marts.fct_orders inner join marts.dim_profiles using (profile_id)
        """,
        """
        select order_id, email, ordered_at, status, total_amount, currency
        from orders_file where ordered_at <= getvariable('as_of')
        """,
    )


def test_orders_and_revenue_of_everybody_are_those_of_the_file(shop: BuiltShop) -> None:
    shop.assert_same_rows(
        """
        select
            email, lifetime_orders, lifetime_revenue, last_order_at,
            orders_last_30_days, orders_last_90_days, revenue_last_90_days
        from marts.dim_profiles where lifetime_orders > 0
        """,
        """
        select
            email, count(*), sum(total_amount)::decimal(18, 2), max(ordered_at),
            count(*) filter (ordered_at > getvariable('as_of') - interval '30 days'),
            count(*) filter (ordered_at > getvariable('as_of') - interval '90 days'),
            coalesce(
                sum(total_amount) filter (ordered_at > getvariable('as_of') - interval '90 days'),
                0
            )::decimal(18, 2)
        from orders_file
        where status in ('placed', 'paid') and ordered_at <= getvariable('as_of')
        group by email
        """,
    )


def test_recent_category_buyers_bought_most_of_their_category(shop: BuiltShop) -> None:
    shop.assert_same_rows(
        """
        select email, attribute
        from marts.fct_segment_members inner join marts.dim_profiles using (profile_id)
        where segment = 'recent_category_buyers'
        """,
        """
        with bought as (
            select email, category::varchar as category, sum(quantity) as pieces
            from orders_file
            inner join order_lines_file using (order_id)
            left join products_file using (product_id)
            where
                status in ('placed', 'paid')
                and ordered_at <= getvariable('as_of')
                and ordered_at > getvariable('as_of') - interval '30 days'
            group by all
        )
        select
            buyers.email,
            (
                select category from bought
                where bought.email = buyers.email and category is not null
                order by pieces desc, category limit 1
            )
        from (select distinct email from bought) as buyers
        """,
    )


def test_who_may_be_mailed_is_who_agreed_last(shop: BuiltShop) -> None:
    shop.assert_same_rows(
        "select email from marts.dim_profiles where may_be_mailed",
        """
        select email from consents_file
        where purpose = 'email_marketing' and recorded_at <= getvariable('as_of')
        group by email
        having max_by(status, recorded_at) = 'granted'
        """,
    )


def test_nobody_reads_where_no_mail_was_opened(shop: BuiltShop) -> None:
    """Neither shop has an open or a click: all are inactive, and one shop wrote to nobody."""
    reasons = shop.connection.execute(
        "select distinct engagement_tier, inactive_reason = 'ignored' from marts.dim_profiles"
    ).fetchall()

    assert {tier for tier, _ in reasons} == {"inactive"}
    assert (("inactive", True) in reasons) is (shop.shop.name == "complete-journey")
