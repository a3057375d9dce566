"""One invocation of dbt in the process of the run, told as it goes."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from pydantic import PrivateAttr

from orchestration.resources import ROOT

_LOOKS_AGAIN_AFTER_SECONDS = 0.1


class DbtError(RuntimeError):
    """A model could not be built, or did not pass its tests; the message is all that dbt said."""


class Dbt(dg.ConfigurableResource):  # type: ignore[type-arg]
    """dbt within the process of a run: it is imported and reads the project once for all steps.

    A process of its own, as dagster-dbt starts one, costs seconds a step on any amount of data.
    """

    _manifest: Any = PrivateAttr(default=None)

    def build(
        self, context: dg.AssetExecutionContext, arguments: Sequence[str], target: Path
    ) -> Iterator[Any]:
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
            errors = []
            with contextlib.closing(_invoke(self._manifest, selection, target)) as messages:
                for message in messages:
                    if message["info"]["level"] == "error":
                        errors.append(message["info"]["msg"])
                    yield from DbtCoreCliEventMessage(
                        raw_event=message, event_history_metadata={}
                    ).to_default_asset_events(
                        manifest=chosen.manifest,
                        dagster_dbt_translator=chosen.dagster_dbt_translator,
                        context=context,
                        target_path=target,
                    )
        if errors:
            raise DbtError("\n".join(errors))


def _parse(target: Path) -> Any:
    """Return dbt's own manifest of the project, for the warehouse that the environment names.

    What dbt has read before it keeps in the project's target folder, for the next run.
    """
    from dbt.cli.main import dbtRunner

    parsed = dbtRunner().invoke(["--quiet", "parse", "--no-write-json", *_places(log=target)])
    if not parsed.success:
        raise DbtError(str(parsed.exception))
    return parsed.result


def _invoke(manifest: Any, arguments: Sequence[str], target: Path) -> Iterator[dict[str, Any]]:
    """Run dbt in a thread of its own and yield its results and errors as structured messages."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner
    from dbt_common.events.functions import msg_to_dict

    # None is the end.
    messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    is_unwanted = threading.Event()

    def hear(event: Any) -> None:
        if event.info.name.endswith("Result") or event.info.level == "error":
            messages.put(msg_to_dict(event))
        # Raised in the thread of a node before it does anything, it fails that node alone; those
        # behind it dbt then skips. So dbt comes to its regular end at once.
        if event.info.name == "LogStartLine" and is_unwanted.is_set():
            raise RuntimeError("the run was interrupted")

    def run() -> None:
        try:
            dbtRunner(manifest, callbacks=[hear]).invoke(
                [*arguments, *_places(log=target), "--target-path", str(target)]
            )
        finally:
            # Or nobody else could open the file.
            DuckDBConnectionManager.close_all_connections()
            messages.put(None)

    thread = threading.Thread(target=run, name="dbt")
    thread.start()
    try:
        while (message := messages.get()) is not None:
            yield message
    except BaseException:
        is_unwanted.set()
        while thread.is_alive():
            _cancel_queries()
            thread.join(_LOOKS_AGAIN_AFTER_SECONDS)
        raise
    thread.join()


def _cancel_queries() -> None:
    """Interrupt the queries that dbt has running."""
    from dbt.adapters.factory import FACTORY

    for adapter in list(FACTORY.adapters.values()):
        adapter.cancel_open_connections()


def _places(*, log: Path) -> list[str]:
    return ["--project-dir", str(ROOT), "--profiles-dir", str(ROOT), "--log-path", str(log)]
