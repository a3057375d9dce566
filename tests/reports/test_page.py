"""The report of a run: the numbers of the marts, everybody's text as text, and no empty chart."""

import re
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

import reports
from tests.reports import world
from tests.reports.reading import Page


def write(
    connection: duckdb.DuckDBPyConnection, folder: Path, *models: reports.Model
) -> tuple[Path, str]:
    path = reports.write(
        connection,
        folder,
        run_id=world.RUN,
        started_at=world.STARTED,
        written_at=world.WRITTEN,
        models=models,
    )
    return path, path.read_text(encoding="utf-8")


def read(connection: duckdb.DuckDBPyConnection, folder: Path, *models: reports.Model) -> Page:
    _, html = write(connection, folder, *models)
    page = Page(html)
    assert page.open_tags == []
    return page


# Numbers


def test_the_headline_counts_who_may_be_mailed_and_who_is_held_back(tmp_path: Path) -> None:
    page = read(world.build(), tmp_path)

    assert page.tiles["Profiles"] == ["5", "+1 since 2 March 2026"]
    assert page.tiles["May be mailed"] == ["3", "60.0 % of all"]
    assert page.tiles["Held back"][0] == "2"
    assert page.tiles["Changes sent"] == ["4", "1 failed"]
    assert page.table("Profiles held back")[1:] == [
        ["Never gave consent", "1"],
        ["Unsubscribed", "1"],
    ]


def test_tiers_are_counted_now_and_compared_with_the_build_before(tmp_path: Path) -> None:
    page = read(world.build(), tmp_path)

    assert page.tiles["Highly engaged"] == ["1", "20.0 % · +1"]
    assert page.tiles["Moderately engaged"] == ["1", "20.0 % · −2"]
    assert page.tiles["Lapsing"] == ["1", "20.0 % · +1"]
    assert page.tiles["Inactive"] == ["2", "40.0 % · +1"]
    assert page.table("Profiles by tier: by people")[1:] == [
        ["Highly engaged", "1", "1", "1"],
        ["Moderately engaged", "1", "2", "0"],
        ["Lapsing", "1", "0", "2"],
        ["Inactive", "2", "2", "2"],
    ]
    assert page.table("Inactive profiles")[1:] == [
        ["Mailed, and did not open or click", "1"],
        ["New: first seen in the last 30 days", "1"],
    ]


def test_flows_say_who_moved_where_since_the_build_before(tmp_path: Path) -> None:
    page = read(world.build(), tmp_path)

    assert page.table("Profiles by tier on 2 March 2026") == [
        ["Then", "Highly engaged", "Moderately engaged", "Lapsing", "Inactive", "All"],
        ["Highly engaged", "0", "0", "0", "0", "0"],
        ["Moderately engaged", "↑ 1", "1", "↓ 1", "0", "3"],
        ["Lapsing", "0", "0", "0", "0", "0"],
        ["Inactive", "0", "0", "0", "1", "1"],
        ["New since", "0", "0", "0", "1", "1"],
        ["Now", "1", "1", "1", "2", "5"],
    ]
    assert "1 moved up 1 moved down 1 new since" in page.sections["tiers"]
    assert "2 profiles stayed in their tier" in page.sections["tiers"]


def test_tiers_by_week_are_those_that_held_at_that_instant(tmp_path: Path) -> None:
    page = read(world.build(), tmp_path)

    # Nobody was known a week earlier, so the weeks begin with the last.
    assert page.table("Profiles by tier at the end of each week")[1:] == [
        ["2 Mar 2026", "0", "3", "0", "1"],
        ["9 Mar 2026", "1", "1", "1", "2"],
    ]


def test_a_segment_has_its_size_at_each_build_and_who_entered_and_left(tmp_path: Path) -> None:
    page = read(world.build(), tmp_path)

    assert page.table("Profiles by segment at each build") == [
        ["Segment", "2 Mar 2026", "9 Mar 2026"],
        ["Win back", "2", "2"],
        ["Readers", "0", "1"],
    ]
    assert "2 profiles · 1 entered, 1 left" in page.sections["segments"]
    assert "1 profile · 1 entered, 0 left" in page.sections["segments"]


def test_a_build_that_went_back_in_time_is_no_point_in_the_history_of_segments(
    tmp_path: Path,
) -> None:
    connection = world.build()
    back_in_time = {"as_of": datetime(2026, 3, 1), "built_at": datetime(2026, 3, 8, 5)}  # noqa: DTZ001
    world.insert(connection, "marts.fct_builds", {**back_in_time, "dim_profiles_rows": 4})

    page = read(connection, tmp_path)

    assert page.table("Profiles by segment at each build")[0] == [
        *("Segment", "2 Mar 2026", "9 Mar 2026")
    ]


