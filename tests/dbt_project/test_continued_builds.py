"""A build that continues gives what one from nothing gives, whatever came before."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt_common.exceptions import DbtRuntimeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.publication import FACTS, name_publication, publish
from tests.dbt_project.building import CATALOG, LOADED_AT, Project, landing_of, load_landing
from tests.dbt_project.continuing import NOTED, Steps, bring, hold_back
from tests.dbt_project.test_same_rows_same_marts import assert_same, public_rows
from tests.oracle.worlds import random_world

STEPS = st.lists(
    st.sampled_from(
        [timedelta(), timedelta(microseconds=1), timedelta(minutes=1), timedelta(hours=20)]
        + [timedelta(days=days) for days in (1, 2, 7, 31, 365)]
    ),
    min_size=1,
    max_size=5,
)
"""How far `as_of` lies before the last one, each time; out of order they go backwards."""


@pytest.fixture(scope="session")
def steps(project: Project) -> Steps:
    """Both ways of building, compiled once."""
    return Steps(project)


def both_ways(
    project: Project, steps: Steps, folder: Path, seed: int, back: list[timedelta], salt: int
) -> int:
    """Build a world in batches and at once, compare all public tables, and count what continued."""
    world, last = random_world(seed)
    as_ofs = [last - one for one in back] + [last]
    continued = 0
    landing = landing_of(world, folder / f"{seed}-{salt}-{len(back)}", seed)
    published = landing.with_name(f"{landing.name}.duckdb")
    with project.world() as connection:
        load_landing(connection, landing)
        hold_back(connection)
        for batch, as_of in enumerate(as_ofs):
            bring(connection, batch, len(as_ofs), salt)
            continued += not steps.build(connection, as_of)
            publish(connection, published, as_of=as_of, at=as_of)
            assert_published(connection, published)
        in_steps = public_rows(project, connection)
    with project.world() as connection:
        load_landing(connection, landing)
        assert steps.build(connection, last)
        at_once = public_rows(project, connection)
    # Segments of builds before are history, which the one build has not seen.
    for history in ("fct_segment_spells", "fct_segment_members"):
        at_once.pop(f"marts.{history}")
        in_steps.pop(f"marts.{history}")
    assert_same(at_once, in_steps)
    return continued


def assert_published(connection: duckdb.DuckDBPyConnection, warehouse: Path) -> None:
    """Compare the large tables that readers see with those that are built."""
    connection.execute(f"attach '{name_publication(warehouse)}' as published (read_only)")
    for schema, table in FACTS:
        if schema == "ml":
            # Nothing is scored here.
            continue
        name = f"{schema}.{table}"
        both = (f"(from {name} except all from published.{name})",
                f"(from published.{name} except all from {name})")  # fmt: skip
        assert connection.execute(" union all ".join(both)).fetchall() == [], name
    connection.execute("detach published")


def check(project: Project, steps: Steps, folder: Path, examples: int) -> None:
    continued = 0

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(seed=st.integers(0, 10_000), back=STEPS, salt=st.integers(0, 1_000))
    def any_world(seed: int, back: list[timedelta], salt: int) -> None:
        nonlocal continued
        continued += both_ways(project, steps, folder / f"{seed}", seed, back, salt)

    any_world()
    # Builds from nothing alone would prove nothing; where erased people come again, or as_of goes
    # back, they are.
    assert continued > examples / 3


def test_batches_in_any_order_and_any_as_of_give_what_one_build_gives(
    project: Project, steps: Steps, tmp_path: Path
) -> None:
    check(project, steps, tmp_path, examples=12)


@pytest.mark.slow
def test_many_worlds_built_in_batches_give_what_one_build_gives(
    project: Project, steps: Steps, tmp_path: Path
) -> None:
    check(project, steps, tmp_path, examples=30)


def test_people_who_are_listed_are_computed_anew(
    project: Project, steps: Steps, tmp_path: Path
) -> None:
    world, as_of = random_world(11)
    with project.world() as connection:
        load_landing(connection, landing_of(world, tmp_path / "landing", seed=11))
        assert steps.build(connection, as_of)
        at_once = public_rows(project, connection)
        connection.execute(
            """
            create temp table listed as
            select profile_key, profile_id, email from intermediate.int_profiles__resolved
            where profile_key in (
                select profile_key from intermediate.int_engagements__followed
                intersect
                select profile_key from intermediate.int_web_events__resolved
            )
            order by profile_key limit 2
            """
        )
        # Whatever a table that is carried on has lost of them, or holds too often.
        for table in steps.carried_on:
            columns = [name for name, *_ in connection.execute(f"describe {table}").fetchall()]
            for key in {"profile_key", "profile_id"} & {*columns} - {"email"}:
                if "email" not in columns and not table.endswith("profiled"):
                    connection.execute(
                        f"delete from {table} where {key} in"
                        f" (select {key} from listed order by profile_key limit 1)"
                    )
        connection.execute("insert into intermediate.addresses_to_rebuild select email from listed")

        assert not steps.build(connection, as_of)

        assert_same(at_once, public_rows(project, connection))


def test_a_copy_of_one_person_brings_back_no_copy_of_another(
    project: Project, steps: Steps, tmp_path: Path
) -> None:
    """Ada and Bo were sent one message id; on Bo's browser Ada has logged in."""
    email_events = "event_id, email, event_type, message_id, provider, occurred_at, _loaded_at"
    web_events = "event_id, anonymous_id, email, event_type, occurred_at, _loaded_at"
    day, later = "2024-06-03", LOADED_AT + timedelta(hours=1)
    ada, bo = "ada@example.com", "bo@example.com"
    (tmp_path / "email_events").mkdir()
    with project.world() as connection:
        load_landing(connection, tmp_path)

        def bring(table: str, columns: str, *row: object) -> None:
            marks = ", ".join("?" * len(row))
            connection.execute(f"insert into raw.{table} ({columns}) values ({marks})", row)

        for number, email, message, hour in (
            ("1", ada, "m", 10),
            ("5", bo, "m", 10),
            ("5", bo, "n", 9),
        ):
            at = f"{day} {hour:02}:00:00"
            bring("email_events", email_events, number, email, "open", message, "x", at, LOADED_AT)
        for number, email, hour in (("1", ada, 10), ("5", None, 10), ("5", None, 9), ("0", bo, 8)):
            at = f"{day} {hour:02}:00:00"
            bring("web_events", web_events, number, "v", email, "page_view", at, LOADED_AT)
        assert steps.build(connection, datetime(2024, 6, 4))  # noqa: DTZ001

        bring("email_events", email_events, "1", ada, "open", "m", "x", f"{day} 12:00:00", later)
        bring("web_events", web_events, "1", "v", ada, "page_view", f"{day} 12:00:00", later)
        assert not steps.build(connection, datetime(2024, 6, 4))  # noqa: DTZ001

        hours = {
            table: connection.execute(
                f"select hour(occurred_at) from marts.{table} order by all"
            ).fetchall()
            for table in ("fct_email_events", "fct_web_events")
        }
    assert hours == {"fct_email_events": [(9,), (10,)], "fct_web_events": [(8,), (9,), (10,)]}


