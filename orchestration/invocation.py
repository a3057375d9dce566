"""One invocation of dbt in the process of the run, told as it goes."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from pydantic import PrivateAttr

from orchestration.manifest import MANIFEST
from orchestration.resources import ROOT

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.base_types import EventMsg

_LOOKS_AGAIN_AFTER_SECONDS = 0.1


class DbtError(RuntimeError):
    """A model could not be built, or did not pass its tests; the message is all that dbt said."""

    @property
    def first(self) -> str:
        """What dbt said of the first model or test that failed."""
        lines = [line.strip() for line in str(self).splitlines() if line.strip()]
        failure = next((i for i, line in enumerate(lines) if line.startswith("Failure in")), 0)
        return " ".join(lines[failure : failure + 3])


class Dbt(dg.ConfigurableResource):  # type: ignore[type-arg]
    """dbt within the process of a run: it is imported and reads the project once for all steps.

    A process of its own, as dagster-dbt starts one, costs seconds a step on any amount of data.
    """

    # Of dbt's own type, which takes long to import.
    _manifest: Any = PrivateAttr(default=None)

    def build(
        self, context: dg.AssetExecutionContext, arguments: Sequence[str], target: Path
    ) -> Generator[Any, None, None]:
        """Build what the step selects, and yield Dagster's events of each model and test.

        Artefacts and dbt's own log go into the folder `target`. Whoever closes the iterator before
        its end waits until dbt has let go of the warehouse. Raises `DbtError`.
        """
        chosen = get_updated_cli_invocation_params_for_context(
            context=context, manifest={}, dagster_dbt_translator=DagsterDbtTranslator()
        )
        # dbt makes the project's folder that of the process.
        with contextlib.chdir(ROOT):
            if self._manifest is None:
                self._manifest = _parse(target)
            selection = [*arguments, *chosen.selection_args]
            if chosen.indirect_selection:
                selection += ["--indirect-selection", chosen.indirect_selection]
            with contextlib.closing(_invoke(self._manifest, selection, target)) as messages:
                for message in messages:
                    yield from DbtCoreCliEventMessage(
                        raw_event=message, event_history_metadata={}
                    ).to_default_asset_events(
                        manifest=chosen.manifest,
                        dagster_dbt_translator=chosen.dagster_dbt_translator,
                        context=context,
                    )


def _parse(target: Path) -> Manifest:
    """Return dbt's own manifest of the project, for the warehouse that the environment names.

    What dbt has read before it keeps for the next run, where the definitions keep theirs.
    """
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest

    keeps = ["--no-write-json", "--target-path", str(MANIFEST.parent)]
    parsed = dbtRunner().invoke(["--quiet", "parse", *keeps, *_places(log=target)])
    if not isinstance(parsed.result, Manifest):
        raise DbtError(str(parsed.exception))
    return parsed.result


def _invoke(
    manifest: Manifest, arguments: Sequence[str], target: Path
) -> Generator[dict[str, Any], None, None]:
    """Run dbt in a thread of its own and yield what it tells of each model and test.

    Raises `DbtError` at the end where it did not succeed.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner, dbtRunnerResult
    from dbt_common.events.functions import msg_to_dict

    # None is the end.
    messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    is_unwanted = threading.Event()
    errors: list[str] = []
    ended: list[dbtRunnerResult] = []

    def hear(event: EventMsg) -> None:
        if event.info.level == "error":
            errors.append(msg_to_dict(event)["info"]["msg"])
        if event.info.name.endswith("Result"):
            messages.put(msg_to_dict(event))
        # Raised in the thread of a node before it does anything, it fails that node alone; those
        # behind it dbt then skips. So dbt comes to its regular end at once.
        if event.info.name == "LogStartLine" and is_unwanted.is_set():
            raise RuntimeError("the run was interrupted")

    def run() -> None:
        try:
            ended.append(
                dbtRunner(manifest, callbacks=[hear]).invoke(
                    [
                        *arguments,
                        *_places(log=target),
                        *("--target-path", str(target)),
                        # What is told of each node goes to Dagster; in full it is a second log that
                        # costs a small run a twentieth of its time.
                        *("--log-level-file", "info", "--no-write-json"),
                    ]
                )
            )
        finally:
            try:
                # It stays open between the models, and nobody else could open the file.
                DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
            finally:
                messages.put(None)

    thread = threading.Thread(target=run, name="dbt")
    thread.start()
    try:
        while (message := messages.get()) is not None:
            yield message
    except BaseException:
        is_unwanted.set()
        with _deaf_to_interrupts():
            while thread.is_alive():
                # A query may be over, and its connection closed, when it is to be cancelled.
                with contextlib.suppress(duckdb.Error):
                    _cancel_queries()
                thread.join(_LOOKS_AGAIN_AFTER_SECONDS)
        raise
    thread.join()
    if not any(result.success for result in ended):
        reasons = errors or [str(result.exception) for result in ended]
        raise DbtError("\n".join(reasons) or "dbt broke off without a word")


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let Ctrl-C do nothing for a while: whoever presses it again wants the end, which is near."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _cancel_queries() -> None:
    """Interrupt the queries that dbt has running."""
    from dbt.adapters.factory import FACTORY
    from dbt.adapters.sql.impl import SQLAdapter

    for adapter in list(FACTORY.adapters.values()):
        if isinstance(adapter, SQLAdapter):
            adapter.cancel_open_connections()  # type: ignore[no-untyped-call]


def _places(*, log: Path) -> list[str]:
    return [
        *("--project-dir", str(ROOT)),
        *("--profiles-dir", str(ROOT)),
        *("--log-path", str(log)),
        "--no-use-colors",
    ]
