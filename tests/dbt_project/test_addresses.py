"""An address is the same to the models, and to the erasure that cleans what they read."""

from __future__ import annotations

from datetime import datetime

from ingestion.contract import TABLES
from ingestion.erasure import is_valid, normalise
from tests.dbt_project.building import Project

WRITTEN = [
    *(
        "Ada@x.example",
        " ada@x.example",
        "ada@x.example\t",
        "\x0bada@x.example\x0c",
        "\xa0a@b.c\xa0",
    ),
    *(
        "",
        " ",
        "a",
        "a@b",
        "a@@b.c",
        "a@b.c.",
        "a@.b",
        "a b@c.d",
        "ü@x.example",
        "\u212a@x.example",
    ),
    *("a@b.c\u2003", "\u2003a@b.c", "İ@x.example", f"{'a' * 250}@b.c", f"{'a' * 251}@b.c"),
    *("-@b.c", "a@b..c", "a\n@b.c", "\r\na@b.c", "\x1fa@b.c", "a@b.c\x7f"),
]


def test_addresses_are_normalised_and_judged_alike(project: Project) -> None:
    columns = ", ".join(f'"{c.name}" {c.sql_type}' for c in TABLES["web_events"].columns)
    with project.world() as connection:
        connection.execute("create schema raw")
        connection.execute(f"create table raw.web_events ({columns}, _loaded_at timestamp)")
        connection.executemany(
            "insert into raw.web_events (event_id, email) values (?, ?)",
            [[f"{number:02}", address] for number, address in enumerate(WRITTEN)],
        )
        project.build(connection, datetime.fromisoformat("2026-01-01"), wanted=["stg_web__events"])
        by_the_models = connection.execute(
            "select email from staging.stg_web__events order by event_id"
        ).fetchall()
        by_erasure = connection.execute(
            f"""
            select case when {is_valid(normalise("email"))} then {normalise("email")} end
            from raw.web_events order by event_id
            """
        ).fetchall()

    assert by_erasure == by_the_models
    assert [address for (address,) in by_erasure if address] == [
        *("ada@x.example", "ada@x.example", "ada@x.example", "ada@x.example", "a@b.c"),
        # One dot inside the domain is enough, whatever stands behind it.
        *("a@b.c.", f"{'a' * 250}@b.c", "-@b.c", "a@b..c", "a@b.c"),
    ]
