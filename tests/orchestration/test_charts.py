"""Pictures of models: what is drawn is what the card says."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree

from orchestration.charts import draw_calibration, draw_learning_curve, embed

CARD = {
    "version": "20260101-abc",
    "rounds": 2,
    "learning_curve": {"training": [0.6, 0.5, 0.4], "validation": [0.7, 0.6, 0.65]},
    "test_metrics": {
        "calibration_bins": [
            {"rows": 10, "mean_probability": 0.1, "observed_share": 0.2},
            {"rows": 10, "mean_probability": 0.5, "observed_share": 0.5},
        ]
    },
}
SVG = "{http://www.w3.org/2000/svg}"


def points(line: ElementTree.Element) -> list[tuple[float, float]]:
    pairs = (pair.split(",") for pair in line.attrib["points"].split())
    return [(float(x), float(y)) for x, y in pairs]


def test_a_learning_curve_falls_where_the_loss_does() -> None:
    picture = ElementTree.fromstring(draw_learning_curve(CARD))

    training, validation, best = map(points, picture.iter(f"{SVG}polyline"))
    assert [y for _, y in training] == sorted(y for _, y in training)
    assert validation[0][1] < validation[2][1] < validation[1][1]
    # The dashed line stands at the second round of three.
    assert best[0][0] == best[1][0] == training[1][0]
    assert "20260101-abc" in "".join(picture.itertext())


def test_a_calibration_has_one_dot_for_each_bin_above_the_line_where_more_came_true() -> None:
    picture = ElementTree.fromstring(draw_calibration(CARD))

    dots = [
        (float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in picture.iter(f"{SVG}circle")
    ]
    (x0, y0), (x1, y1) = points(next(picture.iter(f"{SVG}polyline")))
    on_the_line = [y0 + (x - x0) / (x1 - x0) * (y1 - y0) for x, _ in dots]
    assert len(dots) == 2
    assert dots[0][1] < on_the_line[0] - 10
    assert abs(dots[1][1] - on_the_line[1]) < 0.5


def test_a_curve_of_one_round_and_no_loss_can_be_drawn() -> None:
    card = CARD | {"rounds": 1, "learning_curve": {"training": [0.0], "validation": [0.0]}}

    assert ElementTree.fromstring(draw_learning_curve(card)).tag == f"{SVG}svg"


def test_a_picture_travels_within_the_text() -> None:
    text = embed("<svg/>", "nothing")

    found = re.fullmatch(r"!\[nothing\]\(data:image/svg\+xml;base64,(.+)\)", text)
    assert found is not None
    assert base64.b64decode(found[1]) == b"<svg/>"
