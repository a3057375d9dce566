"""`mailmart doctor`: what is well, what is ill, and how to mend it."""

from __future__ import annotations

from pathlib import Path

from tests.orchestration.checkout import Checkout, Ended, Place


def examined(place: Place, **settings: str) -> Ended:
    return place.checkout.mailmart(
        *("doctor", "--warehouse", place.warehouse),
        **{"MAILMART_LANDING": str(place.landing), "MAILMART_OUTBOX": str(place.outbox)} | settings,
    )


def test_a_house_in_order_needs_no_mending(built: Place) -> None:
    ended = examined(built)

    assert ended.status == 0, ended.out
    assert "MEND" not in ended.out
    assert "4 files of 4 tables" in ended.out
    assert "1 builds, the newest as of 2026-03-03 06:00 UTC" in ended.out
    assert "models: churn none yet, open none yet" in ended.out


def test_a_house_out_of_order_is_told_what_to_mend_all_at_once(built: Place) -> None:
    champion = built.folder / "warehouse.duckdb.models" / "churn" / "champion.json"
    champion.parent.mkdir(parents=True)
    champion.write_text("not what was written", encoding="utf-8")
    (built.folder / "file").touch()

    ended = examined(
        built,
        MAILMART_LANDING=str(built.folder / "nowhere"),
        MAILMART_PROFILE_KEY="another key",
    )

    ill = [line for line in ended.out.splitlines() if line.startswith("MEND")]
    assert ended.status == 1
    assert ended.last_line == "3 of 9 need mending."
    assert f"there is no {built.folder / 'nowhere'}" in ill[0]
    assert "put the old key back" in ill[1]
    assert f"Delete it and train anew (mailmart train): {champion}" in ill[2]


def test_looking_makes_nothing(checkout: Checkout, tmp_path: Path) -> None:
    place = Place(checkout, tmp_path)

    ended = examined(place)

    assert "the first run makes it" in ended.out
    assert list(tmp_path.iterdir()) == []
