"""The file of thresholds: what it may hold, and what it says of what it may not."""

from datetime import datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from expectations.settings import (
    DEFAULT_FILE,
    DoorSettings,
    ReviewedRule,
    SettingsError,
    read_settings,
    refuse_future_reviews,
)
from tests.expectations.conftest import WriteSettings


def doors(settings: DoorSettings) -> list[BaseModel]:
    return [getattr(settings, name) for name in DoorSettings.model_fields if name != "source"]


def test_the_shipped_file_has_a_bound_for_every_rule() -> None:
    settings = read_settings()

    for door in doors(settings):
        for name in type(door).model_fields:
            assert getattr(door, name).bounds(), name
    assert settings.source == "expectations/doors.yml"


def test_every_rule_of_the_shipped_file_is_explained() -> None:
    paragraphs = DEFAULT_FILE.read_text(encoding="utf-8").split("\n\n")
    rules = [p for p in paragraphs if "reviewed_until:" in p or "stop:" in p or "warn:" in p]

    assert len(rules) == sum(len(type(door).model_fields) for door in doors(read_settings()))
    assert [p for p in rules if not p.lstrip().startswith("#")] == []


def test_a_severity_is_changed_by_renaming_it(doors_file: WriteSettings) -> None:
    settings = read_settings(
        doors_file(
            "known_order_statuses:\n    warn: {share_at_most: 0}",
            "known_order_statuses:\n    stop: {share_at_most: 0.5}",
        )
    )

    ((severity, bound),) = settings.after_loading.known_order_statuses.bounds()
    assert (severity, bound.share_at_most) == ("stop", 0.5)


def test_a_bound_is_left_out_by_null(doors_file: WriteSettings) -> None:
    settings = read_settings(doors_file("warn: {days_at_most: 7}", "warn: null"))

    assert [s for s, _ in settings.after_loading.freshness.bounds()] == ["stop"]


def test_a_time_with_an_offset_is_turned_into_utc(doors_file: WriteSettings) -> None:
    settings = read_settings(
        doors_file("reviewed_until: null", "reviewed_until: 2026-03-03T08:00:00+02:00")
    )

    assert settings.after_loading.rejected_rows.reviewed_until == datetime.fromisoformat(
        "2026-03-03T06:00:00"
    )


REVIEWED = [
    (door, name)
    for door in DoorSettings.model_fields
    if door != "source"
    for name, field in DoorSettings.model_fields[door].annotation.model_fields.items()  # type: ignore[union-attr]
    if issubclass(field.annotation, ReviewedRule)
]


