"""The page of results: ratios beside their aims, and what they were made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from benchmarks.increments import Increments
from benchmarks.loading import Loading
from benchmarks.models import AGGREGATION, Models
from benchmarks.runs import IMPORTS, Command, Doors, Run
from benchmarks.timing import Spread

LOADER_AT_LEAST: Final = 0.5
MODELS_AT_MOST: Final = 25.0
DOORS_AT_MOST: Final = 0.15
COMMAND_AT_MOST: Final = 4.0
NEXT_DAY_AT_MOST: Final = 1.0
EMPTY_DAY_AT_MOST: Final = 0.5


@dataclass(frozen=True)
class Results:
    """All that one call measured, and of what; `measured_on` is a day in UTC."""

    measured_on: date
    machine: Mapping[str, str]
    email_events: int
    profiles: int
    repeats: int
    loadings: Sequence[Loading]
    models: Models
    increments: Increments
    doors: Doors
    command: Command


def render(results: Results) -> str:
    """Return the results as Markdown."""
    return "\n".join(_render(results)) + "\n"


def _render(results: Results) -> Iterator[str]:
    yield "# Results"
    yield ""
    yield (
        f"Measured on {results.measured_on.isoformat()} with "
        f"`make bench EMAIL_EVENTS={results.email_events}` on a simulated shop of "
        f"{results.profiles:,} people with {results.models.email_events:,} email events. "
        f"Each thing was measured {results.repeats} times; a figure is the median, with the least "
        "and the greatest behind it. The two sides of a ratio were measured one after the other, "
        "so that a machine that others use too slows both."
    )
    yield ""
    for name, words in results.machine.items():
        yield f"- {name}: {words}"
    yield ""
    yield from _render_ratios(results)
    yield from _render_loadings(results.loadings)
    yield from _render_models(results.models)
    yield from _render_increments(results.increments)
    yield from _render_runs(results.doors)
    yield from _render_command(results.command)


def _render_ratios(results: Results) -> Iterator[str]:
    models, doors, command = results.models, results.doors, results.command
    increments = results.increments
    rows = [
        (
            f"Loader against DuckDB's bare `create table as`, {loading.file_format}",
            _tell(loading.speed),
            f"at least {LOADER_AT_LEAST}",
            loading.speed.median >= LOADER_AT_LEAST,
        )
        for loading in results.loadings
    ]
    rows += [
        (
            "All dbt models against one pass over the email events",
            _tell(models.multiple, 1),
            f"at most {MODELS_AT_MOST:.0f}",
            models.multiple.median <= MODELS_AT_MOST,
        ),
        (
            "The next day's events, built on the day before, against the same pass",
            *_judge(increments.models.next_day, NEXT_DAY_AT_MOST),
        ),
        (
            "A day without events against the same pass",
            *_judge(increments.models.empty_day, EMPTY_DAY_AT_MOST),
        ),
        (
            "The whole command on the next day against the same pass",
            *_judge(increments.command.next_day, NEXT_DAY_AT_MOST),
        ),
        (
            "The whole command on a day without events against the same pass",
            *_judge(increments.command.empty_day, EMPTY_DAY_AT_MOST),
        ),
        (
            "Doors against the whole run, the first one",
            f"{doors.first.door_share:.1%}",
            f"at most {DOORS_AT_MOST:.0%}",
            doors.first.door_share <= DOORS_AT_MOST,
        ),
        (
            "Doors against the whole run, nothing new",
            _tell_share(doors.later_share),
            f"at most {DOORS_AT_MOST:.0%}",
            doors.later_share.median <= DOORS_AT_MOST,
        ),
        (
            "The command with nothing new against the imports",
            _tell(command.multiple, 1),
            f"at most {COMMAND_AT_MOST:.0f}",
            command.multiple.median <= COMMAND_AT_MOST,
        ),
    ]
    told = ((what, ratio, aim, "yes" if is_met else "**no**") for what, ratio, aim, is_met in rows)
    yield from _table(("ratio", "measured", "aim", "met"), told)


def _render_loadings(loadings: Sequence[Loading]) -> Iterator[str]:
    yield "## Loader"
    yield ""
    yield (
        "The same email events as files of each format, loaded into a fresh warehouse by "
        "`ingestion.loader.load` and by `create table as`, checkpoint included. Speed is the "
        "loader's as a share of DuckDB's; by processor time it is told beside, because the loader "
        "also reads every file to know it again."
    )
    yield ""
    yield from _table(
        ("format", "rows", "MB", "loader, s", "bare, s", "speed", "speed by processor time"),
        (
            (
                loading.file_format,
                f"{loading.rows:,}",
                f"{loading.megabytes:,.1f}",
                _tell(loading.loader),
                _tell(loading.bare),
                _tell(loading.speed),
                _tell(loading.cpu_speed),
            )
            for loading in loadings
        ),
    )


def _render_models(models: Models) -> Iterator[str]:
    yield "## Models"
    yield ""
    yield (
        f"The summed `execution_time` of {models.models} models in dbt's run_results.json, built "
        f"from nothing, one at a time with {models.threads} threads each, dbt's start-up left "
        f"out, views as they come: {_tell(models.all_models, 1)} s. One pass with as many threads: "
        f"{_tell(models.one_pass)} s. The pass is `{AGGREGATION}`."
    )
    yield ""
    yield from _table(
        ("the dearest models", "multiple of the pass"),
        ((f"`{name}`", f"{multiple:.2f}") for name, multiple in models.dearest),
    )


def _render_increments(increments: Increments) -> Iterator[str]:
    yield "## Increments"
    yield ""
    yield (
        "`dbt run` on a warehouse that was built as of the day before, whole, less the "
        f"{_tell(increments.models.fixed, 1)} s that it takes without a row. The next day brought "
        f"{increments.events:,} email events, and something about {increments.touched:.0%} of "
        "the people; the day after it nothing. The whole command is `mailmart run` on a copy of "
        f"the same warehouse, less the {_tell(increments.command.fixed, 1)} s that it takes with "
        "as few people as below, whom the same models score."
    )
    yield ""


def _render_runs(doors: Doors) -> Iterator[str]:
    yield "## Runs"
    yield ""
    later = doors.later[0]
    yield (
        "Seconds of each step as Dagster tells them, in the first run, which loads everything and "
        "trains, and in the first of those with nothing new."
    )
    yield ""
    steps = [*doors.first.step_seconds, *(later.step_seconds.keys() - doors.first.step_seconds)]
    rows = [(f"`{step}`", _find_step(doors.first, step), _find_step(later, step)) for step in steps]
    rows.append(
        (
            "the whole command",
            f"{doors.first.timing.wall_seconds:.2f}",
            f"{later.timing.wall_seconds:.2f}",
        )
    )
    yield from _table(("step", "first run, s", "nothing new, s"), rows)


def _render_command(command: Command) -> Iterator[str]:
    yield "## Command"
    yield ""
    yield (
        f"`mailmart run` with nothing new in a warehouse of {command.profiles} people: "
        f"{_tell(command.run)} s. A fresh interpreter with `{IMPORTS}`: "
        f"{_tell(command.imports)} s. By processor time the multiple is "
        f"{_tell(command.cpu_multiple, 1)}."
    )


def _judge(multiple: Spread, at_most: float) -> tuple[str, str, bool]:
    return _tell(multiple, 1), f"at most {at_most:g}", multiple.median <= at_most


def _find_step(run: Run, step: str) -> str:
    return f"{run.step_seconds[step]:.2f}" if step in run.step_seconds else "–"


def _tell(spread: Spread, digits: int = 2) -> str:
    return f"{spread.median:.{digits}f} ({spread.least:.{digits}f}–{spread.greatest:.{digits}f})"


def _tell_share(spread: Spread) -> str:
    return f"{spread.median:.1%} ({spread.least:.1%}–{spread.greatest:.1%})"


def _table(header: Sequence[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
