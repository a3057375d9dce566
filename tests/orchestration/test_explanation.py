"""What is known of Ada, Bo and a stranger, told by the command as support would ask for it."""

from __future__ import annotations

import io

from rich.console import Console

from orchestration.explanation import Part, show
from tests.orchestration.checkout import Place


def explain(place: Place, email: str) -> str:
    ended = place.checkout.mailmart("explain", "--email", email, "--warehouse", place.warehouse)
    assert ended.status == 0, ended.err
    return "\n".join(" ".join(line.split()) for line in ended.out.splitlines())


def test_a_person_is_explained_from_the_raw_rows_to_the_lists(built: Place) -> None:
    told = explain(built, " ADA@Tuesday.example")

    assert "first name Ada" in told
    for rows in ("email_events 2", "web_events 1", "orders 0", "contacts 1", "consents 1"):
        assert rows in told
    assert "may be mailed, as of the build yes" in told
    assert "email_marketing granted 2026-01-02 00:00:00 UTC" in told
    # She never opened or clicked anything, and was first seen on 1 January.
    assert "Why inactive: is mailed, and opens nothing" in told
    assert "moderately_engaged 14 0 1 0 1 either" in told
    assert "inactive 2026-01-01 00:00:00 UTC –" in told
    assert (
        "birthday_week 2026-03-03 06:00:00 UTC – has_birthday_within_7_days "
        "has_birthday_within_7_days = yes"
    ) in told
    assert "win_back – – engagement_tier = 'inactive'" in told
    assert "file segment birthday_week" in told
    assert "file the profile" in told
    assert told.endswith("as of 2026-03-03 06:00 UTC")


def test_why_somebody_is_left_alone_is_told(built: Place) -> None:
    told = explain(built, "bo@tuesday.example")

    assert "may be mailed, as of the build no" in told
    assert "why not withdrew the consent" in told
    assert told.index("withdrawn 2026-02-02") < told.index("granted 2026-01-02")
    assert "What destinations hold\nnone" in told


def test_what_came_after_the_build_and_what_destinations_were_told_is_there(built: Place) -> None:
    ((ada, key),) = built.rows(
        "select profile_id, profile_key from intermediate.int_profiles__resolved"
        " where email = 'ada@tuesday.example'"
    )
    built.change(
        "insert into raw.consents (email, purpose, status, recorded_at) values"
        " ('Ada@tuesday.example', 'email_marketing', 'withdrawn', '2026-03-03 06:00:01')",
        f"insert into reverse_etl.acknowledged_suppressions values ('file', '{ada}', 'complaint')",
        f"insert into reverse_etl.refused_profiles values ('file', '{ada}', 'gone', '2026-03-03')",
        f"update marts.profile_scores set churn_probability = 0.25 where profile_id = '{ada}'",
        # The newest open of a mail 14 days before the build to the second, which is too long ago,
        # and the newest click of a link a second later.
        "insert into intermediate.int_engagements__collapsed"
        " (profile_key, event_type, message_key, url, last_human_at) values"
        f" ({key}, 'open', 'm', null, '2026-02-17 06:00:00'),"
        f" ({key}, 'click', 'm', 'u', '2026-02-17 06:00:01')",
    )

    told = explain(built, "ada@tuesday.example")

    assert "email_marketing withdrawn (after the build) 2026-03-03 06:00:01 UTC" in told
    assert "email_marketing granted 2026-01-02 00:00:00 UTC" in told
    assert "file not to be mailed: complaint" in told
    assert "file refuses to contact: gone" in told
    assert "churn probability 0.25" in told
    assert "highly_engaged 7 0 3 0 2 both" in told
    assert "moderately_engaged 14 0 1 1 1 either" in told
    assert "lapsing 30 1 1 1 1 either" in told


def test_of_a_stranger_there_are_raw_rows_at_most(built: Place) -> None:
    told = explain(built, "eve@tuesday.example")

    assert "consents 0" in told
    assert told.endswith("no profile had this address as of 2026-03-03 06:00 UTC")


def test_brackets_in_a_text_are_shown_as_they_are() -> None:
    """A name with [/b] in it once ended the command, and [red] was not to be seen."""
    told = io.StringIO()

    show(
        [Part("Person", ("what", "is"), [("first name", "[/b] Ada"), ("city", "[red]")])],
        Console(file=told, width=80),
    )

    assert [line.split() for line in told.getvalue().splitlines() if line.strip()] == [
        ["Person"],
        ["what", "is"],
        ["first", "name", "[/b]", "Ada"],
        ["city", "[red]"],
    ]
