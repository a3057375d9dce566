"""The report of a run: what it came to, on one page for people."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import reports
from ml.churn import CHURN
from ml.open_propensity import OPEN_PROPENSITY
from ml.registry import CARD, Registry
from orchestration import data_docs
from orchestration.failures import Failure
from orchestration.resources import DATA_DOCS, REPORTS
from orchestration.warehouse import Warehouse


def write_report(warehouse: Warehouse, failures: Iterable[Failure] = ()) -> Path:
    """Write the page of a run as far as it has come, and return its path."""
    with warehouse.connect() as connection:
        page = reports.write(
            connection,
            REPORTS,
            run_id=warehouse.run_id,
            started_at=warehouse.started_at,
            written_at=datetime.now(UTC).replace(tzinfo=None),
            models=[read_model(Registry(warehouse.models), each.name) for each in _TARGETS],
            failures=[failure.sentence for failure in failures],
            data_docs=data_docs.find(
                DATA_DOCS, started_at=warehouse.started_at, run_id=warehouse.run_id
            ),
        )
    data_docs.prune(REPORTS)
    return page


def find_report(run_id: str) -> Path | None:
    """Return the page of a run, or None where it came to none."""
    return next(REPORTS.glob(f"*-{run_id}/index.html"), None)


def read_model(registry: Registry, target: str) -> reports.Model:
    """Return what the page tells of the model of a target: its card, without the model itself."""
    version = registry.champion_version(target)
    card = registry.folder / target / (version or "") / CARD
    return reports.Model(
        target,
        json.loads(card.read_text(encoding="utf-8")) if version else None,
        registry.decisions(target),
    )


_TARGETS = (CHURN, OPEN_PROPENSITY)
