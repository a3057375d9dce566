"""The pages that a run leaves, opened in a browser: they open and hold the numbers of the marts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser import open_page, serve
from tests.orchestration.conftest import FirstRun
from tests.orchestration.shop import TUESDAY

pytestmark = pytest.mark.slow


def text_of(dom: str) -> str:
    """Return the words of a page, without what draws it."""
    bare = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", dom, flags=re.DOTALL)
    return re.sub(r"\s+", " ", bare)


def test_the_report_of_a_run_holds_the_numbers_of_the_marts(
    first_run: FirstRun, tmp_path: Path
) -> None:
    page = first_run.report

    with serve(page.parent) as address:
        opened = open_page(f"{address}/index.html", tmp_path)

    assert opened.complaints == []
    words = text_of(opened.dom)
    # Ada alone of four; she is told of herself and of her two segments.
    assert "1 of 4 profiles may be mailed." in words
    assert "This run sent 3 changes" in words
    assert first_run.place.rows("select count(*) from sync.profiles") == [(1,)]


def test_the_docs_of_the_doors_open_from_the_report(first_run: FirstRun, tmp_path: Path) -> None:
    page = first_run.report
    links = re.findall(r'<a href="(\.\./[^"]+)">', page.read_text(encoding="utf-8"))

    assert [Path(link).stem for link in links] == [
        "after_loading",
        "before_scoring",
        "before_delivery",
    ]
    with serve(page.parents[1]) as address:
        for link in links:
            door = Path(link).stem
            opened = open_page(f"{address}/{page.parent.name}/{link}", tmp_path / door)
            assert [line for line in opened.complaints if "favicon" not in line] == []
            assert f"The door {door}" in text_of(opened.dom)


def test_the_docs_of_the_models_describe_each_column(first_run: FirstRun, tmp_path: Path) -> None:
    place = first_run.place
    made = place.checkout.call(
        *("dbt", "docs", "generate", "--static", "--target-path", tmp_path / "docs"),
        MAILMART_WAREHOUSE=str(place.warehouse),
        MAILMART_AS_OF=TUESDAY,
    )
    assert made.status == 0, made.out

    with serve(tmp_path / "docs") as address:
        opened = open_page(
            f"{address}/static_index.html#!/model/model.mailmart.dim_profiles",
            tmp_path / "profile",
            patience_seconds=30,
        )

    words = text_of(opened.dom)
    assert "dim_profiles table" in words
    assert "One row per profile, a person as far as the data tells." in words
    for column, kind in place.rows(
        "select column_name, data_type from information_schema.columns"
        " where table_schema = 'marts' and table_name = 'dim_profiles'"
    ):
        assert f"{column} {kind}" in words
    assert [line for line in opened.complaints if "Uncaught" in line] == []


def test_a_browser_complains_of_a_page_that_is_broken(tmp_path: Path) -> None:
    (tmp_path / "broken.html").write_text("<script>nobody_knows_this()</script>", encoding="utf-8")

    opened = open_page((tmp_path / "broken.html").as_uri(), tmp_path / "profile")

    assert [line for line in opened.complaints if "Uncaught ReferenceError" in line]
