"""A row that cannot be used is kept with its place, its reason and its text."""

from datetime import timedelta

import pyarrow as pa
import pytest

from tests.ingestion.conftest import ADA, BO, CONSENTS_HEADER, CY, LOADED_AT, World, consent


def test_a_csv_line_with_too_many_fields_is_rejected_alone(world: World) -> None:
    broken = "bo@example.com,profiling,granted,2024-01-02,and more\n"
    world.write("consents/a.csv", CONSENTS_HEADER + ADA + broken + CY)
    report = world.load()
    assert world.rows("select email, _row from raw.consents order by _row") == [
        ("ada@example.com", 1),
        ("cy@example.com", 3),
    ]
    assert world.rejected() == [(2, "the line has more fields than the header", broken.strip())]
    assert report.tables["consents"].rows_rejected == 1
    assert not report.problems


def test_missing_fields_at_the_end_of_a_csv_line_are_null(world: World) -> None:
    world.write(
        "contacts/a.csv",
        "contact_id,updated_at,email,first_name\n1,2024-01-01,ada@example.com\n2,2024-01-02\n3\n",
    )
    world.load()
    assert world.rows("select contact_id, email from raw.contacts order by 1") == [
        ("1", "ada@example.com"),
        ("2", None),
    ]
    assert world.rejected() == [(3, "updated_at is missing", "3")]


def test_a_stray_quote_costs_its_own_line_only(world: World) -> None:
    stray = 'bo@example.com,"profil"ing,granted,2024-01-02\n'
    world.write("consents/a.csv", CONSENTS_HEADER + ADA + stray + CY)
    world.load()
    assert world.column("select email from raw.consents order by _row") == [
        "ada@example.com",
        "cy@example.com",
    ]
    reason = "the line has a quote that is not closed, or not doubled"
    assert world.rejected() == [(2, reason, stray.strip())]


@pytest.mark.parametrize(
    "endless",
    [
        'bo@example.com,"profiling,granted,2024-01-02\n',
        'bo@example.com,profiling,granted,"2024-01-02\n',
    ],
)
@pytest.mark.parametrize("rest", ["", CY, CY + "\n", CY * 3 + 'cy@example.com,"profiling",x,y\n'])
def test_a_quote_that_never_ends_refuses_the_file_and_swallows_no_row(
    world: World, endless: str, rest: str
) -> None:
    world.write("consents/a.csv", CONSENTS_HEADER + ADA + endless + rest)
    world.write("consents/b.csv", CONSENTS_HEADER + BO)
    report = world.load()
    assert [(problem.path, problem.status) for problem in report.problems] == [
        ("consents/a.csv", "rejected")
    ]
    assert "a quote that opens near row" in report.problems[0].message
    assert world.column("select email from raw.consents") == ["bo@example.com"]
    assert world.rejected() == []


def test_row_numbers_pass_over_blank_and_broken_lines(world: World) -> None:
    world.write(
        "consents/a.csv",
        f"\n\n{CONSENTS_HEADER}\n{ADA}   \nbo@example.com,a,b,c,d\n\n{CY}x,profiling,maybe,2024\n",
    )
    world.load()
    assert world.column("select _row from raw.consents order by _row") == [1, 3]
    assert [row[0] for row in world.rejected()] == [2, 4]


def test_a_broken_json_line_is_rejected_alone(world: World) -> None:
    world.write_json("consents/a.ndjson", [consent(), consent(email="cy@example.com")])
    whole, last = (world.landing / "consents/a.ndjson").read_text().splitlines()
    half = last[: len(last) // 2]
    world.write("consents/a.ndjson", f"{whole}\n{half}\n\n{last}\n[1]\n7\n")
    world.load()
    assert world.rows("select email, _row from raw.consents order by _row") == [
        ("ada@example.com", 1),
        ("cy@example.com", 3),
    ]
    assert world.rejected() == [
        (2, "the line is not JSON", half),
        (4, "the line is not a JSON object", "[1]"),
        (5, "the line is not a JSON object", "7"),
    ]


def test_a_file_of_nothing_but_broken_lines_has_all_of_them_rejected(world: World) -> None:
    world.write("consents/a.ndjson", '{"email"\n{}\n')
    world.load()
    assert world.rejected() == [
        (1, "the line is not JSON", '{"email"'),
        (2, "email is missing", "{}"),
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"email": None}, "email is missing"),
        ({"email": ""}, "email is missing"),
        ({"recorded_at": None}, "recorded_at is missing"),
        ({"recorded_at": "  "}, "recorded_at is missing"),
        ({"recorded_at": "soon"}, "recorded_at is not a timestamp"),
        ({"recorded_at": "infinity"}, "recorded_at is not a timestamp"),
        ({"recorded_at": "1970-01-01"}, "recorded_at lies before 2000-01-01"),
        ({"recorded_at": "1999-12-31T23:59:59.999999Z"}, "recorded_at lies before 2000-01-01"),
        ({"recorded_at": "2999-01-01"}, "recorded_at lies more than 24 hours after the load"),
        ({"status": "Granted"}, "status is none of granted, withdrawn"),
        ({"expires_at": "never"}, "expires_at is not a timestamp"),
    ],
)
def test_an_unusable_value_rejects_its_row_with_a_reason_that_does_not_repeat_it(
    world: World, changes: dict[str, str | None], reason: str
) -> None:
    world.write_json("consents/a.ndjson", [consent(), consent(**changes)])
    cells = {name: ["x" if value is None else value] for name, value in consent(**changes).items()}
    if None not in changes.values():
        lines = ",".join(cells) + "\n" + ",".join(cell[0] for cell in cells.values()) + "\n"
        world.write("consents/b.csv", lines)
        world.write_parquet("consents/c.parquet", cells)
    world.load()
    assert world.column("select email from raw.consents") == ["ada@example.com"]
    assert {row[1] for row in world.rejected()} == {reason}
    assert len(world.rejected()) == (1 if None in changes.values() else 3)


