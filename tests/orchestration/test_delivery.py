"""The delivery as a step: what its page in Dagster shows, and when it tries again."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orchestration.assets import delivery
from orchestration.failures import find_failures
from orchestration.progress import Report
from orchestration.warehouse import Warehouse
from tests.reverse_etl.shop import Shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Ada and Bo, built and not yet delivered; nobody waits long for another try."""
    for name in ("PROFILE_KEY", "WAREHOUSE", "AS_OF", "STARTED_AT", "CODE_VERSION"):
        monkeypatch.setenv(f"MAILMART_{name}", "a key" if name == "PROFILE_KEY" else "")
    monkeypatch.setattr(delivery, "FIRST_WAIT_SECONDS", 0)
    shop = Shop(tmp_path)
    shop.wants("ada")
    shop.wants("bo", engagement_tier="inactive")
    shop.connection.execute(
        "create schema marts; create table marts.fct_builds as select "
        "timestamp '2026-03-03 06:00:00' as as_of, timestamp '2026-03-03 06:05:00' as built_at"
    )
    shop.connection.close()
    return shop


def deliver_as_it_is(shop: Shop) -> dg.ExecuteInProcessResult:
    """Deliver into an outbox with nothing wrong."""
    return materialize(shop, lambda step, done, total: None)


def deliver(shop: Shop, tries: list[int], mended_at: int) -> dg.ExecuteInProcessResult:
    """Deliver into an outbox that is a file until the step has begun so many times."""

    def report(step: str, done: int, total: int) -> None:
        if step == "file: comparing" and not done:
            tries.append(1)
            if len(tries) == mended_at:
                shop.outbox.unlink()

    shop.outbox.touch()
    return materialize(shop, report)


def materialize(shop: Shop, report: Report) -> dg.ExecuteInProcessResult:
    """Let Dagster deliver."""
    return dg.materialize(
        [delivery.receipts],
        resources={
            "warehouse": Warehouse(
                path=str(shop.outbox.with_name("warehouse.duckdb")), outbox=str(shop.outbox)
            ),
            "report": report,
        },
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


def test_what_was_planned_and_delivered_is_shown_in_figures(shop: Shop) -> None:
    ended = deliver(shop, [], mended_at=1)

    (event,) = ended.get_asset_materialization_events()
    shown = {name: entry.value for name, entry in event.materialization.metadata.items()}
    assert ended.success
    assert (shown["file: planned"], shown["file: delivered"], shown["file: failed"]) == (2, 2, 0)
    assert shown["file: tiers"] == {"inactive": 1, "lapsing": 1}
    assert shown["file: plan"] == [
        {"kind": "profile", "segment": None, "action": "add", "changes": 2}
    ]
    assert "@" not in str(shown)


def test_an_outage_that_is_soon_over_is_waited_for(shop: Shop) -> None:
    tries: list[int] = []

    ended = deliver(shop, tries, mended_at=3)

    assert ended.success
    assert len(tries) == 3
    assert len(shop.folders()) == 1


def test_an_outage_that_lasts_fails_with_its_reason(shop: Shop) -> None:
    tries: list[int] = []

    ended = deliver(shop, tries, mended_at=99)

    (failure,) = [event for event in ended.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert told.description is not None
    assert "nothing was written to" in told.description
    assert len(tries) == 3


def test_destinations_that_are_all_disabled_are_a_warning() -> None:
    (warning,) = delivery.describe([])["warnings"]
    assert "every destination is disabled" in warning


def build_of(shop: Shop, as_of: str) -> None:
    """Let the newest build be of another time, as bare dbt would."""
    with duckdb.connect(str(shop.outbox.with_name("warehouse.duckdb"))) as connection:
        connection.execute("update marts.fct_builds set as_of = ?::timestamp", [as_of])


def test_a_build_of_the_future_is_delivered_to_nobody(shop: Shop) -> None:
    build_of(shop, "2999-01-01")

    ended = deliver_as_it_is(shop)

    (failure,) = find_failures(ended.all_events)
    assert failure.reason.startswith("2999-01-01T00:00:00Z lies in the future")
    assert shop.folders() == []


def test_refusals_behind_a_past_that_is_not_delivered_are_a_warning(shop: Shop) -> None:
    assert deliver(shop, [], mended_at=1).success
    with duckdb.connect(str(shop.outbox.with_name("warehouse.duckdb"))) as connection:
        connection.execute(
            "delete from sync.profiles where profile_id = 'bo';"
            "insert into sync.suppressions values ('bo', 'bo@example.com', 'unsubscribe')"
        )
    build_of(shop, "2026-03-01")

    (event,) = deliver_as_it_is(shop).get_asset_materialization_events()

    (warning,) = event.materialization.metadata["warnings"].value
    assert warning.startswith("file: 1 removal and 1 refusal to be mailed are not told")
