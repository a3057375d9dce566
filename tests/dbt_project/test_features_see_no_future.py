"""Deleting everything after a cutoff changes no feature at it.

Each random world is built twice, as it is and without its future, at one `as_of`. Requests for
erasure are left out of these worlds: they take away the past as well, as they should.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest

from tests.dbt_project.building import LOADED_AT, Project
from tests.oracle.known import normalise
from tests.oracle.raw import COLUMNS, Row, World
from tests.oracle.worlds import fill_raw, random_world

QUICK = range(500, 505)
MANY = range(510, 540)
STEP = timedelta(microseconds=1)
LAG = timedelta(seconds=10)

CHURN = ("marts.ftr_churn", ("profile_id", "cutoff_at"), "is_churned")
OPENING = ("marts.ftr_open_propensity", ("profile_id", "message_id"), "is_opened")

Features = dict[tuple[Any, ...], Row]


def times_of(table: str, row: Row) -> list[datetime]:
    """Return the instants from which a row of a raw table can be known."""
    columns = {
        "email_events": ("occurred_at",),
        "web_events": ("occurred_at",),
        "orders": ("ordered_at", "updated_at"),
        "consents": ("recorded_at",),
        "erasure_requests": ("requested_at",),
    }.get(table, ("updated_at",))
    return [row[column] for column in columns if row[column] is not None]


def kept(world: World, is_kept: Callable[[str, Row], bool]) -> World:
    return World(
        **{table: [r for r in world.rows(table) if is_kept(table, r)] for table in COLUMNS}
    )


def until(world: World, cutoff: datetime) -> World:
    """Return a world in which nothing has happened after the cutoff."""
    return kept(world, lambda table, row: all(at <= cutoff for at in times_of(table, row)))


def before_send(world: World, email: str, message_id: str, sent_at: datetime) -> World:
    """Return a world in which nothing has happened from a send on, but for the send itself."""

    def is_kept(table: str, row: Row) -> bool:
        is_the_send = (
            table == "email_events"
            and row["event_type"] in ("sent", "delivered")
            and row["message_id"] == message_id
            and normalise(row["email"]) == email
            and row["occurred_at"] == sent_at
        )
        return is_the_send or all(at < sent_at for at in times_of(table, row))

    return kept(world, is_kept)


def features(
    connection: duckdb.DuckDBPyConnection, table: str, key: Sequence[str], label: str
) -> Features:
    """Return the rows of a feature table by key, without what is to be predicted."""
    selected = connection.execute(f"select * exclude ({label}) from {table}")
    columns = [column for column, *_ in selected.description]
    rows = [dict(zip(columns, row, strict=True)) for row in selected.fetchall()]
    return {tuple(row[column] for column in key): row for row in rows}


def build(
    project: Project, world: World, as_of: datetime, cutoffs: Sequence[datetime]
) -> tuple[Features, Features, list[tuple[str, str, str, datetime]]]:
    """Return the churn and open features of a world, and its messages with their addresses."""
    with project.world() as connection:
        fill_raw(world, connection, LOADED_AT)
        connection.execute(
            "create table intermediate.int_cutoffs__listed as"
            " select unnest(?::timestamp[]) as cutoff_at",
            [list(cutoffs)],
        )
        project.build(
            connection,
            as_of,
            wanted=("ftr_churn", "ftr_open_propensity"),
            given=("int_cutoffs__listed",),
        )
        messages = connection.execute(
            "select profile_id, email, message_id, sent_at from marts.ftr_open_propensity"
            " inner join intermediate.int_profiles__resolved using (profile_id) order by all"
        ).fetchall()
        return features(connection, *CHURN), features(connection, *OPENING), messages


def check(project: Project, seed: int) -> int:
    """Compare one world with and without its future; return how many rows were compared."""
    rng = random.Random(seed)
    world, as_of = random_world(seed)
    world = replace(world, erasure_requests=[])
    instants = sorted(
        {at for table in COLUMNS for row in world.rows(table) for at in times_of(table, row)}
    )
    shifts = (0 * STEP, -STEP, STEP, LAG, LAG - STEP, LAG + STEP, 5 * STEP)
    cutoffs = sorted(
        {min(as_of, rng.choice(instants) + rng.choice(shifts)) for _ in range(8)} - {as_of}
    )
    churn, opening, messages = build(project, world, as_of, cutoffs)

    compared = 0
    for cutoff in rng.sample(cutoffs, min(2, len(cutoffs))):
        churn_then, opening_then, _ = build(project, until(world, cutoff), as_of, [cutoff])
        for key in set(churn) & set(churn_then):
            assert churn[key] == churn_then[key]
            compared += 1
        for key in set(opening) & set(opening_then):
            if opening[key]["sent_at"] <= cutoff:
                assert opening[key] == opening_then[key]
                compared += 1
    for profile_id, email, message_id, sent_at in rng.sample(messages, min(2, len(messages))):
        past = before_send(world, email, message_id, sent_at)
        _, opening_then, _ = build(project, past, as_of, cutoffs)
        key = (profile_id, message_id)
        assert opening[key] == opening_then[key]
        compared += 1
    return compared


def test_a_mail_is_known_from_its_delivery_though_its_send_is_told_of_later(
    project: Project,
) -> None:
    """Ada's first mail is delivered on Monday, and on Wednesday its provider reports the send."""
    monday, tuesday, wednesday = (datetime(2024, 6, day, 12) for day in (3, 4, 5))  # noqa: DTZ001
    ada = {"email": "ada@example.com", "campaign_id": "spring"}
    world = World(
        email_events=[
            {**ada, "event_type": "delivered", "message_id": "m1", "occurred_at": monday},
            {**ada, "event_type": "open", "message_id": "m1", "occurred_at": monday},
            {**ada, "event_type": "sent", "message_id": "m2", "occurred_at": tuesday},
            {**ada, "event_type": "sent", "message_id": "m1", "occurred_at": wednesday},
        ],
    )
    as_of = datetime(2024, 6, 30)  # noqa: DTZ001
    churn, opening, _ = build(project, world, as_of, [tuesday])
    churn_then, _, _ = build(project, until(world, tuesday), as_of, [tuesday])
    past = before_send(world, ada["email"], "m2", tuesday)
    _, opening_then, _ = build(project, past, as_of, [tuesday])

    (at_the_cutoff,) = churn.values()
    (second_mail,) = (row for row in opening.values() if row["message_id"] == "m2")
    assert at_the_cutoff["emails_received_last_7_days"] == 2
    assert second_mail["emails_received_last_7_days"] == 1
    assert list(churn_then.values()) == [at_the_cutoff]
    assert second_mail in opening_then.values()


def test_no_feature_changes_when_its_future_is_deleted(project: Project) -> None:
    compared = [check(project, seed) for seed in QUICK]

    # Worlds differ in how much they hold; most must have something to compare.
    assert sum(count >= 3 for count in compared) > len(QUICK) / 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", MANY)
def test_no_feature_of_any_world_changes_when_its_future_is_deleted(
    project: Project, seed: int
) -> None:
    check(project, seed)