# dbt itself: what it notices, and what it makes of it


@dataclass(frozen=True)
class Shop:
    """A warehouse that dbt builds again and again."""

    project: Project
    warehouse: Path
    as_of: datetime

    def run(self, *arguments: str, later: timedelta = timedelta()) -> str | None:
        """Build, and return why everything was built anew, if it was."""
        self.project.dbt("run", *arguments, warehouse=self.warehouse, as_of=self.as_of + later)
        return self.ask(
            "select arg_max(coalesce(rebuild_reason, ''), began_at) from intermediate.build_states"
        )

    def build(self, later: timedelta = timedelta()) -> str | None:
        """Build, and test the keys; return how the first of the tests failed, if one did."""
        wanted = (
            *("--exclude-resource-type", "unit_test"),
            *("--select", "resource_type:model", "test_name:key", "test_name:known_profile"),
            *("--indirect-selection", "empty"),
        )
        try:
            self.project.dbt("build", *wanted, warehouse=self.warehouse, as_of=self.as_of + later)
        except AssertionError as failure:
            return str(failure).partition("\n")[0]
        return None

    def ask(self, query: str) -> Any:
        """Run one statement in the warehouse, and return the first value it gives."""
        with duckdb.connect(self.warehouse) as connection:
            found = connection.execute(query).fetchone()
        return found and found[0]

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all rows of all marts that are no history."""
        with duckdb.connect(self.warehouse) as connection:
            found = public_rows(self.project, connection)
        for history in ("fct_segment_spells", "fct_segment_members"):
            found.pop(f"marts.{history}")
        return found

    def assert_as_from_nothing(self, later: timedelta = timedelta()) -> None:
        """Compare what is there with what a full refresh makes of it."""
        in_steps = self.rows()
        self.run("--full-refresh", later=later)
        assert_same(self.rows(), in_steps)


@pytest.fixture
def shop(project: Project, tmp_path: Path) -> Shop:
    """A world in a warehouse of its own, which nothing has been built in."""
    world, as_of = random_world(11)
    warehouse = tmp_path / f"{CATALOG}.duckdb"
    shutil.copy(project.seeded, warehouse)
    with duckdb.connect(warehouse) as connection:
        load_landing(connection, landing_of(world, tmp_path / "landing", seed=11))
    return Shop(project, warehouse, as_of)


def test_a_build_continues_until_something_else_than_rows_and_time_changes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop.run() == "no build has finished before"
    assert shop.run() == ""
    assert shop.ask("select count(*) from intermediate.int_profiles__touched") == 0
    assert shop.run(later=timedelta(days=3)) == ""
    shop.assert_as_from_nothing(timedelta(days=3))

    reason = shop.run(later=timedelta(days=1))
    later, earlier = (shop.as_of + timedelta(days=days) for days in (3, 1))
    assert reason == f"as_of goes back, from {later} to {earlier}"
    shop.assert_as_from_nothing(timedelta(days=1))

    assert shop.run("--full-refresh") == "a full refresh was asked for"

    seed = shop.project.manifest.flat_graph["nodes"]["seed.mailmart.engagement_tiers"]
    monkeypatch.setitem(seed["checksum"], "checksum", "that of other numbers")
    assert shop.run() == "seed engagement_tiers has changed"
    assert shop.run() == ""


def test_rows_that_somebody_takes_out_or_brings_late_are_noticed(shop: Shop) -> None:
    with duckdb.connect(shop.warehouse) as connection:
        connection.execute(
            "create temp table late as select * from raw.email_events limit 2;"
            "delete from raw.email_events where rowid in"
            " (select rowid from raw.email_events limit 2)"
        )
        shop_rows = connection.execute("select * from late").fetchall()
        columns = len(shop_rows[0])
    shop.run()
    with duckdb.connect(shop.warehouse) as connection:
        # They say to have been loaded with the others, as rows of another loader may.
        connection.executemany(
            f"insert into raw.email_events values ({', '.join('?' * columns)})", shop_rows
        )
        # Or not to have been loaded at any time.
        connection.execute(
            "update raw.email_events set _loaded_at = null where rowid ="
            " (select max(rowid) from raw.email_events)"
        )
    assert shop.run() == ""
    assert shop.ask("select count(*) from intermediate.int_profiles__touched") > 0
    shop.assert_as_from_nothing()

    shop.ask("delete from raw.orders where rowid in (select rowid from raw.orders limit 1)")
    assert shop.run() == "rows of raw.orders are gone"
    shop.assert_as_from_nothing()


@pytest.mark.slow
def test_a_part_of_a_build_is_no_build(shop: Shop) -> None:
    shop.run()
    # Two builds that do not come to their end: one that goes on, and one from nothing.
    assert shop.run("--select", "int_email_events__classified", later=timedelta(days=2)) == ""
    assert shop.run(later=timedelta(days=2)) == ""
    shop.assert_as_from_nothing(timedelta(days=2))

    shop.run("--full-refresh", "--select", "int_profiles__resolved", later=timedelta(days=2))
    assert shop.run(later=timedelta(days=2)) == "a full refresh was asked for"
    shop.assert_as_from_nothing(timedelta(days=2))

    shop.run("--select", "int_messages__sent", later=timedelta(days=9))
    assert str(shop.run(later=timedelta(days=3))).startswith("as_of goes back")


@pytest.mark.slow
def test_a_kill_while_a_build_is_noted_as_finished_leaves_it_finished(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_between = (shop.as_of + timedelta(days=5)).isoformat()
    for table in ("email_events", "web_events"):
        shop.ask(
            f"update raw.{table} set occurred_at = '{in_between}'"
            f" where rowid = (select max(rowid) from raw.{table})"
        )
    shop.run(later=timedelta(days=10))

    execute = DuckDBConnectionManager.execute

    def execute_and_die(manager: Any, sql: str, *arguments: Any, **options: Any) -> Any:
        result = execute(manager, sql, *arguments, **options)
        if "set is_finished = true" in sql:
            raise DbtRuntimeError("killed")
        return result

    with monkeypatch.context() as patched:
        patched.setattr(DuckDBConnectionManager, "execute", execute_and_die)
        with pytest.raises(AssertionError, match="killed"):
            shop.run()
    # Two are finished, and the older one knows of a later as_of; of the cutoffs in the tables,
    # which are no longer those of the older one, nothing is on record.
    assert shop.ask("select count(*) from intermediate.build_states where is_finished") == 2
    assert shop.ask("select count(*) from intermediate.built_cutoffs") == 0

    assert shop.run(later=timedelta(days=13)) == ""
    shop.assert_as_from_nothing(timedelta(days=13))
    assert shop.ask("select count(*) from intermediate.build_states") == 1


@pytest.mark.slow
def test_a_table_that_is_dropped_is_made_again(shop: Shop) -> None:
    shop.run()
    shop.ask("drop table intermediate.int_messages__sent")

    assert shop.run() == "int_messages__sent is missing"
    shop.assert_as_from_nothing()


def test_who_asks_to_be_erased_lets_all_be_built_anew(shop: Shop) -> None:
    shop.run()
    email = shop.ask("select min(email) from marts.dim_profiles")
    with duckdb.connect(shop.warehouse) as connection:
        connection.execute(
            "insert into raw.erasure_requests (email, requested_at, _loaded_at)"
            " values ($email, $later, $later)",
            {"email": email, "later": shop.as_of + timedelta(days=5)},
        )
    # Until then nothing has happened.
    assert shop.run() == ""
    assert shop.run(later=timedelta(days=5)) == "somebody asked to be erased"
    shop.assert_as_from_nothing(timedelta(days=5))


@pytest.mark.slow
def test_an_erased_person_who_comes_again_lets_all_be_built_anew(shop: Shop) -> None:
    """Another loader may bring them; a contact of theirs was somebody else's too."""
    shop.run()
    contact, email = "c-shared", "somebody.else@example.com"
    with duckdb.connect(shop.warehouse) as connection:
        erased = connection.execute("select min(email) from raw.erasure_requests").fetchone()
        assert erased
        connection.executemany(
            "insert into raw.contacts (contact_id, email, updated_at, _loaded_at)"
            " values (?, ?, ?, ?)",
            [(contact, email, shop.as_of, shop.as_of)],
        )
    assert shop.run() == ""
    with duckdb.connect(shop.warehouse) as connection:
        connection.execute(
            "insert into raw.contacts (contact_id, email, updated_at, _loaded_at)"
            " values (?, ?, ?, ?)",
            [contact, erased[0], shop.as_of, shop.as_of + timedelta(hours=1)],
        )

    assert shop.run() == "rows of somebody who was erased have come"
    assert shop.ask(f"select count(*) from marts.dim_profiles where email = '{email}'") == 0


