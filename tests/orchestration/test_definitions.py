"""The asset graph, the jobs, the schedules and the sensor, as Dagster sees them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from ingestion.contract import TABLES
from orchestration.assets.publication import PUBLICATION
from orchestration.checks import FEATURES
from orchestration.definitions import defs
from orchestration.schedules import every_morning, new_landing_files

RAW = {dg.AssetKey(["raw", table]) for table in TABLES}
CHAMPIONS = dg.AssetKey(["ml", "champions"])
SCORES = dg.AssetKey(["ml", "scores"])
RECEIPTS = dg.AssetKey(["reverse_etl", "receipts"])
REPORT = dg.AssetKey(["reports", "page"])
SYNC = {
    dg.AssetKey(["sync", name])
    for name in ("sync_profiles", "sync_segment_members", "sync_suppressions")
}
BUILDS = dg.AssetKey(["marts", "fct_builds"])


@pytest.fixture(scope="module")
def graph() -> dg.AssetGraph:
    return defs.resolve_asset_graph()


def upstream(graph: dg.AssetGraph, key: dg.AssetKey) -> set[dg.AssetKey]:
    """Return everything that an asset waits for."""
    found: set[dg.AssetKey] = set()
    waiting = [key]
    while waiting:
        for parent in graph.get(waiting.pop()).parent_keys:
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def test_everything_can_be_loaded_and_run() -> None:
    dg.Definitions.validate_loadable(defs)


def test_one_graph_goes_from_landing_files_to_receipts(graph: dg.AssetGraph) -> None:
    before_receipts = upstream(graph, RECEIPTS)

    assert {dg.AssetKey("landing"), *RAW, SCORES, CHAMPIONS, *SYNC} <= before_receipts
    for table in RAW:
        assert graph.get(table).parent_keys == {dg.AssetKey("landing")}
    assert graph.get(RECEIPTS).parent_keys == {*SYNC, BUILDS}


def test_scores_come_home_between_features_and_segments(graph: dg.AssetGraph) -> None:
    features = {dg.AssetKey(["marts", name]) for name in ("ftr_churn", "ftr_open_propensity")}

    assert features <= upstream(graph, CHAMPIONS)
    assert CHAMPIONS in upstream(graph, SCORES)
    assert SCORES not in upstream(graph, dg.AssetKey(["marts", "ftr_churn"]))
    assert SCORES in upstream(graph, dg.AssetKey(["marts", "fct_segment_members"]))


def test_nothing_is_built_before_the_first_door_or_sent_before_the_last(
    graph: dg.AssetGraph,
) -> None:
    blocking = {
        (check.asset_key, check.name)
        for check in graph.asset_check_keys
        if graph.get(check).blocking
    }

    assert {(key, "after_loading") for key in RAW} <= blocking
    assert (BUILDS, "before_delivery") in blocking
    assert (FEATURES[0], "before_scoring") in blocking
    assert [key for key in (CHAMPIONS, SCORES) if FEATURES[0] not in upstream(graph, key)] == []
    of_dbt = [key for key in graph.materializable_asset_keys if "dbt" in graph.get(key).kinds]
    assert len(of_dbt) > 40
    assert [key for key in of_dbt if not RAW & upstream(graph, key)] == []


def test_the_tests_of_a_model_are_its_checks(graph: dg.AssetGraph) -> None:
    checks = graph.get_check_keys_for_assets({dg.AssetKey(["marts", "dim_profiles"])})

    assert "key_dim_profiles_profile_id" in {check.name for check in checks}


def test_assets_are_grouped_by_what_they_are_about(graph: dg.AssetGraph) -> None:
    group_of = {
        ("raw", "orders"): "ingestion",
        ("staging", "stg_commerce__orders"): "staging",
        ("marts", "dim_profiles"): "profiles",
        ("marts", "fct_engagement_tier_spells"): "engagement",
        ("marts", "fct_segment_members"): "segments",
        ("marts", "ftr_churn"): "features",
        ("ml", "scores"): "ml",
        ("sync", "sync_profiles"): "sync",
        ("reverse_etl", "receipts"): "delivery",
    }

    assert {key: graph.get(dg.AssetKey(list(key))).group_name for key in group_of} == group_of


def test_every_asset_says_what_it_is_and_whose(graph: dg.AssetGraph) -> None:
    nodes = [graph.get(key) for key in graph.materializable_asset_keys]

    assert [node.key for node in nodes if not node.description] == []
    assert [node.key for node in nodes if not node.owners or not node.group_name] == []


def test_what_somebody_relies_on_may_not_get_old(graph: dg.AssetGraph) -> None:
    watched = {
        key
        for key in graph.materializable_asset_keys
        if graph.get(key).freshness_policy is not None
    }

    assert watched == {RECEIPTS, BUILDS, PUBLICATION, *SYNC}


def test_a_range_of_days_can_be_run_again_as_their_mornings_did() -> None:
    job = defs.resolve_job_def("day")

    assert selected("day") == selected("daily")
    assert job.partitions_def is not None
    assert job.partitioned_config is not None
    assert job.partitioned_config.get_run_config_for_partition_key("2026-03-03") == {
        "resources": {"warehouse": {"config": {"as_of": "2026-03-03T04:00:00+00:00"}}}
    }


def selected(job: str) -> set[dg.AssetKey]:
    return set(defs.resolve_job_def(job).asset_layer.selected_asset_keys)


def test_the_daily_job_is_everything_and_the_others_are_a_part(graph: dg.AssetGraph) -> None:
    assert selected("daily") == set(graph.materializable_asset_keys)
    assert selected("train") == {CHAMPIONS}
    assert selected("deliver") == {RECEIPTS, REPORT}


def test_a_delivery_alone_goes_through_the_last_door_too() -> None:
    steps = {node.name for node in defs.resolve_job_def("deliver").nodes}

    assert steps == {"door_before_delivery", "reverse_etl__receipts", "reports__page"}


def test_training_alone_goes_through_the_door_before_scoring_too() -> None:
    steps = {node.name for node in defs.resolve_job_def("train").nodes}

    assert steps == {"door_before_scoring", "ml__champions"}


def test_no_door_makes_dbt_start_a_third_time() -> None:
    steps = {node.name for node in defs.resolve_job_def("daily").nodes}

    assert {step for step in steps if step.startswith("dbt")} == {"dbt_models", "dbt_models_2"}


def test_the_training_job_trains_although_there_are_models() -> None:
    config = defs.resolve_job_def("train").run_config

    assert config == {"ops": {"ml__champions": {"config": {"retrain": True}}}}


def test_the_daily_run_speaks_of_the_time_that_it_was_scheduled_for() -> None:
    four = datetime(2026, 3, 3, 4, tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=four) as context:
        request = every_morning(context)

    assert isinstance(request, dg.RunRequest)
    assert request.run_key == "2026-03-03T04:00:00+00:00"
    assert request.run_config == {
        "resources": {"warehouse": {"config": {"as_of": "2026-03-03T04:00:00+00:00"}}}
    }
    assert every_morning.cron_schedule == "0 4 * * *"
    assert every_morning.execution_timezone == "UTC"


def test_training_is_scheduled_every_week() -> None:
    schedule = defs.resolve_schedule_def("every_week")

    assert (schedule.job_name, schedule.cron_schedule) == ("train", "0 2 * * 0")


def look(cursor: str | None) -> tuple[dg.RunRequest | dg.SkipReason, str | None]:
    """Let the sensor look once, and return what it wants and what it remembers."""
    with dg.build_sensor_context(cursor=cursor) as context:
        wanted = new_landing_files(context)
        assert isinstance(wanted, dg.RunRequest | dg.SkipReason)
        return wanted, context.cursor


def test_the_sensor_asks_once_for_a_run_for_new_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILMART_LANDING", str(tmp_path / "landing"))
    assert look(None)[0] == dg.SkipReason(f"there is no landing folder {tmp_path / 'landing'}")

    folder = tmp_path / "landing" / "orders"
    folder.mkdir(parents=True)
    (folder / "still_arriving.csv.part").touch()
    assert look(None)[0] == dg.SkipReason(f"the landing folder {tmp_path / 'landing'} is empty")

    (folder / "monday.csv").write_text("order_id\n", encoding="utf-8")
    first, remembered = look(None)
    assert isinstance(first, dg.RunRequest)
    assert look(remembered)[0] == dg.SkipReason("no new files among 1")

    (folder / "tuesday.csv").write_text("order_id\n", encoding="utf-8")
    second, remembered = look(remembered)
    assert isinstance(second, dg.RunRequest)
    assert second.run_key != first.run_key
    assert look(remembered)[0] == dg.SkipReason("no new files among 2")


def test_a_landing_folder_that_looks_as_it_once_did_is_news_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILMART_LANDING", str(tmp_path))
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "monday.csv").touch()
    tuesday = tmp_path / "orders" / "tuesday.csv"
    remembered = None
    keys = set()

    for _ in range(2):
        for change in (tuesday.touch, tuesday.unlink):
            change()
            wanted, remembered = look(remembered)
            assert isinstance(wanted, dg.RunRequest)
            keys.add(wanted.run_key)

    assert len(keys) == 4
