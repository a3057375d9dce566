"""A warehouse of five people, made by hand in the shape that the contracts of the marts give it."""

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import yaml

from expectations import verdicts
from reverse_etl import ledger

MODELS = Path(__file__).resolve().parents[2] / "dbt_project" / "models"

RUN = "run-of-the-ninth"
LAST_WEEK, NOW = datetime(2026, 3, 2), datetime(2026, 3, 9)  # noqa: DTZ001 - UTC, as warehouses have it
STARTED = datetime(2026, 3, 9, 5)  # noqa: DTZ001
WRITTEN = datetime(2026, 3, 9, 6)  # noqa: DTZ001

_TABLES = {
    "dim_profiles": "marts.dim_profiles",
    "fct_builds": "marts.fct_builds",
    "fct_engagement_tier_spells": "marts.fct_engagement_tier_spells",
    "fct_email_events": "marts.fct_email_events",
    "fct_segment_spells": "marts.fct_segment_spells",
    "profile_segments": "marts.profile_segments",
    "profile_scores": "marts.profile_scores",
    "rpt_campaign_performance": "marts.rpt_campaign_performance",
    "sync_profiles": "sync.profiles",
    "sync_segments": "sync.segments",
    "sync_suppressions": "sync.suppressions",
}


def build_empty() -> duckdb.DuckDBPyConnection:
    """Return a warehouse with every table and no row, as a first build of nothing leaves it."""
    connection = duckdb.connect()
    connection.execute("create schema marts; create schema sync")
    for file in MODELS.glob("**/_*__models.yml"):
        for model in yaml.safe_load(file.read_text(encoding="utf-8")).get("models", []):
            if model["name"] in _TABLES:
                columns = ", ".join(
                    f'"{column["name"]}" {column["data_type"]}' for column in model["columns"]
                )
                connection.execute(f"create table {_TABLES[model['name']]} ({columns})")
    ledger.prepare(connection)
    verdicts.prepare(connection)
    return connection


def insert(connection: duckdb.DuckDBPyConnection, table: str, *rows: dict[str, Any]) -> None:
    """Insert rows by the names of their columns; what is not named is null."""
    for row in rows:
        names = ", ".join(f'"{name}"' for name in row)
        places = ", ".join("?" for _ in row)
        connection.execute(f"insert into {table} ({names}) values ({places})", list(row.values()))


def build() -> duckdb.DuckDBPyConnection:
    """Return the warehouse after its second build.

    Since last week Ada rose to highly engaged, Cy fell to lapsing and Eli came; Bo and Dee stayed.
    """
    connection = build_empty()
    add_build(connection, LAST_WEEK, profiles=4)
    add_build(connection, NOW, profiles=5)
    add_people(connection)
    add_segments(connection)
    add_engagement(connection)
    add_campaigns(connection)
    add_delivery(connection)
    add_verdicts(connection)
    return connection


def add_build(connection: duckdb.DuckDBPyConnection, as_of: datetime, *, profiles: int) -> None:
    """Record a build at five past five of its day."""
    insert(
        connection,
        "marts.fct_builds",
        {
            "as_of": as_of,
            "built_at": as_of.replace(hour=5, minute=5),
            "code_version": "0.1.0",
            "dim_profiles_rows": profiles,
        },
    )


