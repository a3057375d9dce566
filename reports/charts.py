"""The charts of the page, each a picture of a few numbers that stand in a table beside it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from reports.campaigns import Campaign
from reports.engagement import Week
from reports.models import Champion
from reports.segments import Size
from reports.tiers import NOT_YET_SEEN, TIERS, Flow, WeekMix
from reports.vega import COLUMN, HALF, PHONE, Chart, Margins, Spec, draw, frame
from reports.words import NAMES, say_percent


def draw_tier_weeks(weeks: Sequence[WeekMix], text: str) -> Chart:
    """Draw the three tiers of those who read, by week, one on the other."""

    def build(width: int) -> Spec:
        is_narrow = width == PHONE
        engaged = [tier for tier in TIERS if tier != "inactive"]
        rows: list[dict[str, Any]] = [
            {
                "at": each.instant.isoformat(),
                "tier": each.tier,
                "rank": engaged.index(each.tier),
                "profiles": each.profiles,
            }
            for each in weeks
            if each.tier in engaged
        ]
        last = max(row["at"] for row in rows)
        labels, below = [], 0
        for tier in engaged:
            profiles = sum(r["profiles"] for r in rows if (r["at"], r["tier"]) == (last, tier))
            labels.append(
                {"at": last, "middle": below + profiles / 2, "name": NAMES[tier].split()[0]}
            )
            below += profiles
        top = max(
            sum(r["profiles"] for r in rows if r["at"] == at) for at in {r["at"] for r in rows}
        )
        x = {"field": "at", "type": "temporal", "axis": _time_axis(4 if is_narrow else 8)}
        scale = {"domain": [0, max(top, 1)], "nice": True}
        return frame(
            width,
            260 if is_narrow else 300,
            Margins(left=44, right=82, top=12, bottom=30),
            {
                "layer": [
                    {
                        "data": {"values": rows},
                        "mark": {
                            "type": "area",
                            "interpolate": "monotone",
                            "stroke": "var(--paper)",
                            "strokeWidth": 1.5,
                        },
                        "encoding": {
                            "x": x,
                            "y": {
                                "field": "profiles",
                                "type": "quantitative",
                                "stack": "zero",
                                "scale": scale,
                                "axis": _count_axis(),
                            },
                            "color": _colours(
                                "tier", {tier: f"var(--{_dashed(tier)})" for tier in engaged}
                            ),
                            "order": {"field": "rank", "type": "quantitative"},
                        },
                    },
                    {
                        "data": {"values": _spread(labels, "middle", max(top, 1) / 14)},
                        "mark": {"type": "text", "align": "left", "dx": 8, "baseline": "middle"},
                        "encoding": {
                            "x": x,
                            "y": {"field": "middle", "type": "quantitative", "scale": scale},
                            "text": {"field": "name"},
                        },
                    },
                ]
            },
        )

    return draw(build, text, COLUMN)


def draw_flows(flows: Sequence[Flow], text: str) -> Chart:
    """Draw those who moved, from the tier they were in to the tier they are in."""
    moved = [flow for flow in flows if flow.direction != "stayed"]
    total = sum(flow.profiles for flow in moved)

    def build(width: int) -> Spec:
        is_narrow = width == PHONE
        height, gap, node = (340 if is_narrow else 380), 22, 10
        margin = 112 if is_narrow else 200
        margins = Margins(left=margin, right=margin, top=40, bottom=20)
        origins = [t for t in (*TIERS, NOT_YET_SEEN) if any(f.tier_before == t for f in moved)]
        goals = [t for t in TIERS if any(f.tier_now == t for f in moved)]
        inside = height - margins.top - margins.bottom
        per_profile = (inside - gap * (max(len(origins), len(goals)) - 1)) / total
        left = _stack(origins, "tier_before", moved, per_profile, gap, inside)
        right = _stack(goals, "tier_now", moved, per_profile, gap, inside)
        ribbons = []
        leaves, arrives = dict(left), dict(right)
        for flow in moved:
            thickness = flow.profiles * per_profile
            start, end = leaves[flow.tier_before][0], arrives[flow.tier_now][0]
            leaves[flow.tier_before] = (start + thickness, 0.0)
            arrives[flow.tier_now] = (end + thickness, 0.0)
            # Flat ends make a monotone curve leave and arrive level.
            ribbons += [
                {
                    "flow": f"{flow.tier_before} {flow.tier_now}",
                    "direction": flow.direction,
                    "x": along,
                    "y": top,
                    "y2": top + thickness,
                }
                for along, top in ((0.0, start), (0.01, start), (0.99, end), (1.0, end))
            ]
        sides = ((left, "tier_before", 0.0, -1), (right, "tier_now", 1.0, 1))
        nodes = [
            {
                "x": along,
                "side": side,
                "y": top,
                "y2": bottom,
                "middle": (top + bottom) / 2,
                "name": _name_node(tier, is_narrow),
                "profiles": f"{_sum_of(moved, key, tier):,}",
            }
            for stack, key, along, side in sides
            for tier, (top, bottom) in stack.items()
        ]
        x: Spec = {"field": "x", "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": None}
        y_scale = {"domain": [inside, 0], "nice": False, "zero": False}
        y: Spec = {
            "field": "y",
            "type": "quantitative",
            "scale": y_scale,
            "axis": None,
            "stack": None,
        }
        middle = {**y, "field": "middle"}
        layers: list[Spec] = [
            {
                "data": {"values": ribbons},
                "mark": {"type": "area", "interpolate": "monotone", "opacity": 0.45},
                "encoding": {
                    "x": x,
                    "y": y,
                    "y2": {"field": "y2"},
                    "detail": {"field": "flow"},
                    "color": _colours(
                        "direction",
                        {"up": "var(--up)", "down": "var(--down)", "new": "var(--machine)"},
                    ),
                },
            }
        ]
        for side in (-1, 1):
            of_the_side = [each for each in nodes if each["side"] == side]
            beside = {"align": "right" if side < 0 else "left"}
            layers += [
                {
                    "data": {"values": of_the_side},
                    "mark": {
                        "type": "bar",
                        "width": node,
                        "xOffset": side * node / 2,
                        "color": "var(--ink)",
                        "cornerRadius": 2,
                    },
                    "encoding": {"x": x, "y": y, "y2": {"field": "y2"}},
                },
                {
                    "data": {"values": of_the_side},
                    "mark": {"type": "text", **beside, "dx": side * (node + 8), "dy": -7}
                    | {"fontWeight": 600, "fontSize": 13},
                    "encoding": {"x": x, "y": middle, "text": {"field": "name"}},
                },
                {
                    "data": {"values": of_the_side},
                    "mark": {"type": "text", **beside, "dx": side * (node + 8), "dy": 9}
                    | {"color": "var(--soft)"},
                    "encoding": {"x": x, "y": middle, "text": {"field": "profiles"}},
                },
            ]
            layers.append(
                {
                    "data": {
                        "values": [{"x": max(side, 0), "text": "Then" if side < 0 else "Now"}]
                    },
                    "mark": {"type": "text", **beside, "dx": side * (node + 8), "y": -30}
                    | {"color": "var(--soft)"},
                    "encoding": {"x": x, "text": {"field": "text"}},
                }
            )
        return frame(width, height, margins, {"layer": layers})

    return draw(build, text, COLUMN)


def draw_sizes(sizes: Sequence[Size], text: str) -> Chart:
    """Draw a segment's size at each build, as a small chart that stands beside its name."""

    def build(width: int) -> Spec:
        rows = [{"at": each.as_of.isoformat(), "profiles": each.profiles} for each in sizes]
        most = max(each.profiles for each in sizes)
        x = {"field": "at", "type": "temporal", "axis": None}
        y = {
            "field": "profiles",
            "type": "quantitative",
            "scale": {"domain": [0, max(most, 1)]},
            "axis": None,
        }
        return frame(
            width,
            72,
            Margins(left=4, right=6, top=6, bottom=4),
            {
                "data": {"values": rows},
                "layer": [
                    {
                        "mark": {
                            "type": "area",
                            "color": "var(--accent)",
                            "opacity": 0.14,
                        },
                        "encoding": {"x": x, "y": y},
                    },
                    {
                        "mark": {"type": "line", "color": "var(--accent)", "strokeWidth": 2},
                        "encoding": {"x": x, "y": y},
                    },
                    {
                        "data": {"values": rows[-1:]},
                        "mark": {"type": "point", "filled": True, "size": 55}
                        | {"color": "var(--accent)", "opacity": 1},
                        "encoding": {"x": x, "y": y},
                    },
                ],
            },
        )

    return draw(build, text, 300, 300)


