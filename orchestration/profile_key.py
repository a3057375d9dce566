"""Hand the secret key of the profile ids to dbt's connections to the embedded warehouse.

dbt-duckdb loads this module because `profiles.yml` names it. The key becomes a variable of each
connection, so that it stands in no compiled SQL, no log and no artefact.
"""

from __future__ import annotations

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection

from orchestration.secret_key import check_key, read_key


class Plugin(BasePlugin):
    """Set `mailmart_profile_key` on every cursor that dbt opens."""

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Refuse a warehouse that was built with another key, whoever started dbt."""
        check_key(conn)

    def configure_cursor(self, cursor: DuckDBPyConnection) -> None:
        """Set the variable on one cursor; variables live as long as it does."""
        cursor.execute("set variable mailmart_profile_key = ?", [read_key()])
