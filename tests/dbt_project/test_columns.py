"""What the yml says of the columns is what is built, both ways and in order."""

from __future__ import annotations

import duckdb

from ingestion.contract import ROW_ORIGIN, TABLES
from tests.dbt_project.building import Project


def built_columns(
    connection: duckdb.DuckDBPyConnection, schema: str, name: str
) -> list[tuple[str, str]]:
    return connection.execute(
        "select column_name, lower(data_type) from information_schema.columns"
        " where table_schema = ? and table_name = ? order by ordinal_position",
        [schema, name],
    ).fetchall()


def test_the_yml_names_the_columns_of_every_model_in_order(
    project: Project, connection: duckdb.DuckDBPyConnection
) -> None:
    described = {name: list(model.columns) for name, model in project.models.items()}

    assert described == {
        name: [column for column, _ in built_columns(connection, model.schema, model.alias)]
        for name, model in project.models.items()
    }


def test_the_yml_names_the_columns_of_every_seed_in_order(
    project: Project, connection: duckdb.DuckDBPyConnection
) -> None:
    assert {name: list(seed.columns) for name, seed in project.seeds.items()} == {
        name: [column for column, _ in built_columns(connection, seed.schema, seed.alias)]
        for name, seed in project.seeds.items()
    }


def test_contracts_name_the_types_that_are_built(
    project: Project, connection: duckdb.DuckDBPyConnection
) -> None:
    public = {n: m for n, m in project.models.items() if m.config.contract.enforced}

    assert public
    assert {
        name: [(column.name, column.data_type) for column in model.columns.values()]
        for name, model in public.items()
    } == {
        name: [
            (column, data_type.replace(" with time zone", "tz"))
            for column, data_type in built_columns(connection, model.schema, model.alias)
        ]
        for name, model in public.items()
    }


def test_raw_sources_are_the_raw_contract(project: Project) -> None:
    assert {
        name: {column.name: column.data_type for column in source.columns.values()}
        for name, source in project.raw_sources.items()
    } == {
        name: {column.name: column.sql_type.lower() for column in (*table.columns, *ROW_ORIGIN)}
        for name, table in TABLES.items()
    }


def test_what_is_scored_has_the_features_of_the_examples(project: Project) -> None:
    examples = list(project.models["ftr_open_propensity"].columns)
    scored = list(project.models["ftr_open_propensity_now"].columns)

    assert [name for name in examples if name not in {"message_id", "sent_at", "is_opened"}] == [
        name for name in scored if name != "scored_at"
    ]