def test_opens_and_clicks_are_counted_by_week_and_by_who_did_them(tmp_path: Path) -> None:
    page = read(world.build(), tmp_path)

    # The open seven days before as_of, to the microsecond, belongs to the week before; the one
    # after as_of to none.
    assert page.table("Opens in the seven days")[1:] == [
        ["9 Mar 2026", "2", "1"],
        ["2 Mar 2026", "1", "0"],
    ]
    assert page.table("Clicks in the seven days")[1:] == [
        ["9 Mar 2026", "1", "3"],
        ["2 Mar 2026", "0", "0"],
    ]
    assert "25.0 % of the opens" in page.sections["engagement"]
    assert "75.0 % of the clicks" in page.sections["engagement"]
    assert page.table("Events in these weeks that no person did")[1:] == [
        ["Known scanner or privacy proxy", "Opens", "1"],
        ["Many links within ten seconds", "Clicks", "2"],
        ["Clicked within two seconds", "Clicks", "1"],
    ]


def test_campaigns_have_the_rates_of_people_and_those_not_sent_are_left_out(
    tmp_path: Path,
) -> None:
    page = read(world.build(), tmp_path)

    # 2 of 8 delivered; where no delivery is told of, 1 of 4 sent.
    assert page.table("Newest campaigns")[1:] == [
        [
            *("<script>alert(1)</script>", "9 Mar 2026", "10", "8"),
            *("25.0 % 2", "12.5 % 1", "0", "2", "1"),
        ],
        ["For ***", "2 Mar 2026", "4", "0", "25.0 % 1", "0.0 % 0", "0", "0", "0"],
    ]


def test_more_mails_arrived_than_were_sent_is_explained(tmp_path: Path) -> None:
    connection = world.build()
    assert "did not report every sending" not in read(connection, tmp_path).sections["campaigns"]
    connection.execute(
        "update marts.rpt_campaign_performance set sent = 7 where campaign_id = 'c1'"
    )

    assert "did not report every sending" in read(connection, tmp_path).sections["campaigns"]


def test_of_many_campaigns_the_newest_twenty_are_shown(tmp_path: Path) -> None:
    connection = world.build()
    counts = {"sent": 1, "delivered": 1, "opens_total": 0, "clicks_total": 0, "opens_unique": 0}
    counts |= {"opens_human_unique": 0, "clicks_human_unique": 0}
    counts |= {"bounces": 0, "unsubscribes": 0, "complaints": 0}
    for number in range(20):
        sent_at = world.NOW - timedelta(hours=number)
        world.insert(
            connection,
            "marts.rpt_campaign_performance",
            {"campaign_id": f"m{number}", "sent_at": sent_at, **counts},
        )

    names = [row[0] for row in read(connection, tmp_path).table("Newest campaigns")[1:]]

    # A campaign without a name goes by its id.
    assert len(names) == 20
    assert {"m0", "m18", "<script>alert(1)</script>"} <= set(names)
    assert not {"m19", "For ***"} & set(names)


def test_a_model_is_shown_as_its_card_and_the_decisions_have_it(tmp_path: Path) -> None:
    connection = world.build()
    for name, probability in (("ada", 0.1), ("bo", 0.3), ("cy", None)):
        row = {"profile_id": name, "churn_probability": probability}
        world.insert(connection, "marts.profile_scores", row)
    refused = "The churn model x is not promoted: log loss 0.5000, champion 0.4100."
    promoted = "The churn model y is promoted: it is the first."
    decisions = [
        world.make_decision(is_promoted=True, sentence=promoted),
        world.make_decision(is_promoted=False, sentence=refused),
    ]

    page = read(connection, tmp_path, reports.Model("churn", world.make_card(), decisions))

    assert page.tiles["ROC-AUC"][0] == "0.812"
    assert page.tiles["PR-AUC"] == ["0.600", "0.250 is chance"]
    assert page.tiles["Log loss"] == ["0.410", "0.560 by base rate"]
    assert page.tiles["Calibration error"][0] == "0.019"
    assert page.tiles["Top tenth"] == ["3.0×", "lift; holds 30.0 % of the true"]
    assert page.tiles["Scored now"] == ["2", "mean 20.0 %"]
    assert page.table("Predicted and happened")[1:] == [
        ["1", "100", "10.0 %", "12.5 %"],
        ["2", "100", "40.0 %", "37.5 %"],
    ]
    assert page.table("What acting on those ranked highest")[1:] == [
        ["10 %", "20", "75.0 %", "30.0 %", "3.00"]
    ]
    text = page.sections["models"]
    assert text.index(f"Not promoted , 2 March 2026. {refused}") < text.index(
        f"Promoted , 2 March 2026. {promoted}"
    )


