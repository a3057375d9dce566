"""The pages of verdicts: a folder per run, the newest under a name that stays, not for ever."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from expectations.gate import Finding, Verdict
from orchestration.data_docs import KEPT_RUNS, keep

MONDAY = datetime.fromisoformat("2026-03-02T06:00:00")


def say(door: str, sentence: str) -> Verdict:
    finding = Finding("freshness", "orders", "warn", False, 3.0, 2.0, sentence)
    return Verdict(door, (finding,), MONDAY, MONDAY)


def test_the_pages_of_a_run_lie_together_and_the_newest_run_is_latest(tmp_path: Path) -> None:
    first = keep(say("after_loading", "old"), tmp_path, started_at=MONDAY, run_id="one")
    later = MONDAY + timedelta(days=1)
    pages = [
        keep(say(door, "new"), tmp_path, started_at=later, run_id="two")
        for door in ("after_loading", "before_scoring")
    ]

    assert first.relative_to(tmp_path) == Path("20260302T060000Z-one/after_loading.html")
    assert {page.parent.name for page in pages} == {"20260303T060000Z-two"}
    assert "new" in (tmp_path / "latest" / "after_loading.html").read_text("utf-8")
    assert "old" in first.read_text("utf-8")
    assert len(list((tmp_path / "latest").iterdir())) == 2


def test_the_oldest_pages_go_and_nothing_of_others_does(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()

    for day in range(KEPT_RUNS + 2):
        keep(say("d", "x"), tmp_path, started_at=MONDAY + timedelta(days=day), run_id="run")

    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept[0] == "20260304T060000Z-run"
    assert len(kept) == KEPT_RUNS + 2
    assert {"latest", "mine"} <= set(kept)
