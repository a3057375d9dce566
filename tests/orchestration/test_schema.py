"""Tables that an older version made are told apart before they fail a run."""

from __future__ import annotations

import duckdb
import pytest

from ml import scores
from orchestration.database import WarehouseError
from orchestration.schema import check_columns
from reverse_etl import ledger


def test_a_new_warehouse_and_one_of_today_are_well() -> None:
    with duckdb.connect() as connection:
        check_columns(connection)
        ledger.prepare(connection)
        scores.prepare(connection)
        check_columns(connection)


def test_missing_columns_are_named_with_the_statements_that_add_them() -> None:
    with duckdb.connect() as connection:
        ledger.prepare(connection)
        scores.prepare(connection)
        connection.execute("alter table reverse_etl.runs drop tier_mix")
        connection.execute("alter table ml.scores drop reasons")

        with pytest.raises(WarehouseError) as refused:
            check_columns(connection)

        said = str(refused.value)
        assert "without ml.scores.reasons, reverse_etl.runs.tier_mix" in said
        connection.execute(said[said.index("(") + 1 : said.rindex(")")].removeprefix("in DuckDB "))
        check_columns(connection)
