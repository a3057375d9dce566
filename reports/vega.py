"""Charts as SVG: Vega-Lite draws them while the page is written, so the page needs no script.

A colour is the name of a custom property of the page's style, which is how one picture is right in
light and dark. Each chart is drawn twice, wide and narrow, because letters that shrink with a
picture cannot be read on a phone; the style shows one of the two.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import vl_convert
from markupsafe import Markup

Spec = dict[str, Any]

# Pixels, and so the size of letters, at which a chart is drawn: the page's column, half of it, and
# a phone of 360 pixels without the page's margins.
COLUMN, HALF, PHONE = 960, 460, 328

_CONFIG: Spec = {
    # The page gives each chart one text; names of single marks would only be in the way of it.
    "aria": False,
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "labelColor": "var(--soft)",
        "labelFontSize": 12,
        "labelPadding": 8,
        "labelFlush": False,
        "titleColor": "var(--soft)",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 10,
        "gridColor": "var(--line)",
    },
    "legend": {
        "labelColor": "var(--ink)",
        "labelFontSize": 12,
        "orient": "top",
        "title": None,
        "symbolType": "square",
        "symbolStrokeWidth": 0,
        "columnPadding": 16,
        "offset": 12,
    },
    "text": {"color": "var(--ink)", "fontSize": 12},
}


@dataclass(frozen=True)
class Chart:
    """A chart in words, and drawn for wide and for narrow screens."""

    text: str
    wide: Markup
    narrow: Markup


@dataclass(frozen=True)
class Margins:
    """Pixels around what is drawn, where axes and labels stand."""

    left: int = 8
    right: int = 8
    top: int = 8
    bottom: int = 8


def draw(build: Callable[[int], Spec], text: str, wide: int, narrow: int = PHONE) -> Chart:
    """Draw what `build` specifies for a width, for wide screens and for narrow ones."""
    drawn = {width: _to_svg(build(width), text) for width in {wide, narrow}}
    return Chart(text, drawn[wide], drawn[narrow])


def frame(width: int, height: int, margins: Margins, content: Spec) -> Spec:
    """Place what is drawn inside a picture of exactly this size."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "autosize": {"type": "none"},
        "padding": {
            "left": margins.left,
            "right": margins.right,
            "top": margins.top,
            "bottom": margins.bottom,
        },
        "width": width - margins.left - margins.right,
        "height": height - margins.top - margins.bottom,
        **content,
    }


def _to_svg(spec: Spec, text: str) -> Markup:
    svg = vl_convert.vegalite_to_svg({**spec, "config": _CONFIG})
    # The style sets the size, and the picture as a whole is what a screen reader tells of.
    svg, changed = re.subn(
        r'^<svg [^>]*?width="([\d.]+)" height="([\d.]+)"[^>]*>',
        rf'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \1 \2" role="img" '
        rf'style="--width:\1px" aria-label="{_escape_replacement(text)}">',
        svg,
    )
    if changed != 1:
        raise RuntimeError(f"Vega's SVG does not begin as expected: {svg[:200]}")
    return Markup(svg)  # noqa: S704 - the texts in it are escaped by Vega and above


def _escape_replacement(text: str) -> str:
    """Escape for HTML, and for the replacement of a regular expression."""
    return escape(text).replace("\\", r"\\")
