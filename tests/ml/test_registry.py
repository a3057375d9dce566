from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ml.model import TrainedModel
from ml.registry import Registry, RegistryError
from tests.ml.worlds import CUTOFFS, TRAINED_AT, churn_world, score_table

TODAY = churn_world(50, (CUTOFFS[11],), seed=2, labelled=False).table


def _better(
    model: TrainedModel, version: str, champion: str | None, log_loss: float
) -> TrainedModel:
    """Return the model under another name, with a card that beat `champion` by half."""
    judged = {"version": champion, "as_of": model.card["as_of"], "log_loss": 2 * log_loss}
    card = {
        **model.card,
        "version": version,
        "champion": judged if champion else None,
        "test_metrics": {**model.card["test_metrics"], "log_loss": log_loss},
    }
    return replace(model, version=version, card=card)


@pytest.fixture
def registry(tmp_path: Path, small_model: TrainedModel) -> Registry:
    """A registry whose champion is the small model."""
    registry = Registry(tmp_path / "models")
    assert registry.submit(small_model, decided_at=TRAINED_AT).is_promoted
    return registry


def test_where_nothing_was_trained_there_is_no_champion(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    assert registry.champion("churn") is None
    assert registry.versions("churn") == []
    assert registry.decisions("churn") == []


def test_a_saved_model_scores_as_the_trained_one(
    registry: Registry, small_model: TrainedModel
) -> None:
    champion = registry.champion("churn")
    assert champion is not None
    assert score_table(champion, TODAY).equals(score_table(small_model, TODAY))
    assert champion.tested_calibration == small_model.tested_calibration
    assert registry.champion("open") is None


def test_a_version_is_three_files_that_people_can_open(
    registry: Registry, small_model: TrainedModel
) -> None:
    folder = registry.folder / "churn" / small_model.version
    assert sorted(file.name for file in folder.iterdir()) == [
        "calibration.json",
        "card.json",
        "model.ubj",
    ]
    card = json.loads((folder / "card.json").read_text())
    assert card["trained_at"] == "2025-12-31T06:00:00+00:00"
    assert card["rows"]["used"] == 6_600
    assert "calibration_error" in card["test_metrics"]


def test_the_same_model_submitted_again_is_neither_saved_nor_promoted_again(
    registry: Registry, small_model: TrainedModel
) -> None:
    folder = registry.folder / "churn" / small_model.version
    before = (folder / "card.json").stat().st_mtime_ns
    again = _better(small_model, small_model.version, small_model.version, 0.5)
    decision = registry.submit(again, decided_at=TRAINED_AT)
    assert not decision.is_promoted
    assert registry.versions("churn") == [small_model.version]
    assert (folder / "card.json").stat().st_mtime_ns == before


def test_every_decision_is_kept_with_its_figures(
    registry: Registry, small_model: TrainedModel
) -> None:
    champion = small_model.version
    registry.submit(_better(small_model, "v2", champion, 0.25), decided_at=TRAINED_AT)
    worse = _better(small_model, "v3", "v2", 0.5)
    worse.card["champion"]["log_loss"] = 0.4
    registry.submit(worse, decided_at=TRAINED_AT)
    assert [
        (each["challenger"], each["is_promoted"], each["champion"], each["champion_log_loss"])
        for each in registry.decisions("churn")
    ] == [
        (champion, True, None, None),
        ("v2", True, champion, 0.5),
        ("v3", False, "v2", 0.4),
    ]
    assert registry.champion_version("churn") == "v2"
    # The loser is kept: somebody may want to see what it was.
    assert registry.versions("churn") == [champion, "v2", "v3"]


def test_a_model_compared_with_a_former_champion_is_not_even_saved(
    registry: Registry, small_model: TrainedModel
) -> None:
    with pytest.raises(ValueError, match="train again"):
        registry.submit(_better(small_model, "v2", None, 0.4), decided_at=TRAINED_AT)
    assert registry.versions("churn") == [small_model.version]


@pytest.mark.parametrize("name", ["model.ubj", "calibration.json", "card.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "altered"])
def test_a_damaged_model_is_named_and_never_scores(
    registry: Registry, small_model: TrainedModel, name: str, damage: str
) -> None:
    path = registry.folder / "churn" / small_model.version / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(b"[" + content[1:])
    with pytest.raises(RegistryError, match=name) as caught:
        registry.champion("churn")
    assert "Restore" in str(caught.value)
    assert "champion.json" in str(caught.value)


def test_the_way_out_of_a_damaged_champion_works(
    registry: Registry, small_model: TrainedModel
) -> None:
    folder = registry.folder / "churn"
    (folder / small_model.version / "model.ubj").write_bytes(b"")
    (folder / "champion.json").unlink()
    assert registry.champion("churn") is None
    assert registry.submit(small_model, decided_at=TRAINED_AT).is_promoted
    champion = registry.champion("churn")
    assert champion is not None
    assert score_table(champion, TODAY).equals(score_table(small_model, TODAY))
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("pointer", ["", "{", "[]", "{}", '{"version": 3}', '{"version": "../x"}'])
def test_a_damaged_pointer_is_named(registry: Registry, pointer: str) -> None:
    (registry.folder / "churn" / "champion.json").write_text(pointer)
    with pytest.raises(RegistryError, match=r"champion\.json"):
        registry.champion("churn")


def test_a_champion_whose_folder_is_gone_is_named(
    registry: Registry, small_model: TrainedModel
) -> None:
    shutil.rmtree(registry.folder / "churn" / small_model.version)
    with pytest.raises(RegistryError, match=small_model.version):
        registry.champion("churn")


def test_a_damaged_log_of_decisions_stops_before_anything_is_written(
    registry: Registry, small_model: TrainedModel
) -> None:
    (registry.folder / "churn" / "decisions.json").write_text("{")
    with pytest.raises(RegistryError, match=r"decisions\.json.*Move it away"):
        registry.submit(_better(small_model, "v2", small_model.version, 0.4), decided_at=TRAINED_AT)
    assert registry.versions("churn") == [small_model.version]


# Promotes one model after another, for ever, and says so after the first.
PROMOTE_FOR_EVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ml.registry import Registry
from tests.ml.test_registry import _better

registry, start = Registry(Path(sys.argv[1])), int(sys.argv[2])
champion = registry.champion("churn")
for number in range(start, start + 100_000):
    version = f"v{number:06d}"
    model = _better(champion, version, registry.champion_version("churn"), 0.5)
    assert registry.submit(model, decided_at=datetime(2026, 1, 1, tzinfo=UTC)).is_promoted
    if number == start:
        print("promoting", flush=True)
"""


def test_a_kill_in_the_middle_of_saving_leaves_a_whole_champion(
    registry: Registry, small_model: TrainedModel
) -> None:
    expected = score_table(small_model, TODAY)["probability"]
    for attempt, milliseconds in enumerate((0, 3, 7, 16)):
        child = subprocess.Popen(
            [sys.executable, "-c", PROMOTE_FOR_EVER, str(registry.folder), f"{attempt}00000"],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[2],
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"promoting\n"
        time.sleep(milliseconds / 1000)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()

        champion = registry.champion("churn")
        assert champion is not None
        assert score_table(champion, TODAY)["probability"].equals(expected)
        promoted = [each["challenger"] for each in registry.decisions("churn")]
        # The log is written first: killed in between, the last but one is still the champion.
        assert champion.version in promoted[-2:]
        for version in registry.versions("churn"):
            registry.load("churn", version)
