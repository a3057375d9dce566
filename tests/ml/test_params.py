from __future__ import annotations

from pathlib import Path

import pytest

from ml.params import DEFAULT_PARAMS, ParamsError, read_params


def test_the_params_that_ship_are_valid() -> None:
    params = read_params()
    assert params.churn.horizon_hours == 30 * 24
    assert params.open_propensity.horizon_hours == 72


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("max_depth: 4", "max_dept: 4", "churn.boosting.max_dept"),
        ("max_depth: 4", "max_depth: deep", "churn.boosting.max_depth"),
        ("share: 0.1 ", "share: 1.5 ", "churn.reasons.share"),
        ("days_since_last_*: 1", "days_since_last_*: 2", "churn.monotone_constraints"),
        ("method: beta", "method: isotonic", "churn.calibration.method"),
    ],
)
def test_a_setting_that_is_wrong_is_named_with_its_file(
    tmp_path: Path, before: str, after: str, named: str
) -> None:
    path = tmp_path / "params.yaml"
    text = DEFAULT_PARAMS.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        read_params(path)
    assert str(path) in str(caught.value)
    assert named in str(caught.value)


@pytest.mark.parametrize("text", ["churn: [", "", "- churn"])
def test_a_file_that_is_no_params_file_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError, match=r"params\.yaml"):
        read_params(path)


@pytest.mark.parametrize("again", ["    max_depth: 9\n", '    "max_depth": 4\n'])
def test_a_setting_given_twice_is_refused_with_its_line(tmp_path: Path, again: str) -> None:
    # YAML would keep the last, and whoever reads from the top would believe the first.
    path = tmp_path / "params.yaml"
    text = DEFAULT_PARAMS.read_text(encoding="utf-8")
    before, after = text.split("    max_depth: 4", maxsplit=1)
    path.write_text(f"{before}{again}    max_depth: 4{after}", encoding="utf-8")
    line = before.count("\n") + 2
    with pytest.raises(
        ParamsError, match=rf"params\.yaml.*'max_depth' is given twice(.|\n)*line {line}\b"
    ):
        read_params(path)
