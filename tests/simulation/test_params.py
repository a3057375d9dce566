"""The numbers of the shop: what a wrong file is told."""

from pathlib import Path

import pytest

from simulation import params


def _changed(folder: Path, old: str, new: str) -> Path:
    text = params.DEFAULT_FILE.read_text(encoding="utf-8")
    assert old in text
    file = folder / "params.yaml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return file


def test_the_numbers_that_ship_are_complete() -> None:
    assert params.load().targets.open_rate == 0.0909


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    file = _changed(tmp_path, "  honeymoon_days: 40", "  honeymoon_days: 40\n  moons: 2")
    with pytest.raises(ValueError, match=r"params\.yaml: opening\.moons"):
        params.load(file)


def test_a_missing_setting_is_named(tmp_path: Path) -> None:
    file = _changed(tmp_path, "  honeymoon_days: 40\n", "")
    with pytest.raises(ValueError, match=r"opening\.honeymoon_days"):
        params.load(file)


def test_a_share_above_one_is_refused(tmp_path: Path) -> None:
    file = _changed(tmp_path, "  late: 0.01", "  late: 1.01")
    with pytest.raises(ValueError, match=r"dirt\.late.*less than or equal to 1"):
        params.load(file)


def test_categories_that_disagree_are_both_shown(tmp_path: Path) -> None:
    file = _changed(tmp_path, "categories: {newsletter:", "categories: {letters:")
    with pytest.raises(ValueError, match=r"categories.*letters.*newsletter"):
        params.load(file)


def test_delays_that_fall_are_refused(tmp_path: Path) -> None:
    file = _changed(tmp_path, "1.0, 6.4167, 24.0", "1.0, 24.0, 6.4167")
    with pytest.raises(ValueError, match="must rise"):
        params.load(file)


def test_a_file_that_is_no_yaml_is_told_the_line(tmp_path: Path) -> None:
    file = _changed(tmp_path, "targets:\n", "targets: [\n")
    with pytest.raises(ValueError, match=r"params\.yaml, line \d+, is not YAML"):
        params.load(file)
