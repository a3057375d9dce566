"""The gate: Great Expectations judges the figures of a door; beside `pages` nothing imports it.

Figures are measured in the database by SQL, one per rule and table, and arrive here as measures;
Great Expectations gets them as a small frame and decides. So a verdict over fifty million events
costs what the SQL costs. This module knows no door and no table.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationSuiteValidationResult

Severity = Literal["warn", "stop"]

# The column of the frame that names the table.
_TABLE: Final = "table"

# An address may stand in a file's name or in a value that slipped into another column.
_ADDRESS: Final = re.compile(r"[^\s/@]+@[^\s/@]+")


class GateError(RuntimeError):
    """Great Expectations could not judge a measure; that is no verdict, neither good nor bad."""


@dataclass(frozen=True)
class Measure:
    """One figure of a batch beside its bound.

    `fact` says what was measured, as a clause; `way_out` what to do when the bound is broken.
    A measure without an observed value, or with `is_judged` false, always passes: there is
    nothing to judge, or too little.
    """

    rule: str
    table: str
    severity: Severity
    observed: float | None
    fact: str
    way_out: str
    at_most: float | None = None
    at_least: float | None = None
    is_judged: bool = True


@dataclass(frozen=True)
class Finding:
    """What a door says about one rule and one table; passed rules have their finding too."""

    rule: str
    table: str
    severity: Severity
    passed: bool
    observed: float | None
    threshold: float | None
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """The judgement of one batch at one door. Times are UTC without a zone.

    `figures` are what later judgements compare theirs with, by name. `validation` is what Great
    Expectations answered; None where nothing was measured.
    """

    door: str
    findings: tuple[Finding, ...]
    as_of: datetime
    judged_at: datetime
    figures: Mapping[str, float] = field(default_factory=dict)
    validation: ExpectationSuiteValidationResult | None = field(
        default=None, repr=False, compare=False
    )

    @property
    def stops(self) -> tuple[Finding, ...]:
        """Return the findings that stop the line."""
        return tuple(f for f in self.findings if f.severity == "stop" and not f.passed)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Return the findings that warn, without those of which a stop says the same."""
        stopped = {(f.rule, f.table) for f in self.stops}
        return tuple(
            f
            for f in self.findings
            if f.severity == "warn" and not f.passed and (f.rule, f.table) not in stopped
        )

    @property
    def stopped(self) -> bool:
        """Tell whether nothing may go through."""
        return bool(self.stops)

    @property
    def sentence(self) -> str:
        """Return the verdict in one sentence, fit to be the last line of a command."""
        door = f"the door {self.door}"
        if self.stops:
            first = self.stops[0]
            others = len(self.stops) - 1
            more = f" ({others} more in raw.door_verdicts)" if others else ""
            text = first.sentence.removesuffix(".")
            return f"{door} stopped the batch: {first.rule}: {text}{more}."
        warned = f", {len(self.warnings)} with a warning" if self.warnings else ""
        return f"{door} let the batch through: rules judged: {len(self.findings)}{warned}."


def judge(
    door: str,
    measures: Sequence[Measure],
    *,
    as_of: datetime,
    judged_at: datetime,
    figures: Mapping[str, float] | None = None,
) -> Verdict:
    """Let Great Expectations judge the measures of one door.

    Returns a verdict with one finding per measure, in the same order, and the figures. Raises
    GateError when a measure could not be judged, so that a broken judge never passes for a good
    batch.
    """
    for measure in measures:
        # Great Expectations takes a NaN for a missing value, and so for a good one.
        if measure.observed is not None and not math.isfinite(measure.observed):
            raise GateError(f"{measure.rule} of {measure.table} measured {measure.observed}")
    keys = {(measure.table, _name_expectation(measure)) for measure in measures}
    if len(keys) < len(measures):
        raise GateError(f"the door {door} measures one rule of one table twice")
    validation = _validate(door, measures, judged_at) if measures else None
    broken = _read_broken(validation) if validation else {}
    missing = sorted({_name_expectation(measure) for measure in measures} - broken.keys())
    if missing:
        raise GateError(f"Great Expectations gave no result for {', '.join(missing)}")
    passed = [measure.table not in broken[_name_expectation(measure)] for measure in measures]
    findings = tuple(
        Finding(
            rule=measure.rule,
            table=measure.table,
            severity=measure.severity,
            passed=has_passed,
            observed=measure.observed,
            threshold=measure.at_least if measure.at_most is None else measure.at_most,
            sentence=_tell(measure, has_passed),
        )
        for measure, has_passed in zip(measures, passed, strict=True)
    )
    return Verdict(
        door=door,
        findings=findings,
        as_of=as_of,
        judged_at=judged_at,
        figures=dict(figures or {}),
        validation=validation,
    )


