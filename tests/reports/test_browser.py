"""The report in a real browser: no error, no sideways scrolling on a phone, light and dark."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

import reports
from tests.browser import open_page, serve
from tests.reports import world

# The page stands in a frame as wide as a phone, since no window of a desktop is that narrow.
LOOKING = """<!doctype html><link rel="icon" href="data:,">
<body><iframe src="/latest/index.html" width="{width}" height="800"></iframe><pre></pre>
<script>
const frame = document.querySelector("iframe");
frame.addEventListener("load", () => {{
  const page = frame.contentDocument, root = page.documentElement;
  const style = (element) => frame.contentWindow.getComputedStyle(element);
  const charts = [...page.querySelectorAll("svg")].map((svg) => svg.getBoundingClientRect());
  const shown = charts.filter((box) => box.width > 0);
  const flow = page.querySelector("#tiers figure svg");
  document.querySelector("pre").textContent = JSON.stringify({{
    title: page.title,
    tables: page.querySelectorAll("table").length,
    charts: charts.length,
    shown: shown.length,
    widest: Math.max(...shown.map((box) => box.right)),
    scroll: root.scrollWidth,
    window: root.clientWidth,
    paper: style(page.body).backgroundColor,
    ink: style(page.body).color,
    lettering: style(flow.querySelector("text")).fill,
  }});
}});
</script>"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Write the report of a small world and serve its folder on this machine alone."""
    reports.write(
        world.build(),
        tmp_path / "pages",
        run_id=world.RUN,
        started_at=world.STARTED,
        written_at=world.WRITTEN,
        models=[reports.Model("churn", world.make_card(), [])],
    )
    with serve(tmp_path / "pages") as address:
        yield address


def look(address: str, tmp_path: Path, width: int, scheme: str) -> dict[str, Any]:
    """Open the page at a width and return what the browser made of it."""
    (tmp_path / "pages" / "looking.html").write_text(LOOKING.format(width=width), encoding="utf-8")
    opened = open_page(
        f"{address}/looking.html",
        tmp_path / "profile",
        f"--blink-settings=preferredColorScheme={['dark', 'light'].index(scheme)}",
    )
    assert opened.complaints == []
    seen = re.search(r"<pre>(.*?)</pre>", opened.dom, re.DOTALL)
    assert seen is not None
    found: dict[str, Any] = json.loads(unescape(seen[1]))
    return found


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (360, "dark"), (1280, "light")])
def test_the_page_opens_without_an_error_and_fits(
    address: str, tmp_path: Path, width: int, scheme: str
) -> None:
    seen = look(address, tmp_path, width, scheme)

    assert seen["title"] == "Whom to mail, 9 March 2026 – mailmart"
    assert seen["scroll"] == seen["window"] <= width
    assert seen["widest"] <= seen["window"]
    # Of each pair of drawings one is shown; a segment's single one always is.
    assert seen["shown"] == (seen["charts"] - 2) / 2 + 2
    # 1 at a glance, 4 of tiers, 1 of segments, 3 of engagement, 1 of campaigns, 2 of the model,
    # 4 of the delivery, 2 of doors.
    assert seen["tables"] == 18


def test_letters_and_paper_change_places_in_the_dark(address: str, tmp_path: Path) -> None:
    light = look(address, tmp_path, 360, "light")
    dark = look(address, tmp_path, 360, "dark")

    for seen, is_light in ((light, True), (dark, False)):
        bright = {part: sum(_colour(seen[part])) / 3 for part in ("paper", "ink", "lettering")}
        assert (bright["paper"] > 200) is is_light
        assert (bright["ink"] < 60) is is_light
        # Vega's pictures take their colours from the page.
        assert (bright["lettering"] < 120) is is_light


# Colours


def _colour(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)[:3]]


def _luminance(hexadecimal: str) -> float:
    """Return relative luminance as WCAG 2.2 defines it."""
    channels = [int(hexadecimal[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


TEXTS = ("ink", "soft", "accent", "good", "odd", "bad")
SHAPES = ("human", "machine", "up", "down", "accent", "moderately-engaged", "lapsing")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_and_shapes_stand_out_as_aa_asks(scheme: str) -> None:
    style = Path(reports.__file__).with_name("templates") / "report.css"
    light, dark = re.findall(r":root \{(.*?)\}", style.read_text(encoding="utf-8"), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", light if scheme == "light" else dark))

    for ground in ("paper", "card"):
        weak = [name for name in TEXTS if _contrast(colours[name], colours[ground]) < 4.5]
        weak += [name for name in SHAPES if _contrast(colours[name], colours[ground]) < 3]
        assert weak == []
