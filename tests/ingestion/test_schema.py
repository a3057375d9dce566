"""Schema raw is made, brought up, or refused in words."""

from datetime import timedelta

import duckdb
import pytest

from ingestion.contract import LOADED_FILES, REJECTED_ROWS, ROW_ORIGIN, SCHEMA_VERSION, TABLES
from ingestion.schema import SchemaMismatch, prepare
from tests.ingestion.conftest import ADA, CONSENTS_HEADER, LOADED_AT, World


def test_a_new_warehouse_gets_every_table_in_the_contracts_order() -> None:
    connection = duckdb.connect()
    prepare(connection)
    for table in TABLES.values():
        described = connection.execute(f"describe raw.{table.name}").fetchall()
        columns = (*table.columns, *ROW_ORIGIN)
        assert [row[:2] for row in described] == [(c.name, c.sql_type) for c in columns]
    for table in (LOADED_FILES, REJECTED_ROWS):
        described = connection.execute(f"describe raw.{table.name}").fetchall()
        assert [row[:2] for row in described] == [(c.name, c.sql_type) for c in table.columns]
    assert connection.execute("from raw.schema_version").fetchall() == [(SCHEMA_VERSION,)]


def test_preparing_twice_changes_nothing(world: World) -> None:
    world.write("consents/a.csv", CONSENTS_HEADER + ADA)
    world.load()
    before = world.rows("from duckdb_columns() select schema_name, table_name, column_name")
    prepare(world.warehouse)
    assert world.rows("from duckdb_columns() select schema_name, table_name, column_name") == before
    assert world.column("select email from raw.consents") == ["ada@example.com"]


def test_an_older_table_gets_the_columns_that_it_lacks_and_keeps_its_rows(world: World) -> None:
    world.warehouse.execute("create schema raw")
    world.warehouse.execute(
        "create table raw.consents (recorded_at timestamp, email varchar, _fivetran_id bigint)"
    )
    world.warehouse.execute("insert into raw.consents values ('2020-01-01', 'bo@example.com', 7)")
    world.write("consents/a.csv", CONSENTS_HEADER + ADA)
    world.load()
    assert world.rows("select email, status, _fivetran_id from raw.consents order by 1") == [
        ("ada@example.com", "granted", None),
        ("bo@example.com", None, 7),
    ]


def test_a_ledger_of_the_first_version_learns_which_files_are_gone(world: World) -> None:
    file = world.write("consents/a.csv", "email\n")
    world.load()
    world.warehouse.execute("alter table raw.loaded_files drop column gone_at")
    world.warehouse.execute("update raw.schema_version set version = 1")
    file.unlink()
    world.load(LOADED_AT + timedelta(days=1))
    assert world.rows("select status, gone_at from raw.loaded_files") == [
        ("rejected", LOADED_AT + timedelta(days=1))
    ]
    assert world.column("from raw.schema_version") == [SCHEMA_VERSION]


OPT_OUT = ADA.replace("granted", "withdrawn")


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            "alter table raw.consents drop column expires_at",
            r"raw\.consents has lost the column expires_at, though files were loaded into it; "
            "restore the warehouse from a backup, or name a new file with --warehouse",
        ),
        ("alter table raw.consents drop column _file", r"raw\.consents has lost the column _file"),
        ("drop table raw.consents", r"raw\.consents is gone, though files were loaded into it"),
        ("drop table raw.rejected_rows", r"raw\.rejected_rows is gone"),
        ("alter table raw.rejected_rows drop column reason", r"has lost the column reason"),
        ("drop table raw.loaded_files", r"raw\.loaded_files is gone, though rows of files are in"),
        ("alter table raw.loaded_files drop column status", r"has lost the column status"),
        (
            "drop table raw.schema_version; drop table raw.consents",
            r"raw\.consents is gone",
        ),
    ],
)
def test_what_files_were_loaded_into_does_not_come_back_empty(
    world: World, loss: str, message: str
) -> None:
    world.write("consents/a.csv", CONSENTS_HEADER + OPT_OUT + "bo@example.com,profiling,?,2024\n")
    world.load()
    world.warehouse.execute(loss)
    tables = world.rows("select table_name, column_name from duckdb_columns() order by all")

    with pytest.raises(SchemaMismatch, match=message):
        world.load(LOADED_AT + timedelta(days=1))

    assert world.rows("select table_name, column_name from duckdb_columns() order by all") == tables


def test_what_no_file_was_loaded_into_is_made_again(world: World) -> None:
    world.write("consents/a.csv", CONSENTS_HEADER + OPT_OUT)
    world.load()
    world.warehouse.execute("alter table raw.orders drop column currency")
    world.warehouse.execute("drop table raw.products; drop table raw.rejected_rows")

    assert not world.load(LOADED_AT + timedelta(days=1)).problems

    assert world.column("select count(currency) from raw.orders") == [0]
    assert world.column("select count(*) from raw.rejected_rows") == [0]
    assert world.column("select count(*) from raw.consents") == [1]


def test_a_column_of_another_type_is_named_with_a_way_out_and_nothing_is_made() -> None:
    connection = duckdb.connect()
    connection.execute("create schema raw; create table raw.orders (total_amount varchar)")
    with pytest.raises(SchemaMismatch, match=r"raw\.orders\.total_amount is VARCHAR and should"):
        prepare(connection)
    tables = connection.execute("select table_name from duckdb_tables()").fetchall()
    assert tables == [("orders",)]


def test_a_view_in_the_place_of_a_table_is_refused() -> None:
    connection = duckdb.connect()
    connection.execute("create schema raw; create view raw.orders as select 1 as order_id")
    with pytest.raises(SchemaMismatch, match=r"raw\.orders is a view"):
        prepare(connection)


def test_a_strange_column_that_must_be_filled_is_refused() -> None:
    connection = duckdb.connect()
    connection.execute("create schema raw; create table raw.orders (batch bigint not null)")
    with pytest.raises(SchemaMismatch, match=r"raw\.orders has a column batch"):
        prepare(connection)


def test_a_warehouse_of_a_newer_version_is_refused() -> None:
    connection = duckdb.connect()
    prepare(connection)
    connection.execute("update raw.schema_version set version = version + 1")
    with pytest.raises(SchemaMismatch, match="upgrade mailmart"):
        prepare(connection)
