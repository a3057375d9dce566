"""Small pictures of a model for its page: how it learned, and whether its probabilities hold.

Drawn as SVG by hand: two pictures are no reason for a library that draws.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_WIDTH, _HEIGHT = 480, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 56, 48
# A curve of a thousand rounds looks the same with every fifth of them.
_MOST_POINTS = 200
_COLOURS = ("#2563b0", "#b45309")

Point = tuple[float, float]


@dataclass(frozen=True)
class _Axes:
    """Where data lies in the picture; both ranges are wider than nothing."""

    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, point: Point) -> Point:
        """Return the pixels of a point."""
        across = (point[0] - self.x[0]) / (self.x[1] - self.x[0])
        up = (point[1] - self.y[0]) / (self.y[1] - self.y[0])
        return (
            round(_LEFT + across * (_WIDTH - _LEFT - _RIGHT), 1),
            round(_HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM), 1),
        )


def draw_learning_curve(card: Mapping[str, Any]) -> str:
    """Return the SVG of the log loss per round on the training and the validation rows."""
    curves = {name: list(card["learning_curve"][name]) for name in ("training", "validation")}
    losses = [loss for curve in curves.values() for loss in curve]
    axes = _Axes(
        (1.0, float(max(2, *map(len, curves.values())))),
        _widen(min(losses, default=0), max(losses, default=1)),
    )
    parts = []
    for (name, curve), colour in zip(curves.items(), _COLOURS, strict=True):
        step = max(1, len(curve) // _MOST_POINTS)
        points = [(float(i + 1), curve[i]) for i in sorted({*range(0, len(curve), step)})]
        parts.append(_line(axes, points, colour))
        parts.append(_key(_COLOURS.index(colour), name, colour))
    best = float(card["rounds"])
    parts.append(_line(axes, [(best, axes.y[0]), (best, axes.y[1])], "#6b7280", dashes="4 3"))
    return _picture(
        f"Learning curve of {card['version']}",
        axes,
        ("round of boosting (dashed: the last one that is used)", "log loss"),
        parts,
    )


def draw_calibration(card: Mapping[str, Any]) -> str:
    """Return the SVG of what came true against the mean probability of each bin of test rows."""
    bins = card["test_metrics"]["calibration_bins"]
    points = [(float(each["mean_probability"]), float(each["observed_share"])) for each in bins]
    most = max((value for point in points for value in point), default=1.0)
    axes = _Axes((0.0, _widen(0, most)[1]), (0.0, _widen(0, most)[1]))
    end = axes.x[1]
    dots = (axes.place(point) for point in points)
    return _picture(
        f"Calibration of {card['version']}, {len(bins)} bins of test rows",
        axes,
        ("mean probability of a bin (dashed: told as it came)", "share that came true"),
        [
            _line(axes, [(0.0, 0.0), (end, end)], "#6b7280", dashes="4 3"),
            _line(axes, points, _COLOURS[0]),
            *(f'<circle cx="{x}" cy="{y}" r="4" fill="{_COLOURS[0]}"/>' for x, y in dots),
        ],
    )


def embed(svg: str, description: str) -> str:
    """Return Markdown that shows a picture without a file or a server."""
    encoded = base64.b64encode(svg.encode()).decode("ascii")
    return f"![{description}](data:image/svg+xml;base64,{encoded})"


def _widen(low: float, high: float) -> tuple[float, float]:
    """Return a range that is not empty, with a little air above."""
    span = high - low or abs(high) or 1.0
    return low, high + span * 0.02


def _tell(value: float, span: tuple[float, float]) -> str:
    """Write a number as exactly as its axis needs."""
    return f"{value:.0f}" if span[1] - span[0] > 8 else f"{value:.3g}"


def _line(axes: _Axes, points: Sequence[Point], colour: str, dashes: str = "none") -> str:
    placed = " ".join(f"{x},{y}" for x, y in map(axes.place, points))
    return (
        f'<polyline points="{placed}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{dashes}"/>'
    )


def _key(number: int, name: str, colour: str) -> str:
    x = _LEFT + 100 * number
    return (
        f'<rect x="{x}" y="36" width="14" height="4" fill="{colour}"/>'
        f'<text x="{x + 20}" y="42">{name}</text>'
    )


def _picture(title: str, axes: _Axes, labels: tuple[str, str], parts: Iterable[str]) -> str:
    """Return the SVG with frame, ticks and texts; light whatever the page around it is."""
    ticks = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = axes.x[0] + share * (axes.x[1] - axes.x[0])
        y = axes.y[0] + share * (axes.y[1] - axes.y[0])
        across, _ = axes.place((x, axes.y[0]))
        _, up = axes.place((axes.x[0], y))
        ticks += [
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up}" y2="{up}" stroke="#e5e7eb"/>',
            f'<text x="{_LEFT - 6}" y="{up + 4}" text-anchor="end">{_tell(y, axes.y)}</text>',
            f'<text x="{across}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">'
            f"{_tell(x, axes.x)}</text>",
        ]
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" font-family="sans-serif" font-size="11" '
        f'fill="#111827"><title>{title}</title>'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>'
        f'<text x="{_LEFT}" y="22" font-size="13" font-weight="bold">{title}</text>'
        f"{''.join(ticks)}{''.join(parts)}"
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 12}" text-anchor="middle">'
        f"{labels[0]}</text>"
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">'
        f"{labels[1]}</text></svg>"
    )
