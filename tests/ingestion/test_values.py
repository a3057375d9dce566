"""What a cell becomes, or that it becomes nothing."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from ingestion.contract import Type
from ingestion.values import parse


def value(type_: Type, text: str) -> Any:
    connection = duckdb.connect()
    # Far from UTC, so that a cast that depends on the session would be noticed.
    connection.execute("set timezone = 'America/New_York'")
    row = connection.execute(
        f"select {parse(type_, 'cell')} from (select $1::varchar as cell)", [text]
    ).fetchone()
    return row[0] if row else None


def utc(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type,misc]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-03-10T02:30:00Z", utc(2024, 3, 10, 2, 30)),
        ("2024-03-10 02:30:00", utc(2024, 3, 10, 2, 30)),
        ("2024-03-10T02:30:00+02:00", utc(2024, 3, 10, 0, 30)),
        ("2024-03-10T02:30:00+0200", utc(2024, 3, 10, 0, 30)),
        ("2024-03-10T02:30:00+02", utc(2024, 3, 10, 0, 30)),
        ("2024-03-10 02:30:00 -03:30", utc(2024, 3, 10, 6, 0)),
        ("2024-03-10T02:30", utc(2024, 3, 10, 2, 30)),
        ("2024-03-10T02:30+01:00", utc(2024, 3, 10, 1, 30)),
        ("2024-03-10", utc(2024, 3, 10)),
        ("20240310T023000Z", utc(2024, 3, 10, 2, 30)),
        ("2024-03-10t02:30:00z", utc(2024, 3, 10, 2, 30)),
        (" 2024-03-10T02:30:00Z ", utc(2024, 3, 10, 2, 30)),
        ("2024-03-10T02:30:00,5Z", utc(2024, 3, 10, 2, 30, 0, 500000)),
        ("2024-03-10T24:00:00Z", utc(2024, 3, 11)),
    ],
)
def test_iso_8601_is_read_as_utc_whatever_the_session(text: str, instant: datetime) -> None:
    assert value("timestamp", text) == instant


@pytest.mark.parametrize(
    "text",
    ["2024-03-10T02:30:00.123456999Z", "2024-03-10T04:30:00.123456999+02:00"],
)
def test_a_fraction_is_cut_to_the_microsecond_not_rounded(text: str) -> None:
    assert value("timestamp", text) == utc(2024, 3, 10, 2, 30, 0, 123456)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("946684800", utc(2000, 1, 1)),
        ("946684800000", utc(2000, 1, 1)),
        ("1710037800", utc(2024, 3, 10, 2, 30)),
        ("1710037800.5", utc(2024, 3, 10, 2, 30, 0, 500000)),
        ("1710037800.123456999", utc(2024, 3, 10, 2, 30, 0, 123456)),
        ("1710037800123", utc(2024, 3, 10, 2, 30, 0, 123000)),
        ("1710037800123.4569", utc(2024, 3, 10, 2, 30, 0, 123456)),
        ("1.7100378e9", utc(2024, 3, 10, 2, 30)),
        ("-86400", utc(1969, 12, 31)),
        ("253402300799", utc(9999, 12, 31, 23, 59, 59)),
        ("253402300799999", utc(9999, 12, 31, 23, 59, 59, 999000)),
    ],
)
def test_epochs_are_seconds_or_milliseconds_by_their_size(text: str, instant: datetime) -> None:
    assert value("timestamp", text) == instant


@pytest.mark.parametrize(
    "text",
    [
        *("infinity", "-infinity", "epoch", "now", "today", "NaN", "yesterday", ""),
        *("2024-02-30", "2024-13-01", "2024-1-1", "2024/01/01", "01.02.2024"),
        *("2024-03-10T25:00:00Z", "2024-03-10T02:30:00+99:00", "2024-03-10 02:30:00 UTC"),
        *("253402300800", "946684799999", "253402300800000", "1e30", "0x5f5e100", "1_710_037_800"),
    ],
)
def test_what_is_no_instant_is_none(text: str) -> None:
    assert value("timestamp", text) is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2000-02-29", date(2000, 2, 29)),
        ("1990-05-01T00:00:00+02:00", date(1990, 5, 1)),
        ("1990-05-01 23:59:59", date(1990, 5, 1)),
        ("2001-02-29", None),
        ("1990-05-01 at noon", None),
        ("641606400", None),
    ],
)
def test_a_date_is_the_day_as_it_was_written(text: str, day: date | None) -> None:
    assert value("date", text) == day


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1e3", "1000.00"),
        ("1.005", "1.01"),
        ("-1.005", "-1.01"),
        (".5", "0.50"),
        (" 7 ", "7.00"),
        ("9999999999999999.99", "9999999999999999.99"),
        ("0.00499999999999999999999999", "0.00"),
    ],
)
def test_amounts_are_rounded_from_their_digits(text: str, amount: str) -> None:
    assert value("decimal", text) == Decimal(amount)


@pytest.mark.parametrize(
    "text", ["NaN", "inf", "-Infinity", "10000000000000000", "1,50", "1_000", "0x1f", "€ 5", "--1"]
)
def test_what_is_no_amount_is_none(text: str) -> None:
    assert value("decimal", text) is None


def test_a_unit_price_keeps_six_places() -> None:
    assert value("decimal(18,6)", "0.1234565") == Decimal("0.123457")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3),
        ("3.0", 3),
        ("-3", -3),
        ("+3", 3),
        ("1e3", 1000),
        ("9223372036854775807", 9223372036854775807),
        ("9223372036854775808", None),
        ("3.5", None),
        ("0x1f", None),
        ("1_000", None),
        ("three", None),
    ],
)
def test_whole_numbers_have_no_fraction(text: str, number: int | None) -> None:
    assert value("integer", text) == number


@pytest.mark.parametrize("text", ["true", "TRUE", "t", "1", "Yes", " true ", "1.0"])
def test_these_words_are_true(text: str) -> None:
    assert value("boolean", text) is True


@pytest.mark.parametrize("text", ["false", "F", "0", "NO", "0.0"])
def test_these_words_are_false(text: str) -> None:
    assert value("boolean", text) is False


@pytest.mark.parametrize("text", ["2", "y", "on", "maybe"])
def test_other_words_are_neither(text: str) -> None:
    assert value("boolean", text) is None
