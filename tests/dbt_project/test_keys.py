"""The data test of a key, on a table of which each row is wrong or right in its own way."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tests.dbt_project.building import CATALOG, Project

MADE = """
create schema intermediate;
create table intermediate.int_engagements__collapsed
    (profile_key bigint, event_type varchar, message_key varchar, url varchar);
insert into intermediate.int_engagements__collapsed values
    (1, 'open', 'm', null),
    (1, 'click', 'm', 'u'),
    (1, 'click', 'm', null),
    (2, 'click', 'm', 'u'),
"""


def complain(project: Project, folder: Path, *rows: str) -> str:
    """Return what the test says where these rows come on top, empty where nothing."""
    warehouse = folder / f"{CATALOG}.duckdb"
    warehouse.unlink(missing_ok=True)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(MADE + ",\n".join(rows))
    try:
        project.dbt(
            "test", "--select", "int_engagements__collapsed,test_name:key", warehouse=warehouse
        )
    except AssertionError as failed:
        return str(failed).splitlines()[0]
    return ""


def test_a_key_is_nobodys_twice_and_everybodys_once(project: Project, tmp_path: Path) -> None:
    """The url of a click may be null, and two clicks without one on a message are the same."""
    assert complain(project, tmp_path) == ""
    assert "Got 1 result," in complain(project, tmp_path, "(2, 'click', 'm', 'u')")
    assert "Got 2 results," in complain(
        project, tmp_path, "(1, 'click', 'm', null)", "(1, 'open', 'm', null)"
    )
    assert "Got 1 result," in complain(project, tmp_path, "(null, 'open', 'n', null)")
    assert "Got 2 results," in complain(
        project, tmp_path, "(3, 'open', null, null)", "(3, null, 'm', 'u')"
    )
