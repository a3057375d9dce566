"""One simulated shop for all tests of this room, loaded by the real loader, its truth beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingestion import loader
from simulation.shop import SimulationSummary, simulate

PEOPLE, DAYS, SEED = 4_000, 200, 11


@dataclass(frozen=True)
class Shop:
    """A simulated shop: its folder, its summary, and a database of raw tables and truth.

    Besides `raw.*` and `truth.*` there are `sends` (one row per message that was sent), `human`
    (distinct opens and clicks of people, by the truth), `visits` (web events with their person's
    address) and `valid_orders` (newest version placed or paid), with normalised addresses.
    """

    folder: Path
    summary: SimulationSummary
    database: duckdb.DuckDBPyConnection

    def value(self, sql: str) -> Any:
        """Return the one value of a query."""
        return self.database.sql(sql).fetchall()[0][0]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("simulated")
    summary = simulate(PEOPLE, DAYS, SEED, folder)
    with duckdb.connect(config={"threads": 2}) as database:
        as_of = summary.as_of
        loader.load(database, folder / "landing", as_of + timedelta(seconds=1))
        database.execute("create schema truth")
        for name in summary.truth_rows:
            file = str(folder / "truth" / f"{name}.parquet")
            database.execute(
                f"create table truth.{name} as select * from read_parquet($file)", {"file": file}
            )
        database.execute(_READINGS)
        yield Shop(folder, summary, database)


_READINGS = """
create macro normal(address) as lower(trim(address, chr(9) || ' ' || chr(160)));

create table sends as
select message_id, any_value(normal(email)) as email, min(occurred_at) as sent_at,
    any_value(campaign_id) as campaign_id
from raw.email_events where event_type = 'sent' group by message_id;

create table human as
select distinct message_id, event_type, occurred_at, url, normal(email) as email
from (
    -- The same event_id again, a little later, is a copy.
    select distinct on (event_id) * from raw.email_events
    where event_type in ('open', 'click') order by event_id, occurred_at
) as events
where not exists (
    select 1 from truth.machine_events as machine where machine.event_id = events.event_id
);

create table visits as
select web_events.* exclude (email), people.email
from raw.web_events
join truth.identities as browser on
    browser.kind = 'anonymous_id' and browser.value = web_events.anonymous_id
join truth.people using (person_id);

create table valid_orders as
select order_id, normal(email) as email, ordered_at
from (
    select distinct on (order_id) * from raw.orders
    order by order_id, coalesce(updated_at, ordered_at) desc, status desc nulls last
) as newest
where coalesce(status, 'placed') in ('placed', 'paid');
"""
