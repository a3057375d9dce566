"""Times as people write them in the environment and on the command line."""

from __future__ import annotations

from datetime import datetime

import pytest

from orchestration import resources


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-03T06:00:00Z", "2026-03-03T06:00:00"),
        ("2026-03-03T06:00:00+02:00", "2026-03-03T04:00:00"),
        ("2026-03-03 06:00", "2026-03-03T06:00:00"),
        ("2026-03-03", "2026-03-03T00:00:00"),
        (" 2026-03-03T06:00:00.000001Z ", "2026-03-03T06:00:00.000001"),
    ],
)
def test_an_instant_is_utc_unless_it_says_otherwise(text: str, instant: str) -> None:
    assert resources.parse_instant(text) == datetime.fromisoformat(instant)


@pytest.mark.parametrize(
    "text",
    ["", "noon", "2026-13-01", "1772517600", "0001-01-01T00:00:00+01:00", "9999-12-31T23:00-05:00"],
)
def test_what_is_no_instant_is_told_how_to_be_one(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; write it as ISO 8601, for example 2026-"):
        resources.parse_instant(text)


def test_dagster_links_to_pages_where_somebody_serves_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = resources.DATA_DOCS / "20260303T060000Z-one" / "after_loading.html"

    monkeypatch.delenv("MAILMART_PAGES_URL", raising=False)
    beside_dagster = resources.find_page_url(page)
    monkeypatch.setenv("MAILMART_PAGES_URL", "https://pages.example/mailmart/")
    elsewhere = resources.find_page_url(page)

    path = "doors/20260303T060000Z-one/after_loading.html"
    assert beside_dagster == f"http://127.0.0.1:3001/{path}"
    assert elsewhere == f"https://pages.example/mailmart/{path}"