def without_addresses(text: str) -> str:
    """Return the text with everything that looks like an e-mail address blotted out."""
    return _ADDRESS.sub("***", text)


def _tell(measure: Measure, has_passed: bool) -> str:
    text = measure.fact if has_passed else f"{measure.fact}; {measure.way_out}"
    return without_addresses(f"{text}.")


def _name_expectation(measure: Measure) -> str:
    """Name what Great Expectations is asked to expect; measures of one rule share it."""
    bounds = [f"at least {measure.at_least}"] if measure.at_least is not None else []
    bounds += [f"at most {measure.at_most}"] if measure.at_most is not None else []
    return f"{measure.rule} {' and '.join(bounds)} ({measure.severity})"


def _build_frame(measures: Sequence[Measure]) -> pd.DataFrame:
    """Return one row per table and one column per expectation; a null is nothing to judge."""
    import pandas as pd

    names = dict.fromkeys(_name_expectation(measure) for measure in measures)
    tables = list(dict.fromkeys(measure.table for measure in measures))
    frame = pd.DataFrame({name: pd.Series(index=tables, dtype="float64") for name in names})
    for measure in measures:
        if measure.is_judged and measure.observed is not None:
            frame.loc[measure.table, _name_expectation(measure)] = measure.observed
    frame.insert(0, _TABLE, tables)
    return frame


def _validate(
    door: str, measures: Sequence[Measure], judged_at: datetime
) -> ExpectationSuiteValidationResult:
    """Have the frame of the measures validated by a suite of one expectation per column."""
    # Lazily: the import takes seconds, and most commands never come to a door.
    import great_expectations as gx
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )
    from great_expectations.expectations.core.expect_column_values_to_be_between import (
        ExpectColumnValuesToBeBetween,
    )
    from great_expectations.expectations.metadata_types import FailureSeverity

    # It tells of every batch and store on its way; what it has to say to us is in the results.
    logging.getLogger("great_expectations").setLevel(logging.ERROR)

    severities = {"stop": FailureSeverity.CRITICAL, "warn": FailureSeverity.WARNING}
    by_name = {_name_expectation(measure): measure for measure in measures}
    expectations = [
        ExpectColumnValuesToBeBetween(
            column=name,
            min_value=measure.at_least,
            max_value=measure.at_most,
            severity=severities[measure.severity],
        )
        for name, measure in by_name.items()
    ]
    # The defaults in memory, without the site in a temporary folder that comes with no config.
    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False),
        ),
    )
    batch = (
        context.data_sources.add_pandas("measures")
        .add_dataframe_asset("batch")
        .add_batch_definition_whole_dataframe("whole")
    )
    suite = context.suites.add(gx.ExpectationSuite(name=door, expectations=expectations))
    return gx.ValidationDefinition(name=door, data=batch, suite=suite).run(
        batch_parameters={"dataframe": _build_frame(measures)},
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": [_TABLE],
            "return_unexpected_index_query": False,
        },
        run_id=RunIdentifier(run_name=door, run_time=judged_at.replace(tzinfo=UTC)),
    )


def _read_broken(validation: ExpectationSuiteValidationResult) -> dict[str, set[str]]:
    """Return the tables that break each expectation, by its name.

    Results may come in another order than the expectations; the column tells which is which.
    """
    broken: dict[str, set[str]] = {}
    for result in validation.results:
        config = result.expectation_config
        name = str(config.kwargs["column"]) if config else "a measure"
        rows = result.result.get("unexpected_index_list")
        # A success without a row, or a failure with one; anything else is no word that counts.
        if rows is None or bool(result.success) == bool(rows):
            raise GateError(f"Great Expectations could not judge {name}: {result.exception_info}")
        broken[name] = {str(row[_TABLE]) for row in rows}
    return broken
