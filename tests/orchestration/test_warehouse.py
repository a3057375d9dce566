"""What a run knows of itself: when it began, and of which instant it speaks."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from orchestration.warehouse import Warehouse


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what a run changes in the environment, so that it is as before when the test ends."""
    monkeypatch.setenv("MAILMART_PROFILE_KEY", "a key")
    for name in ("WAREHOUSE", "AS_OF", "STARTED_AT", "CODE_VERSION"):
        monkeypatch.setenv(f"MAILMART_{name}", "")


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def test_a_run_that_waited_in_the_queue_begins_when_it_holds_the_warehouse(tmp_path: Path) -> None:
    seen: list[datetime] = []

    @dg.op
    def load(warehouse: Warehouse) -> None:
        seen.append(warehouse.started_at)

    @dg.op(ins={"loaded": dg.In(dg.Nothing)})
    def build(warehouse: Warehouse) -> None:
        seen.append(warehouse.started_at)
        seen.append(datetime.fromisoformat(os.environ["MAILMART_STARTED_AT"]))
        seen.append(datetime.fromisoformat(os.environ["MAILMART_AS_OF"]))

    @dg.job(
        resource_defs={"warehouse": Warehouse(path=str(tmp_path / "w.duckdb"), as_of=None)},
        executor_def=dg.in_process_executor,
    )
    def load_and_build() -> None:
        build(load())

    with dg.DagsterInstance.ephemeral() as instance:
        queued = instance.create_run_for_job(load_and_build)
        another_build_began = now()
        assert execute_run(InMemoryJob(load_and_build), queued, instance).success

    assert another_build_began < seen[0] <= now()
    # Every load of the run is of this time, and so is its build, which has seen them all.
    assert seen == [seen[0]] * 4


def test_a_run_of_the_future_is_refused_and_one_of_tonight_is_not(tmp_path: Path) -> None:
    def begin(hours: int) -> None:
        as_of = (now() + timedelta(hours=hours)).isoformat()
        warehouse = Warehouse(path=str(tmp_path / "w.duckdb"), as_of=as_of)
        with warehouse.yield_for_execution(dg.build_init_resource_context()):
            pass

    begin(23)
    with pytest.raises(ValueError, match=r"lies in the future .* name a time that has come"):
        begin(25)


def test_a_run_of_a_given_instant_speaks_of_it_and_is_still_of_today(tmp_path: Path) -> None:
    warehouse = Warehouse(path=str(tmp_path / "w.duckdb"), as_of="2026-03-03T08:00:00+02:00")
    before = now()

    with warehouse.yield_for_execution(dg.build_init_resource_context()) as held:
        assert held.instant == datetime.fromisoformat("2026-03-03T06:00:00")
        assert os.environ["MAILMART_AS_OF"] == "2026-03-03T06:00:00"
        assert before < held.started_at <= now()
