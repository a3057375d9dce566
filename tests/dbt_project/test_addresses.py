"""An address is the same to the models, and to the erasure that cleans what they read."""

from __future__ import annotations

from datetime import datetime

import duckdb

from ingestion.erasure import is_valid, normalise
from ingestion.schema import prepare
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
    with project.world() as connection:
        prepare(connection)
        connection.executemany(
            "insert into raw.web_events (event_type, occurred_at, email, _loaded_at)"
            " values ('page_view', '2025-01-01', ?, '2025-01-01')",
            [[address] for address in WRITTEN],
        )
        as_of = datetime.fromisoformat("2026-01-01")
        project.build(connection, as_of, wanted=["int_addresses__normalised"])
        by_the_models = connection.execute(
            "select written_email, email, is_valid from intermediate.int_addresses__normalised"
        ).fetchall()
        by_erasure = connection.execute(
            f"select distinct email, {normalise('email')}, {is_valid(normalise('email'))}"
            " from raw.web_events"
        ).fetchall()

    assert sorted(by_erasure) == sorted(by_the_models)
    assert sorted(address for _, address, is_valid in by_erasure if is_valid) == sorted(
        [
            *("ada@x.example", "ada@x.example", "ada@x.example", "ada@x.example", "a@b.c"),
            # One dot inside the domain is enough, whatever stands behind it.
            *("a@b.c.", f"{'a' * 250}@b.c", "-@b.c", "a@b..c", "a@b.c"),
        ]
    )


def test_a_column_with_addresses_says_so_by_its_name(connection: duckdb.DuckDBPyConnection) -> None:
    """Who is erased is deleted by these names, before anything is built anew."""
    columns = connection.execute(
        """
        select format('"{}"."{}"', schema_name, table_name), column_name
        from duckdb_columns() inner join duckdb_tables() using (schema_name, table_name)
        where data_type = 'VARCHAR' and schema_name in ('intermediate', 'marts', 'sync')
        order by all
        """
    ).fetchall()
    naming = {
        (table, column)
        for table, column in columns
        if connection.execute(
            f"select 1 from {table} where regexp_matches(\"{column}\", '^[^ ]+@[^ ]+$') limit 1"
        ).fetchone()
    }

    assert ('"intermediate"."int_addresses__written"', "written_email") in naming
    assert [found for found in naming if not found[1].endswith("email")] == []
