"""Hand the secret key of the profile ids to dbt's connections to the embedded warehouse.

dbt-duckdb loads this module because `profiles.yml` names it. The key becomes a variable of each
connection, so that it stands in no compiled SQL, no log and no artefact.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection

from orchestration.resources import read_run_process
from orchestration.secret_key import check_key, read_key


class Plugin(BasePlugin):
    """Set `mailmart_profile_key` on every cursor that dbt opens."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Build no longer than the run lasts that wants it."""
        end_with_the_run()

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Refuse a warehouse that was built with another key, whoever started dbt."""
        check_key(conn)

    def configure_cursor(self, cursor: DuckDBPyConnection) -> None:
        """Set the variable on one cursor; variables live as long as it does."""
        cursor.execute("set variable mailmart_profile_key = ?", [read_key()])


def end_with_the_run() -> None:
    """Let this process end when the run that started it dies, or it would go on writing.

    Does nothing in a process that no run has started.
    """
    run = read_run_process()
    if run is None or run == os.getpid():
        return

    def watch() -> None:
        while os.getppid() == run:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, name="end with the run", daemon=True).start()
