"""The warehouse of a run, handed to its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import duckdb
from pydantic import Field, PrivateAttr

from orchestration.database import name_models_folder, open_warehouse
from orchestration.forgetting import needs_rewrite, rewrite_if_due
from orchestration.history import name_process
from orchestration.lock import hold
from orchestration.publication import publish_without_erased
from orchestration.release import read_version
from orchestration.resources import (
    find_landing,
    find_outbox,
    find_warehouse,
    parse_instant,
    read_as_of,
    refuse_future,
    tell_dbt,
)
from orchestration.secret_key import keep_key


class Warehouse(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The warehouse of a run, and what the run is about. One run at a time holds it."""

    path: str = Field(default_factory=lambda: str(find_warehouse()), description="DuckDB file")
    landing: str = Field(default_factory=lambda: str(find_landing()), description="landing folder")
    outbox: str = Field(default_factory=lambda: str(find_outbox()), description="outbox folder")
    as_of: str | None = Field(
        default_factory=read_as_of,
        description="the instant of which the marts speak, ISO 8601; none: the start of the run",
    )
    full_refresh: bool = Field(default=False, description="build all tables from nothing")

    _started_at: datetime = PrivateAttr()
    _as_of: datetime = PrivateAttr()
    _run_id: str = PrivateAttr()
    _at_end: ExitStack = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Warehouse]:
        """Hold the warehouse for the run, and tell dbt what it is about."""
        self._run_id = context.run.run_id if context.run else "none"
        with hold(self.file):
            if context.run and context.instance:
                name_process(context.instance, self._run_id)
            # Taken once nobody else writes: what this run loads carries this time and is older than
            # no build of another run, though this one may have waited long in Dagster's queue.
            self._started_at = datetime.now(UTC).replace(tzinfo=None)
            self._as_of = parse_instant(self.as_of) if self.as_of else self._started_at
            refuse_future(self._as_of, self._started_at)
            tell_dbt(
                self.file,
                as_of=self._as_of,
                started_at=self._started_at,
                code_version=read_version(),
            )
            with self.connect() as connection:
                keep_key(connection)
            with ExitStack() as self._at_end:
                # The last thing of all: what else is done at the end may still read the file.
                self._at_end.callback(self._end_erasure, context)
                yield self

    def _end_erasure(self, context: dg.InitResourceContext) -> None:
        """Leave no publication and no freed block with what was erased, by this run or one before.

        Where that fails it stays due.
        """
        try:
            with self.connect() as connection:
                is_due = needs_rewrite(connection)
            if is_due:
                publish_without_erased(self.file, self.started_at)
            rewrite_if_due(self.file)
        except (duckdb.Error, OSError) as error:
            if context.log is not None:
                context.log.error(f"the erased may still be named beside the tables: {error}")

    @property
    def file(self) -> Path:
        """The DuckDB file."""
        return Path(self.path).absolute()

    @property
    def models(self) -> Path:
        """Where the models trained on this warehouse are kept, beside it."""
        return name_models_folder(self.file)

    @property
    def started_at(self) -> datetime:
        """When the run got hold of the warehouse, naive UTC: the time of its loads and builds."""
        return self._started_at

    @property
    def instant(self) -> datetime:
        """The `as_of` of the run, naive UTC."""
        return self._as_of

    @property
    def run_id(self) -> str:
        """Dagster's id of the run."""
        return self._run_id

    def call_at_end(self, function: Callable[..., None], *arguments: object) -> None:
        """Call a function when the run is over, however it ends, while it still holds the file."""
        self._at_end.callback(function, *arguments)

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the warehouse for one step; dbt needs it closed again."""
        connection = open_warehouse(self.file)
        try:
            yield connection
        finally:
            connection.close()