def draw_weeks(weeks: Sequence[Week], text: str) -> Chart:
    """Draw events by week, people's below, machines' on top."""

    def build(width: int) -> Spec:
        rows = [
            {"until": week.until.isoformat(), "who": who, "rank": rank, "events": events}
            for week in weeks
            for rank, (who, events) in enumerate(
                (("people", week.human), ("machines", week.machine))
            )
        ]
        margins = Margins(left=52, right=20, top=40, bottom=30)
        bar = max(3, round((width - margins.left - margins.right) / len(weeks) * 0.72))
        return frame(
            width,
            260,
            margins,
            {
                "data": {"values": rows},
                "mark": {"type": "bar", "width": bar},
                "encoding": {
                    "x": {
                        "field": "until",
                        "type": "temporal",
                        "axis": _time_axis(4),
                        "scale": {"padding": bar / 2 + 2},
                    },
                    "y": {
                        "field": "events",
                        "type": "quantitative",
                        "stack": "zero",
                        "axis": _count_axis(),
                    },
                    "color": _colours(
                        "who",
                        {"people": "var(--human)", "machines": "var(--machine)"},
                        legend={},
                    ),
                    "order": {"field": "rank", "type": "quantitative"},
                },
            },
        )

    return draw(build, text, HALF)


def draw_open_rates(campaigns: Sequence[Campaign], text: str) -> Chart:
    """Draw each campaign's open rate as reported and by people, on one line."""

    def build(width: int) -> Spec:
        is_narrow = width == PHONE
        rated = [each for each in campaigns if each.open_rate_as_reported is not None]
        rows = [
            {
                "key": each.campaign_id,
                "name": each.name,
                "people": each.open_rate,
                "reported": each.open_rate_as_reported,
            }
            for each in rated
        ]
        dots = [
            {"key": row["key"], "who": who, "rate": row[field]}
            for row in rows
            for who, field in (("people", "people"), ("as reported", "reported"))
        ]
        y = {
            "field": "key",
            "type": "nominal",
            "sort": [row["key"] for row in rows],
            "axis": None,
        }
        x_axis = {"format": ".0%", "tickCount": 4 if is_narrow else 8, "title": None}
        label_margin = 118 if is_narrow else 210
        return frame(
            width,
            28 * len(rows) + 76,
            Margins(left=label_margin, right=20, top=40, bottom=30),
            {
                "layer": [
                    {
                        "data": {"values": rows},
                        "mark": {"type": "rule", "color": "var(--machine)", "opacity": 0.35}
                        | {"strokeWidth": 3},
                        "encoding": {
                            "y": y,
                            "x": {
                                "field": "people",
                                "type": "quantitative",
                                "axis": x_axis,
                                "scale": {"domainMin": 0},
                            },
                            "x2": {"field": "reported"},
                        },
                    },
                    {
                        "data": {"values": dots},
                        "mark": {"type": "point", "filled": True, "size": 85, "opacity": 1},
                        "encoding": {
                            "y": y,
                            "x": {"field": "rate", "type": "quantitative"},
                            "color": _colours(
                                "who",
                                {
                                    "people": "var(--human)",
                                    "as reported": "var(--machine)",
                                },
                                legend={"symbolType": "circle"},
                            ),
                            "shape": {
                                "field": "who",
                                "type": "nominal",
                                "scale": {
                                    "domain": ["people", "as reported"],
                                    "range": ["circle", "diamond"],
                                },
                                "legend": {},
                            },
                        },
                    },
                    {
                        "data": {"values": rows},
                        "mark": {
                            "type": "text",
                            "align": "left",
                            "x": -label_margin,
                            "limit": label_margin - 14,
                        },
                        "encoding": {"y": y, "text": {"field": "name"}},
                    },
                ]
            },
        )

    return draw(build, text, COLUMN)