def add_people(connection: duckdb.DuckDBPyConnection) -> None:
    """Add five people: Dee has unsubscribed, Eli never said yes."""
    people: tuple[tuple[str, str, str | None, str | None], ...] = (
        ("ada", "highly_engaged", None, None),
        ("bo", "moderately_engaged", None, None),
        ("cy", "lapsing", None, None),
        ("dee", "inactive", "ignored", "unsubscribe"),
        ("eli", "inactive", "new", "no_consent"),
    )
    for name, tier, inactive_reason, refusal in people:
        insert(
            connection,
            "marts.dim_profiles",
            {
                "profile_id": name,
                "email": f"{name}@example.com",
                "first_name": name.capitalize(),
                "engagement_tier": tier,
                # With machines Cy would count as moderately engaged; by clicks alone Bo is lapsing.
                "engagement_tier_all_opens": "moderately_engaged" if name == "cy" else tier,
                "engagement_tier_clicks_only": "lapsing" if name == "bo" else tier,
                "inactive_reason": inactive_reason,
                "may_be_mailed": refusal is None,
            },
        )
        table = "sync.suppressions" if refusal else "sync.profiles"
        reason = {"reason": refusal} if refusal else {}
        insert(connection, table, {"profile_id": name, "email": f"{name}@example.com", **reason})
    start = datetime(2026, 3, 1)  # noqa: DTZ001
    spells: tuple[tuple[str, str, datetime, datetime | None], ...] = (
        ("ada", "moderately_engaged", start, datetime(2026, 3, 5)),  # noqa: DTZ001
        ("ada", "highly_engaged", datetime(2026, 3, 5), None),  # noqa: DTZ001
        ("bo", "moderately_engaged", start, None),
        ("cy", "moderately_engaged", start, datetime(2026, 3, 4)),  # noqa: DTZ001
        ("cy", "lapsing", datetime(2026, 3, 4), None),  # noqa: DTZ001
        # Dee fell at the very instant of the build before, which saw her inactive.
        ("dee", "lapsing", start, LAST_WEEK),
        ("dee", "inactive", LAST_WEEK, None),
        ("eli", "inactive", datetime(2026, 3, 7), None),  # noqa: DTZ001
    )
    for name, tier, valid_from, valid_to in spells:
        insert(
            connection,
            "marts.fct_engagement_tier_spells",
            {
                "profile_id": name,
                "engagement_tier": tier,
                "valid_from": valid_from,
                "valid_to": valid_to,
            },
        )


def add_segments(connection: duckdb.DuckDBPyConnection) -> None:
    """Add two segments: Ada left one for the other, Bo came to the one that she left."""
    for name, description in (("win_back", "Buys <b>no</b> more."), ("readers", "Reads a lot.")):
        insert(connection, "sync.segments", {"segment": name, "description": description})
    spells: tuple[tuple[str, str, datetime, datetime | None], ...] = (
        ("ada", "win_back", LAST_WEEK, NOW),
        ("cy", "win_back", LAST_WEEK, None),
        ("bo", "win_back", NOW, None),
        ("ada", "readers", NOW, None),
    )
    for profile_id, segment, entered_at, exited_at in spells:
        row = {"profile_id": profile_id, "segment": segment}
        times = {"entered_at": entered_at, "exited_at": exited_at}
        insert(connection, "marts.fct_segment_spells", row | times)
        if exited_at is None:
            insert(connection, "marts.profile_segments", row)


def add_engagement(connection: duckdb.DuckDBPyConnection) -> None:
    """Add opens and clicks of two weeks; seven days before the build belong to the week before."""
    yesterday, tomorrow = datetime(2026, 3, 8), datetime(2026, 3, 10)  # noqa: DTZ001
    events: tuple[tuple[str, str | None, datetime], ...] = (
        ("open", None, yesterday),
        ("open", None, yesterday),
        ("open", "user_agent", yesterday),
        ("open", None, LAST_WEEK),
        ("open", None, tomorrow),
        ("click", None, yesterday),
        ("click", "burst", NOW),
        ("click", "burst", NOW),
        ("click", "too_fast", NOW),
    )
    for number, (event_type, machine_reason, occurred_at) in enumerate(events):
        insert(
            connection,
            "marts.fct_email_events",
            {
                "email_event_id": str(number),
                "profile_id": "ada",
                "event_type": event_type,
                "message_key": str(number),
                "is_human": machine_reason is None,
                "machine_reason": machine_reason,
                "occurred_at": occurred_at,
            },
        )


def add_campaigns(connection: duckdb.DuckDBPyConnection) -> None:
    """Add two campaigns with names that want to be more than text, and one that was not sent."""
    nothing = dict.fromkeys(
        (
            *("sent", "delivered", "bounces", "complaints", "unsubscribes"),
            *("opens_total", "opens_unique", "opens_human_unique"),
            *("clicks_total", "clicks_unique", "clicks_human_unique"),
        ),
        0,
    )
    script = nothing | {"sent": 10, "delivered": 8, "bounces": 2, "complaints": 1}
    script |= {"opens_total": 9, "opens_unique": 6, "opens_human_unique": 2}
    script |= {"clicks_total": 4, "clicks_unique": 3, "clicks_human_unique": 1}
    spring = nothing | {"sent": 4, "opens_total": 1, "opens_unique": 1, "opens_human_unique": 1}
    insert(
        connection,
        "marts.rpt_campaign_performance",
        {"campaign_id": "c1", "name": "<script>alert(1)</script>", "sent_at": NOW, **script},
        {"campaign_id": "c2", "name": "For ada@example.com", "sent_at": LAST_WEEK, **spring},
        {"campaign_id": "c3", "name": "Not sent yet", "sent_at": NOW, **nothing},
    )