def test_the_bounds_of_a_time_are_inside(world: World) -> None:
    latest = LOADED_AT + timedelta(hours=24)
    just_late = latest + timedelta(microseconds=1)
    times = ["2000-01-01T00:00:00Z", latest.isoformat(), just_late.isoformat()]
    world.write_json("consents/a.ndjson", [consent(recorded_at=time) for time in times])
    world.load()
    assert world.column("select _row from raw.consents order by 1") == [1, 2]


def test_times_without_bounds_need_only_parse(world: World) -> None:
    world.write("campaigns/a.csv", "campaign_id,sent_at\nspring,1970-01-01\nwinter,2999-01-01\n")
    world.load()
    assert world.column("select year(sent_at) from raw.campaigns order by 1") == [1970, 2999]


def test_an_amount_that_is_no_number_rejects_its_row(world: World) -> None:
    world.write_parquet(
        "orders/a.parquet",
        {
            "order_id": ["o1", "o2", "o3", "o4"],
            "email": ["ada@example.com"] * 4,
            "ordered_at": ["2024-01-01"] * 4,
            "total_amount": [float("nan"), float("inf"), 1e17, 1.005],
        },
    )
    world.load()
    assert world.rows("select order_id, total_amount::varchar from raw.orders") == [("o4", "1.01")]
    reasons = {row[1] for row in world.rejected()}
    assert reasons == {"total_amount is not a decimal(18,2) number"}


def test_a_rejected_parquet_row_keeps_all_its_columns_as_json(world: World) -> None:
    world.write_parquet(
        "consents/a.parquet",
        {
            "email": ["ada@example.com"],
            "purpose": ["profiling"],
            "status": ["maybe"],
            "recorded_at": pa.array([1704103200000000], pa.timestamp("us", "UTC")),
            "Form No": [7],
        },
    )
    world.load()
    assert world.rejected() == [
        (
            1,
            "status is none of granted, withdrawn",
            '{"email":"ada@example.com","purpose":"profiling","status":"maybe",'
            '"recorded_at":"2024-01-01 10:00:00+00","Form No":7}',
        )
    ]


def test_a_web_event_needs_an_address_or_a_visitor(world: World) -> None:
    event = {"event_type": "page_view", "occurred_at": "2024-01-01"}
    world.write_json(
        "web_events/a.ndjson",
        [
            {**event, "anonymous_id": "v1"},
            {**event, "email": "ada@example.com"},
            {**event, "anonymous_id": "", "email": None},
        ],
    )
    world.load()
    assert world.column("select _row from raw.web_events order by 1") == [1, 2]
    assert [row[:2] for row in world.rejected()] == [(3, "anonymous_id and email are both missing")]


def test_bytes_that_are_no_utf8_reject_their_line_and_are_shown_in_words(world: World) -> None:
    latin = "jörg@example.com,profiling,granted,2024-01-02\n".encode("latin-1")
    world.write("consents/a.csv", (CONSENTS_HEADER + ADA).encode() + latin + CY.encode())
    world.write("consents/b.ndjson", b'{"email":"J\xf6rg"}\n')
    world.write_json("consents/c.ndjson", [consent()])
    world.load()
    assert len(world.column("select email from raw.consents")) == 3
    reason = "the line has bytes that are not UTF-8"
    assert world.rejected()[0] == (2, reason, r"j\xf6rg@example.com,profiling,granted,2024-01-02")


def test_a_column_twice_in_one_json_line_rejects_the_line(world: World) -> None:
    line = '{"email":"ada@example.com","purpose":"p","status":"granted","recorded_at":"2024-01-01"'
    world.write(
        "consents/a.ndjson",
        f'{line}}}\n{line},"email":"bo@example.com"}}\n{line},"EMAIL":"bo@example.com"}}\n'
        f'{line},"\\temail":"bo@example.com"}}\n',
    )
    world.load()
    assert world.column("select email from raw.consents") == ["ada@example.com"]
    assert [row[:2] for row in world.rejected()] == [
        (2, "email stands more than once"),
        (3, "email stands more than once"),
        (4, "email stands more than once"),
    ]


def test_a_rejected_row_over_several_lines_keeps_them(world: World) -> None:
    world.write(
        "consents/a.csv",
        CONSENTS_HEADER + ADA + '"bo\n@example.com",profiling,perhaps,2024-01-02\n' + CY,
    )
    world.load()
    assert world.column("select _row from raw.consents order by 1") == [1, 3]
    assert world.rejected() == [
        (
            2,
            "status is none of granted, withdrawn",
            '"bo\n@example.com",profiling,perhaps,2024-01-02',
        )
    ]