def test_the_delivery_is_the_last_attempt_of_this_run(tmp_path: Path) -> None:
    page = read(world.build(), tmp_path)

    assert page.table("What this run told")[1:] == [
        ["file one row was refused", "Delivered", "5", "4", "1", "0", "0"]
    ]
    assert page.table("Changes that were planned")[1:] == [
        ["Profiles", "file", "3", "0", "0"],
        ["Win back", "file", "1", "0", "1"],
    ]
    assert page.table("Changes that a destination did not take")[1:] == [
        ["no field for ***", "file", "Failed", "1"]
    ]
    assert page.table("Profiles kept out of a segment")[1:] == [["Readers", "1"]]


def test_doors_say_what_they_found_in_this_run_and_which_one_was_not_reached(
    tmp_path: Path,
) -> None:
    page = read(world.build(), tmp_path)

    doors = page.sections["doors"]
    assert "After loading Passed with warnings 1 of 2 rules held" in doors
    assert "Warns : the newest order is old." in doors
    assert "Before scoring Not reached This run did not come to this door." in doors
    assert "Before delivery Stopped the line 0 of 1 rule held" in doors
    assert "Stops : 2 opt-outs were left out." in doors


# Nothing to tell


def test_before_the_first_build_every_part_says_so(tmp_path: Path) -> None:
    page = read(duckdb.connect(), tmp_path)

    assert page.tables == {}
    assert "There are no profiles yet" in page.sections["glance"]
    assert "There are no tiers yet" in page.sections["tiers"]
    assert "There are no segments yet" in page.sections["segments"]
    assert "No open or click is known" in page.sections["engagement"]
    assert "No mail of a campaign is known yet." in page.sections["campaigns"]
    assert "No model was asked about." in page.sections["models"]
    assert "This run delivered nothing" in page.sections["delivery"]
    assert page.sections["doors"].count("This run did not come to this door.") == 3
    assert "<svg" not in page.html


def test_a_build_of_nothing_draws_nothing(tmp_path: Path) -> None:
    connection = world.build_empty()
    world.add_build(connection, world.NOW, profiles=0)

    page = read(connection, tmp_path)

    assert "<svg" not in page.html
    assert "There are no profiles yet" in page.sections["glance"]


def test_after_the_first_build_moves_and_histories_begin_with_the_next(tmp_path: Path) -> None:
    connection = world.build()
    connection.execute("delete from marts.fct_builds where as_of < ?", [world.NOW])
    # The same build again is none to compare with.
    world.add_build(connection, world.NOW, profiles=5)

    page = read(connection, tmp_path)

    assert page.tiles["Profiles"] == ["5", "the first build on record"]
    assert "Moves between tiers are told from the next one on" in page.sections["tiers"]
    assert "sizes over time begin with the next one" in page.sections["segments"]
    assert "entered" not in page.sections["segments"]


def test_where_nobody_moved_it_says_so_and_draws_no_flow(tmp_path: Path) -> None:
    connection = world.build()
    connection.execute(
        "delete from marts.fct_engagement_tier_spells where profile_id in ('ada', 'cy', 'eli')"
    )

    page = read(connection, tmp_path)

    assert "Nobody moved since 2 March 2026; 2 profiles stayed" in page.sections["tiers"]


def test_a_model_without_a_champion_says_that_nobody_is_scored(tmp_path: Path) -> None:
    page = read(world.build(), tmp_path, reports.Model("open", None, []))

    assert "There is no open model yet" in page.sections["models"]


def test_a_card_that_is_not_understood_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"churn model.*mailmart train"):
        write(world.build(), tmp_path, reports.Model("churn", {"version": "1"}, []))
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_built_nothing_says_whose_numbers_these_are(tmp_path: Path) -> None:
    connection = world.build()
    connection.execute("delete from marts.fct_builds where as_of = ?", [world.NOW])

    _, html = write(connection, tmp_path)

    assert "This run finished no build." in html
    assert "is of the build of 2026-03-02 05:05 UTC" in html


def test_tables_of_two_moments_are_not_told_as_one(tmp_path: Path) -> None:
    connection = world.build()
    connection.execute(
        "create schema intermediate;"
        "create table intermediate.unfinished_builds as"
        " select timestamp '2026-03-10' as as_of, timestamp '2026-03-10 05:00' as began_at"
    )
    # Of the five people of the last build, the unfinished one has kept two.
    connection.execute("delete from marts.dim_profiles where first_name not in ('Ada', 'Bo')")

    page = read(connection, tmp_path)

    assert "The build did not finish" in page.html
    assert not {"Who is held back", "Tiers now"} & set(page.tables)
    for part in ("glance", "tiers", "segments", "engagement", "campaigns"):
        assert "Not told: the build did not finish" in page.sections[part]
    assert "After loading" in page.sections["doors"]
    connection.execute("delete from intermediate.unfinished_builds")
    assert "The build did not finish" not in read(connection, tmp_path).html