@pytest.mark.slow
def test_where_most_rows_are_new_all_is_built_anew(shop: Shop) -> None:
    shop.run()
    with duckdb.connect(shop.warehouse) as connection:
        connection.execute(
            "insert into raw.email_events (email, event_type, occurred_at, _loaded_at)"
            " select 'ada@example.com', 'sent', $at - to_seconds(row), $at"
            " from range(100001) as rows (row)",
            {"at": shop.as_of},
        )

    assert shop.run() == "most rows of raw.email_events are new"


# Tests that look at what a build has changed


def test_changed_rows_are_noted_by_their_instants(shop: Shop, tmp_path: Path) -> None:
    shop.ask("delete from raw.erasure_requests")
    hold_back_in(shop.warehouse, "email_events", "web_events")
    shop.run()
    before = tmp_path / "before" / shop.warehouse.name
    before.parent.mkdir()
    shutil.copy(shop.warehouse, before)
    shop.ask("delete from intermediate.changed_rows")
    bring_back_in(shop.warehouse)
    assert shop.run(later=timedelta(days=1)) == ""

    with duckdb.connect(shop.warehouse) as connection:
        connection.execute(f"attach '{before}' as before (read_only)")
        for model, instant in NOTED.items():
            now, then = f"intermediate.{model}", f"before.intermediate.{model}"
            changed = connection.execute(
                f"select distinct {instant} from ((from {now} except all from {then}) union all"
                f" (from {then} except all from {now})) order by all"
            ).fetchall()
            noted = connection.execute(
                "select happened_at from intermediate.changed_rows where model = ? order by all",
                [model],
            ).fetchall()
            assert changed, model
            assert noted == changed, model