def draw_calibration(champion: Champion, text: str) -> Chart:
    """Draw what was predicted against what happened, ten equal groups of rows."""

    def build(width: int) -> Spec:
        rows = [{"predicted": each.predicted, "observed": each.observed} for each in champion.bins]
        most = max(max(row.values()) for row in rows) * 1.05 or 1.0
        axis = {"format": "%", "tickCount": 5}
        scale = {"domain": [0, most], "nice": True}
        x = {
            "field": "predicted",
            "type": "quantitative",
            "scale": scale,
            "axis": {**axis, "title": "Predicted", "grid": False},
        }
        y = {
            "field": "observed",
            "type": "quantitative",
            "scale": scale,
            "axis": {**axis, "title": "Happened", "titleAngle": 0}
            | {"titleAlign": "left", "titleX": -44, "titleY": -14},
        }
        return frame(
            width,
            300,
            Margins(left=52, right=14, top=34, bottom=48),
            {
                "layer": [
                    {
                        "data": {"values": [{"predicted": v, "observed": v} for v in (0.0, most)]},
                        "mark": {
                            "type": "line",
                            "color": "var(--machine)",
                            "strokeDash": [4, 4],
                            "strokeWidth": 1.5,
                        },
                        "encoding": {"x": x, "y": y},
                    },
                    {
                        "data": {"values": rows},
                        "mark": {"type": "line", "color": "var(--accent)", "strokeWidth": 2},
                        "encoding": {"x": x, "y": y},
                    },
                    {
                        "data": {"values": rows},
                        "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1}
                        | {"color": "var(--accent)"},
                        "encoding": {"x": x, "y": y},
                    },
                ]
            },
        )

    return draw(build, text, HALF)