def test_a_run_that_did_not_end_well_says_why_and_leads_to_what_was_measured(
    tmp_path: Path,
) -> None:
    path = reports.write(
        world.build(),
        tmp_path / "reports",
        run_id=world.RUN,
        started_at=world.STARTED,
        written_at=world.WRITTEN,
        failures=["the <door> was shut to ada@example.com"],
        data_docs={"after_loading": tmp_path / "docs" / "a-run" / "after_loading.html"},
    )

    html = path.read_text(encoding="utf-8")
    assert "This run did not end well: the &lt;door&gt; was shut to ***" in html
    assert re.findall(r'<a href="(\.[^"]*)">([^<]*)</a>', html) == [
        (
            "../../docs/a-run/after_loading.html",
            "What Great Expectations measured at the door after loading",
        )
    ]


# Everybody's text, nobody's address


def test_other_peoples_text_is_text(tmp_path: Path) -> None:
    _, html = write(world.build(), tmp_path)

    assert "<script" not in html
    # In the table; in the chart it is cut to the room that there is, on narrow screens to less.
    assert '<th scope="row">&lt;script&gt;alert(1)&lt;/script&gt;' in html
    assert len(re.findall(r"<text[^>]*>&lt;script&gt;", html)) == 2
    assert "Buys &lt;b&gt;no&lt;/b&gt; more." in html


def test_no_address_and_no_name_of_a_person_is_on_the_page(tmp_path: Path) -> None:
    _, html = write(world.build(), tmp_path)

    assert "@example" not in html
    assert re.findall(r"\b(Ada|Bo|Cy|Dee|Eli)\b", html) == []


def test_the_page_needs_nothing_outside_itself_and_runs_nothing(tmp_path: Path) -> None:
    _, html = write(world.build(), tmp_path, reports.Model("churn", world.make_card(), []))

    outside = set(re.findall(r"https?://[^\"' <]+", html)) - {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert outside == set()
    links = re.findall(r' (?:href|src)="([^"]*)"', html)
    assert [link for link in links if not link.startswith("#") and link != "data:,"] == []
    assert re.findall(r"<script| on\w+=|@import|url\(", html) == []


# For those who do not see it


def test_tables_have_captions_and_scopes_and_every_chart_has_a_text(tmp_path: Path) -> None:
    page = read(world.build(), tmp_path, reports.Model("churn", world.make_card(), []))

    assert page.html.count("<table") == page.html.count("<caption>") == len(page.tables)
    assert re.findall(r"<th(?! scope=)[ >]", page.html) == []
    charts = re.findall(r"<svg[^>]*>", page.html)
    assert len(charts) > 10
    assert [each for each in charts if 'role="img"' not in each] == []
    assert [each for each in charts if not re.search(r'aria-label="[^"]{20,}"', each)] == []


def test_headings_go_down_one_level_at_a_time(tmp_path: Path) -> None:
    levels = read(world.build(), tmp_path).headings

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert [b for a, b in pairwise(levels) if b > a + 1] == []


# Files


def test_a_report_has_a_folder_of_its_run_and_latest_leads_to_it(tmp_path: Path) -> None:
    path, html = write(world.build(), tmp_path / "data" / "reports")

    assert path == tmp_path / "data/reports/20260309T050000Z-run-of-the-ninth/index.html"
    assert (tmp_path / "data/reports/latest/index.html").read_text(encoding="utf-8") == html
    assert {each.name for each in (tmp_path / "data/reports").iterdir()} == {
        *("latest", path.parent.name)
    }


def test_the_same_run_replaces_its_report_with_the_same_page(tmp_path: Path) -> None:
    connection = world.build()
    first, html = write(connection, tmp_path)
    second, again = write(connection, tmp_path)

    assert (first, html) == (second, again)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_report_that_fails_leaves_the_last_one_as_it_was(tmp_path: Path) -> None:
    _, html = write(world.build(), tmp_path)
    with pytest.raises(ValueError, match="names its folder"):
        reports.write(
            world.build(),
            tmp_path,
            run_id="../elsewhere",
            started_at=world.STARTED,
            written_at=world.WRITTEN,
        )

    assert (tmp_path / "latest" / "index.html").read_text(encoding="utf-8") == html
    assert not (tmp_path.parent / "elsewhere").exists()


def test_the_warehouse_is_only_read(tmp_path: Path) -> None:
    database = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("attach ':memory:' as nothing")
        connection.execute("create schema marts")
    with duckdb.connect(str(database), read_only=True) as connection:
        path, _ = write(connection, tmp_path / "reports")

    assert path.exists()