@pytest.mark.slow
def test_a_copy_of_an_old_row_is_found_and_stays_found_until_it_is_gone(shop: Shop) -> None:
    tomorrow = timedelta(days=1)
    assert shop.build(tomorrow) is None
    # No longer known again: where its event comes once more, the row stays beside the new one.
    with duckdb.connect(shop.warehouse) as connection:
        ((occurred_at,),) = connection.execute(
            "select occurred_at from intermediate.int_email_events__deduplicated"
            " where event_type = 'sent' and occurred_at in"
            " (select occurred_at from raw.email_events group by all having count(*) = 1)"
            " order by all limit 1"
        ).fetchall()
        connection.execute(
            "update intermediate.int_email_events__deduplicated set content_hash = 7, id_hash = 7"
            " where occurred_at = ?",
            [occurred_at],
        )
        connection.execute(
            "insert into raw.email_events select * replace (_loaded_at + interval 1 day as"
            " _loaded_at) from raw.email_events where occurred_at = ?",
            [occurred_at],
        )
    failure = str(shop.build(tomorrow))
    assert failure.startswith("key_fct_email_events_email_event_id"), failure
    # Neither a build that changes nothing lets it be forgotten nor one that tests nothing.
    assert shop.build(tomorrow) == failure
    assert shop.run(later=tomorrow) == ""
    assert shop.build(tomorrow) == failure
    shop.ask("delete from intermediate.int_email_events__deduplicated where content_hash = 7")
    assert shop.build(tomorrow) is None

    # From here on what no build has changed is not looked at.
    shop.ask(
        "insert into intermediate.int_email_events__deduplicated"
        " from intermediate.int_email_events__deduplicated limit 1"
    )
    assert shop.build(tomorrow) is None
    # Unless the code of the test, or of what it is about, is another.
    shop.ask("update intermediate.view_code set made_with = 'another'")
    assert shop.build(tomorrow) == failure


def hold_back_in(warehouse: Path, *tables: str) -> None:
    """Put some rows of raw tables aside."""
    with duckdb.connect(warehouse) as connection:
        connection.execute("create schema held")
        for table in tables:
            is_held = "hash(event_id, occurred_at) % 4 = 0"
            connection.execute(
                f"create table held.{table} as from raw.{table} where {is_held};"
                f"delete from raw.{table} where {is_held}"
            )


def bring_back_in(warehouse: Path) -> None:
    """Load what was put aside, a day later."""
    with duckdb.connect(warehouse) as connection:
        for (table,) in connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'held'"
        ).fetchall():
            connection.execute(
                f"insert into raw.{table} select * replace (_loaded_at + interval 1 day as"
                f" _loaded_at) from held.{table}; drop table held.{table}"
            )