@pytest.mark.parametrize(("door", "name"), REVIEWED)
def test_nobody_has_looked_at_anything_after_now(
    doors_file: WriteSettings, door: str, name: str
) -> None:
    text = DEFAULT_FILE.read_text(encoding="utf-8")
    rule = text.index(f"  {name}:\n", text.index(f"{door}:\n"))
    until = text.index("reviewed_until: null", rule)
    path = doors_file()
    moment = "2026-03-03T06:00:01Z"
    path.write_text(f"{text[:until]}reviewed_until: {moment}{text[until + 20 :]}", "utf-8")
    settings = read_settings(path)

    refuse_future_reviews(settings, datetime.fromisoformat("2026-03-03T07:00:01+01:00"))
    with pytest.raises(SettingsError) as raised:
        refuse_future_reviews(settings, datetime.fromisoformat("2026-03-03T06:00:00"))
    assert str(raised.value) == (
        f"{path}: {door}.{name}.reviewed_until: 2026-03-03T06:00:01Z lies in the future (it is "
        "2026-03-03T06:00:00Z); set it to a time up to which somebody has looked"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "  freshness:",
            "  freshnes:",
            "after_loading.freshness: is missing; needed here: required_tables, rejected_rows,",
        ),
        (
            "  freshness:",
            "  freshnes:",
            "after_loading.freshnes: is not known; allowed here: required_tables, rejected_rows,",
        ),
        (
            "{days_at_most: 7}",
            "{hours_at_most: 7}",
            "after_loading.freshness.warn.hours_at_most: is not known; allowed here: days_at_most",
        ),
        (
            "stop: {days_at_most: 760}",
            "halt: {days_at_most: 760}",
            "after_loading.freshness.halt: is not known; allowed here: warn, stop",
        ),
        (
            "{days_at_most: 7}",
            "{days_at_most: a week}",
            "after_loading.freshness.warn.days_at_most: must be a valid number, not 'a week'",
        ),
        (
            "{days_at_most: 7}",
            "7",
            "after_loading.freshness.warn: must hold settings by name: days_at_most",
        ),
        (
            "{share_at_most: 0.01}",
            "{share_at_most: 10}",
            "after_loading.rejected_rows.warn.share_at_most: "
            "must be less than or equal to 1, not 10",
        ),
        (
            "rows_at_least: 25",
            "rows_at_least: -1",
            "after_loading.rejected_rows.stop.rows_at_least: "
            "must be greater than or equal to 0, not -1",
        ),
        (
            "{days_at_most: 7}",
            "{days_at_most: .nan}",
            "after_loading.freshness.warn.days_at_most: must be a finite number, not nan",
        ),
        (
            "reviewed_until: null",
            "reviewed_until: yesterday",
            "after_loading.rejected_rows.reviewed_until: "
            "must be a time such as 2026-11-22T08:00:00Z, not 'yesterday'",
        ),
        (
            "reviewed_until: null",
            "reviewed_until: 2026-11-22",
            "after_loading.rejected_rows.reviewed_until: must be a time such as",
        ),
        (
            "before_delivery:",
            "source: mine\nbefore_delivery:",
            "source: is not known; allowed here: after_loading, before_scoring, before_delivery",
        ),
        (
            "  freshness:\n",
            "  rejected_rows: {}\n  freshness:\n",
            "is not valid YAML: the key 'rejected_rows' is given twice",
        ),
        ("{days_at_most: 7}", "{days_at_most: 7", "is not valid YAML: "),
        (
            "{days_at_most: 7}",
            "{days_at_most: 800}",
            "after_loading.freshness: stop.days_at_most: 760.0 is tighter than that of warn, "
            "800.0; no batch could ever be warned of",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_its_key_and_what_is_allowed(
    doors_file: WriteSettings, old: str, new: str, message: str
) -> None:
    path = doors_file(old, new)
    with pytest.raises(SettingsError) as raised:
        read_settings(path)

    assert str(raised.value).startswith(f"{path}")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_tighter_stop_for_larger_batches_is_a_rule_of_its_own(doors_file: WriteSettings) -> None:
    path = doors_file("{share_at_most: 0.10, rows_at_least: 25}",
                      "{share_at_most: 0.005, rows_at_least: 10000}")  # fmt: skip

    stop = read_settings(path).after_loading.rejected_rows.stop

    assert stop is not None
    assert (stop.share_at_most, stop.rows_at_least) == (0.005, 10000)


def test_every_wrong_key_is_named_at_once(doors_file: WriteSettings) -> None:
    path = doors_file("warn: {days_at_most: 7}\n    stop:", "warm: {days_at_most: 7}\n    stopp:")

    with pytest.raises(SettingsError, match=r"freshness\.warm: .*freshness\.stopp: "):
        read_settings(path)


@pytest.mark.parametrize("content", ["", "- after_loading", "doors"])
def test_a_file_that_holds_no_doors_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "doors.yml"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(SettingsError, match="must hold the doors by name: after_loading, before"):
        read_settings(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yml cannot be read \(No such file"):
        read_settings(tmp_path / "nowhere.yml")


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "doors.yml"
    path.write_bytes("# Größe".encode("latin-1"))

    with pytest.raises(SettingsError, match="is not UTF-8"):
        read_settings(path)
