"""The page of a verdict: whole, readable without a network, and without anybody's address."""

import re
from dataclasses import replace
from pathlib import Path

from expectations import gate, pages
from expectations.gate import Measure, Verdict
from tests.browser import open_page
from tests.expectations.world import AS_OF, WEDNESDAY

OPT_OUTS = Measure(
    rule="known_event_types",
    table="raw.email_events",
    severity="stop",
    observed=3,
    at_most=0,
    fact='3 rows of files/ada@example.com.csv have a type such as "<b>gone</b>"',
    way_out="map them",
)
AGE = Measure(
    rule="freshness",
    table="raw.orders",
    severity="warn",
    observed=7.25,
    at_most=7,
    fact="the newest order is old",
    way_out="load newer files",
)
KEYS = replace(OPT_OUTS, rule="keys", observed=0, fact="every key is there once")


def judge(*measures: Measure) -> Verdict:
    return gate.judge("a_door", measures, as_of=AS_OF, judged_at=WEDNESDAY)


def test_a_page_says_what_was_found_the_worst_first(tmp_path: Path) -> None:
    page = pages.write(judge(KEYS, AGE, OPT_OUTS), tmp_path / "pages" / "of the run")

    assert page == tmp_path / "pages" / "of the run" / "a_door.html"
    html = page.read_text(encoding="utf-8")
    assert "the door a_door stopped the batch: known_event_types: 3 rows of" in html
    assert "As of 2026-03-03 06:00:00 UTC, judged 2026-03-04 06:00:00 UTC." in html
    cells = re.findall(r"<tr>(<td class=\"(?:stopped|warned|passed)\">.*?)</tr>", html)
    texts = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in cells]
    assert [text[:6] for text in texts] == [
        ["stopped", "known_event_types", "raw.email_events", "stop", "3", "0"],
        ["warned", "freshness", "raw.orders", "warn", "7.25", "7"],
        ["passed", "keys", "raw.email_events", "stop", "0", "0"],
    ]


def test_a_page_holds_the_results_of_great_expectations(tmp_path: Path) -> None:
    html = pages.write(judge(KEYS, AGE, OPT_OUTS), tmp_path).read_text(encoding="utf-8")

    assert "Evaluated Expectations" in html
    assert "values must be less than or equal to" in html
    assert html.count("fa-check-circle text-success") == 1
    assert html.count("fa-times text-danger") == 2


def test_a_page_needs_no_network_and_runs_nothing(tmp_path: Path) -> None:
    html = pages.write(judge(KEYS, AGE, OPT_OUTS), tmp_path).read_text(encoding="utf-8")

    assert re.findall(r"https?://|<script|<link|<img| href=| src=| on\w+=", html) == []


def test_a_browser_opens_a_page_without_an_error_and_shows_the_rules(tmp_path: Path) -> None:
    page = pages.write(judge(KEYS, AGE, OPT_OUTS), tmp_path / "pages")

    opened = open_page(page.as_uri(), tmp_path / "profile")

    assert opened.complaints == []
    rules = re.findall(r'<tr><td class="\w+">\w+</td><td>(\w+)</td>', opened.dom)
    assert rules == ["known_event_types", "freshness", "keys"]
    assert opened.dom.count("values must be less than or equal to") == 3


def test_no_address_is_on_a_page_and_data_is_no_markup(tmp_path: Path) -> None:
    html = pages.write(judge(OPT_OUTS), tmp_path).read_text(encoding="utf-8")

    assert "@example" not in html
    assert "<b>gone" not in html
    assert "&lt;b&gt;gone&lt;/b&gt;" in html


def test_a_later_verdict_takes_the_place_of_the_page_and_leaves_nothing_beside_it(
    tmp_path: Path,
) -> None:
    pages.write(judge(OPT_OUTS), tmp_path)
    page = pages.write(judge(KEYS), tmp_path)

    assert list(tmp_path.iterdir()) == [page]
    assert "let the batch through" in page.read_text(encoding="utf-8")


def test_a_door_without_measures_has_a_page_too(tmp_path: Path) -> None:
    assert "Nothing was measured." in pages.write(judge(), tmp_path).read_text(encoding="utf-8")
