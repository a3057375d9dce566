"""What runs leave behind in dbt's target folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

from orchestration.jobs import clear_targets

A_DAY = 24 * 60 * 60


def test_what_failed_steps_left_long_ago_is_removed_and_nothing_else(tmp_path: Path) -> None:
    # Dagster names the second step of the same models with a number.
    for name in ("dbt_models-old", "dbt_models_2-old", "dbt_models-new", "compiled"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").touch()
    eight_days_ago = time.time() - 8 * A_DAY
    for name in ("dbt_models-old", "dbt_models_2-old", "compiled"):
        os.utime(tmp_path / name, (eight_days_ago, eight_days_ago))

    clear_targets(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["compiled", "dbt_models-new"]