def draw_learning(champion: Champion, text: str) -> Chart:
    """Draw log loss by round of boosting, of the rows learned from and of those held out."""

    def build(width: int) -> Spec:
        curves = {"learned from": champion.training_curve, "held out": champion.validation_curve}
        rows = [
            {"round": number, "rows": name, "loss": loss}
            for name, curve in curves.items()
            for number, loss in enumerate(curve, start=1)
        ]
        return frame(
            width,
            300,
            Margins(left=52, right=14, top=44, bottom=48),
            {
                "data": {"values": rows},
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {
                    "x": {
                        "field": "round",
                        "type": "quantitative",
                        "axis": {"title": "Round of boosting", "grid": False, "tickCount": 5},
                        "scale": {"nice": False},
                    },
                    "y": {
                        "field": "loss",
                        "type": "quantitative",
                        "scale": {"zero": False},
                        "axis": {"title": None, "tickCount": 5},
                    },
                    "color": _colours(
                        "rows",
                        {"learned from": "var(--machine)", "held out": "var(--accent)"},
                        legend={"symbolType": "stroke", "symbolStrokeWidth": 2},
                    ),
                    "strokeDash": {
                        "field": "rows",
                        "type": "nominal",
                        "scale": {"domain": list(curves), "range": [[5, 3], [1, 0]]},
                        "legend": {},
                    },
                },
            },
        )

    return draw(build, text, HALF)


def draw_reasons(reasons: Sequence[tuple[str, int]], text: str) -> Chart:
    """Draw counts as bars, each with its name and its number."""

    def build(width: int) -> Spec:
        total = sum(count for _, count in reasons)
        rows = [
            {"name": name, "count": count, "label": f"{count:,} · {say_percent(count / total)}"}
            for name, count in reasons
        ]
        label_margin = 130 if width == PHONE else 190
        y = {"field": "name", "type": "nominal", "sort": [row["name"] for row in rows]}
        x = {"field": "count", "type": "quantitative", "axis": None, "stack": None}
        return frame(
            width,
            30 * len(rows) + 16,
            Margins(left=label_margin, right=86, top=8, bottom=8),
            {
                "data": {"values": rows},
                "layer": [
                    {
                        "mark": {"type": "bar", "height": 14, "color": "var(--accent)"}
                        | {"cornerRadius": 3},
                        "encoding": {"y": {**y, "axis": None}, "x": x},
                    },
                    {
                        "mark": {"type": "text", "align": "left", "x": -label_margin}
                        | {"limit": label_margin - 10},
                        "encoding": {"y": {**y, "axis": None}, "text": {"field": "name"}},
                    },
                    {
                        "mark": {"type": "text", "align": "left", "dx": 8}
                        | {"color": "var(--soft)"},
                        "encoding": {
                            "y": {**y, "axis": None},
                            "x": x,
                            "text": {"field": "label"},
                        },
                    },
                ],
            },
        )

    return draw(build, text, COLUMN)


def _colours(field: str, by_value: dict[str, str], legend: Spec | None = None) -> Spec:
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(by_value), "range": list(by_value.values())},
        "legend": legend,
    }


def _time_axis(ticks: int) -> Spec:
    return {"title": None, "grid": False, "format": "%-d %b"} | {
        "tickCount": ticks,
        "labelSeparation": 12,
        "labelOverlap": "parity",
    }


def _count_axis() -> Spec:
    # Each label by itself: an axis of one unit would say 0.2k.
    label = "format(datum.value, datum.value < 10000 ? ',' : '~s')"
    return {"title": None, "tickCount": 4, "labelExpr": label}


def _spread(rows: list[dict[str, Any]], field: str, least: float) -> list[dict[str, Any]]:
    """Push labels apart, from the lowest up, so that none covers another."""
    for before, after in pairwise(rows):
        after[field] = max(after[field], before[field] + least)
    return rows


def _stack(
    tiers: Sequence[str],
    key: str,
    flows: Sequence[Flow],
    per_profile: float,
    gap: int,
    inside: float,
) -> dict[str, tuple[float, float]]:
    """Return where each tier begins and ends on its side, in pixels from the top."""
    heights = {tier: _sum_of(flows, key, tier) * per_profile for tier in tiers}
    y = (inside - sum(heights.values()) - gap * (len(tiers) - 1)) / 2
    places = {}
    for tier, height in heights.items():
        places[tier] = (y, y + height)
        y += height + gap
    return places


def _sum_of(flows: Sequence[Flow], key: str, tier: str) -> int:
    return sum(flow.profiles for flow in flows if getattr(flow, key) == tier)


def _name_node(tier: str, is_narrow: bool) -> str:
    return NAMES[tier].split()[0] if is_narrow else NAMES[tier]


def _dashed(tier: str) -> str:
    return tier.replace("_", "-")
