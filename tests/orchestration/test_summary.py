"""The summary at the end of a run: complete, or not shown at all."""

from __future__ import annotations

import io
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from orchestration import summary
from orchestration.jobs import Result
from tests.orchestration import shop
from tests.orchestration.checkout import Place
from tests.orchestration.conftest import FirstRun
from tests.orchestration.shop import TUESDAY


def test_the_summary_reads_what_it_says_that_it_reads(built: Place) -> None:
    read = {".".join(key.path).replace(".sync_", ".") for key in summary.READS}
    others = built.rows(
        "select schema_name || '.' || table_name from duckdb_tables() "
        "where schema_name in ('marts', 'sync')"
    )
    built.change(*(f"drop table {name}" for (name,) in others if name not in read))
    said = io.StringIO()

    with duckdb.connect(str(built.warehouse), read_only=True) as connection:
        result = Result(0, "", "run", materialized=summary.READS, connection=connection)
        assert summary.can_show(result)
        summary.show(result, Console(file=said, width=200))

    assert "4 profiles as of 2026-03-03 06:00 UTC, 1 of them may be mailed." in said.getvalue()
    assert not summary.can_show(Result(0, "", "run", materialized=summary.READS))


def test_a_long_line_stays_one_line_where_somebody_may_search_it(first_run: FirstRun) -> None:
    said = io.StringIO()
    line = "warning: " + "a word " * 50

    with duckdb.connect(str(first_run.place.warehouse), read_only=True) as connection:
        result = Result(0, "", "run", summary.READS, [line], connection)
        summary.show(result, Console(file=said, width=80))

    assert line in said.getvalue().splitlines()


@pytest.mark.slow
def test_a_first_run_that_stops_before_the_end_of_the_models_says_why(
    first_run: FirstRun, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    checkout = first_run.place.checkout.copied(tmp_path_factory.mktemp("strict"))
    place = Place(checkout, tmp_path)
    shop.fill(place)
    test = checkout.root / "dbt_project" / "tests" / "nobody_is_mailed.sql"
    test.write_text("select profile_id from {{ ref('sync_profiles') }}\n", encoding="utf-8")

    ended = place.run(TUESDAY)

    assert ended.status == 1
    assert "nobody_is_mailed" in ended.last_line
    assert "an error that was not foreseen" not in ended.err
    assert place.deliveries() == []