def add_delivery(connection: duckdb.DuckDBPyConnection) -> None:
    """Add a delivery of this run with a failure, tried twice, and one of another run."""
    common = {"destination": "file", "as_of": NOW, "at": STARTED}
    this = common | {"run_id": RUN}
    insert(
        connection,
        "reverse_etl.runs",
        this | {"attempt": 1, "status": "failed", "planned": 9, "delivered": 0, "failed": 9},
        this
        | {"attempt": 2, "status": "delivered", "planned": 5, "delivered": 4, "failed": 1}
        | {"pending": 0, "suppressed": 0, "message": "one row was refused"},
        common | {"run_id": "another", "attempt": 1, "status": "delivered", "delivered": 77},
    )
    profile, member = {"kind": "profile"}, {"kind": "segment_member", "segment": "win_back"}
    insert(
        connection,
        "reverse_etl.plans",
        this | profile | {"attempt": 1, "action": "add", "changes": 9},
        this | profile | {"attempt": 2, "action": "add", "changes": 3},
        this | member | {"attempt": 2, "action": "add", "changes": 1},
        this | member | {"attempt": 2, "action": "remove", "changes": 1},
    )
    answer = {"run_id": RUN, "destination": "file", "kind": "profile", "action": "add"}
    insert(
        connection,
        "reverse_etl.receipts",
        answer | {"profile_id": "ada", "outcome": "delivered"},
        answer | {"profile_id": "bo", "outcome": "failed", "reason": "no field for bo@example.com"},
    )
    insert(connection, "reverse_etl.holdouts", {"profile_id": "cy", "segment": "readers"})


def add_verdicts(connection: duckdb.DuckDBPyConnection) -> None:
    """Add verdicts: one door warned, one stopped; of last week's one nothing is to be said."""
    finding = {"judged_at": STARTED, "as_of": NOW, "door": "after_loading"}
    insert(
        connection,
        "raw.door_verdicts",
        finding
        | {"rule": "freshness", "table_name": "orders", "severity": "warn", "passed": False}
        | {"sentence": "the newest order is old."},
        finding
        | {"rule": "column_types", "table_name": "orders", "severity": "stop", "passed": True}
        | {"sentence": "the columns are those of the contract."},
        finding
        | {"door": "before_delivery", "rule": "rejected_opt_outs", "table_name": "consents"}
        | {"severity": "stop", "passed": False, "sentence": "2 opt-outs were left out."},
        finding
        | {"door": "before_scoring", "judged_at": LAST_WEEK, "rule": "one_row_a_profile"}
        | {"table_name": "ftr_churn", "severity": "stop", "passed": True, "sentence": "one row."},
    )


def make_card(target: str = "churn") -> dict[str, Any]:
    """Return a model's card with the parts that a page shows."""
    return {
        "target": target,
        "version": "20260302-abc",
        "predicts": "a profile goes quiet",
        "as_of": "2026-03-02T00:00:00+00:00",
        "test_metrics": {
            "rows": 200,
            "positives": 50,
            "roc_auc": 0.8125,
            "pr_auc": 0.6,
            "log_loss": 0.41,
            "calibration_error": 0.019,
            "calibration_bins": [
                {"rows": 100, "mean_probability": 0.1, "observed_share": 0.125},
                {"rows": 100, "mean_probability": 0.4, "observed_share": 0.375},
            ],
            "deciles": [
                {"top_share": 0.1, "rows": 20, "precision": 0.75, "recall": 0.3, "lift": 3.0}
            ],
        },
        "base_rate": {"log_loss": 0.56},
        "learning_curve": {"training": [0.6, 0.5, 0.4], "validation": [0.62, 0.55, 0.43]},
    }


def make_decision(*, is_promoted: bool, sentence: str) -> dict[str, Any]:
    """Return a decision as ml keeps it."""
    return {
        "decided_at": "2026-03-02T05:00:00+00:00",
        "is_promoted": is_promoted,
        "sentence": sentence,
    }
