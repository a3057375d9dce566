"""The command line.

Exit status: 0 done, 1 an error, 2 wrong usage, 3 a door or a brake stopped the line, 130 somebody
interrupted it.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.core import ParameterSource
from rich.console import Console

from orchestration import logs, resources
from orchestration.exit_status import DONE, FAILED, INTERRUPTED, INTERRUPTED_QUERY

if TYPE_CHECKING:
    from orchestration.jobs import Result

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Instant(click.ParamType[datetime]):
    """A time on the command line, ISO 8601."""

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the naive UTC datetime, or refuse with how to write it."""
        if isinstance(value, datetime):
            return value
        try:
            instant = resources.parse_instant(value)
            resources.refuse_future(instant, datetime.now(UTC).replace(tzinfo=None))
            return instant
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _warehouse_option(command: _Command) -> _Command:
    return click.option(
        "--warehouse",
        type=click.Path(dir_okay=False, path_type=Path),
        default=resources.find_warehouse,
        help="DuckDB file [MAILMART_WAREHOUSE, else data/warehouse.duckdb].",
    )(command)


def _outbox_option(command: _Command) -> _Command:
    return click.option(
        "--outbox",
        type=click.Path(file_okay=False, path_type=Path),
        default=resources.find_outbox,
        help="Where the file destination puts its folders [MAILMART_OUTBOX, else data/outbox].",
    )(command)


def _there_is(
    ctx: click.Context, param: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    """Refuse names that no enabled destination has."""
    if names:
        from reverse_etl.configuration import ConfigurationError, read_destinations

        try:
            destinations = read_destinations(resources.DESTINATIONS_FILE)
        except ConfigurationError as error:
            _leave(FAILED, str(error))
        try:
            destinations.selected(names)
        except ConfigurationError as error:
            raise click.BadParameter(str(error), ctx, param) from None
    return names


class Commands(click.Group):
    """Commands that end with a sentence whatever happens to them."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; what nobody foresaw is kept in a log and told in one sentence."""
        try:
            return super().invoke(ctx)
        # Where nobody reads on, as behind `head`, click ends without a word.
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            _leave(INTERRUPTED, "interrupted")
        except Exception as error:
            if str(error) == INTERRUPTED_QUERY:
                _leave(INTERRUPTED, "interrupted")
            _leave(FAILED, logs.keep_error(ctx.invoked_subcommand or "mailmart", error))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mailmart", prog_name="mailmart")
def cli() -> None:
    """The warehouse that knows whom to mail, with what, and who must be left alone."""


@cli.command()
@click.option(
    "--landing",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=resources.find_landing,
    help="Folder with one subfolder per raw table [MAILMART_LANDING, else data/landing].",
)
@_warehouse_option
@click.option(
    "--as-of",
    type=Instant(),
    default=resources.read_as_of,
    help="The instant of which the marts speak, ISO 8601 [MAILMART_AS_OF, else now].",
)
@_outbox_option
@click.option("--full-refresh", is_flag=True, help="Build every table from nothing.")
@click.pass_context
def run(
    ctx: click.Context,
    landing: Path,
    warehouse: Path,
    as_of: datetime | None,
    outbox: Path,
    full_refresh: bool,
) -> None:
    """Do the main job: load, check, build, score, and deliver what changed."""
    from orchestration import jobs, summary

    console = Console(stderr=True)
    with jobs.run_job(
        "daily",
        warehouse=warehouse,
        console=console,
        landing=landing,
        outbox=outbox,
        as_of=as_of,
        full_refresh=full_refresh,
        delivery={"command": _name_sync(ctx)},
    ) as result:
        if summary.can_show(result):
            summary.show(result, Console())
        else:
            for line in result.lines:
                click.echo(line, err=True)
            _name_report(result)
    _leave(result.status, result.sentence)


@cli.command()
@click.option("--profiles", type=click.IntRange(min=1), required=True, help="How many people.")
@click.option("--days", type=click.IntRange(min=1), required=True, help="How many days of history.")
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Same seed, same bytes.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Gets a folder landing, and the hidden truth beside it.",
)
def simulate(profiles: int, days: int, seed: int, out: Path) -> None:
    """Write the landing folder of a shop whose truth is known."""
    from orchestration import progress
    from simulation import shop

    console = Console(stderr=True)
    try:
        with progress.show(console) as report:
            made = shop.simulate(profiles, days, seed, out, report)
    except (OSError, ValueError, RuntimeError) as error:
        _leave(FAILED, str(error))
    click.echo(
        f"{out / 'landing'}: {sum(made.rows.values()):,} rows, as of "
        f"{made.as_of.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    )


@cli.command()
@_warehouse_option
def train(warehouse: Path) -> None:
    """Train on the features of the last build; a better model takes over."""
    from orchestration import jobs

    with jobs.run_job("train", warehouse=warehouse, console=Console(stderr=True)) as result:
        for line in result.lines:
            click.echo(line)
    _leave(result.status, result.sentence)


@cli.command()
@_warehouse_option
@_outbox_option
@click.option(
    "--destination",
    "destinations",
    multiple=True,
    callback=_there_is,
    help="Only this one; may be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan, send nothing.")
@click.option("--confirm-plan", metavar="ID", help="Let this one plan through the brakes, once.")
@click.pass_context
def sync(
    ctx: click.Context,
    warehouse: Path,
    outbox: Path,
    destinations: tuple[str, ...],
    dry_run: bool,
    confirm_plan: str | None,
) -> None:
    """Deliver what changed since the destinations last acknowledged, and nothing else."""
    from orchestration import jobs

    with jobs.run_job(
        "deliver",
        warehouse=warehouse,
        console=Console(stderr=True),
        outbox=outbox,
        delivery={
            "destinations": list(destinations),
            "dry_run": dry_run,
            "confirmed_plan_id": confirm_plan,
            "command": _name_sync(ctx),
        },
    ) as result:
        for line in result.lines:
            click.echo(line)
        if result.status != DONE:
            _name_report(result)
    _leave(result.status, result.sentence)


@cli.command()
@click.option("--email", required=True, help="The address, in any letter case.")
@_warehouse_option
def explain(email: str, warehouse: Path) -> None:
    """Print all that is known of a person, and why they are in each tier, segment and list."""
    from orchestration import database, explanation, lock, schema
    from orchestration.builds import NothingBuilt, find_built_as_of
    from orchestration.manifest import read_segments

    try:
        if not warehouse.exists():
            _leave(FAILED, f"there is no warehouse {warehouse} yet; `mailmart run` makes it")
        with (
            lock.hold(warehouse.absolute()),
            closing(database.open_warehouse(warehouse, read_only=True)) as connection,
        ):
            schema.check_raw(connection, warehouse)
            as_of = find_built_as_of(connection)
            parts = explanation.explain(connection, email, as_of=as_of, segments=read_segments())
    except (database.WarehouseError, NothingBuilt) as error:
        _leave(FAILED, str(error))
    explanation.show(parts, Console())
    # The first part of a profile is the person.
    is_known = parts[0].title == "Person"
    _leave(
        DONE,
        f"as of {as_of:%Y-%m-%d %H:%M} UTC"
        if is_known
        else f"no profile had this address as of {as_of:%Y-%m-%d %H:%M} UTC",
    )


@cli.command()
@click.option("--email", required=True, help="The address, in any letter case.")
@_warehouse_option
def erase(email: str, warehouse: Path) -> None:
    """File a person's request to be forgotten; the next run fulfils it."""
    from ingestion.schema import SchemaMismatch
    from orchestration import database, forgetting, lock, schema

    if "@" not in email:
        raise click.BadParameter("an address has an @", param_hint="--email")
    now = datetime.now(UTC).replace(tzinfo=None)
    try:
        if not warehouse.exists():
            _leave(FAILED, f"there is no warehouse {warehouse} yet; `mailmart run` makes it")
        with (
            lock.hold(warehouse.absolute()),
            closing(database.open_warehouse(warehouse)) as connection,
        ):
            schema.check_raw(connection, warehouse)
            is_known = forgetting.file_request(connection, email, now)
    except (database.WarehouseError, SchemaMismatch) as error:
        _leave(FAILED, str(error))
    _leave(
        DONE,
        f"filed: the next `mailmart run` as of {now:%Y-%m-%dT%H:%M:%SZ} or later erases the person "
        "here and removes them from every destination; until then nobody is told of them"
        + ("" if is_known else " (no row here carries this address now)"),
    )


@cli.command()
@click.option(
    "--landing",
    type=click.Path(path_type=Path),
    default=resources.find_landing,
    help="Folder with one subfolder per raw table [MAILMART_LANDING, else data/landing].",
)
@_warehouse_option
@_outbox_option
def doctor(landing: Path, warehouse: Path, outbox: Path) -> None:
    """Say what is missing or misconfigured, and how to mend it."""
    from orchestration import diagnosis

    findings = diagnosis.examine(warehouse=warehouse, landing=landing, outbox=outbox)
    for finding in findings:
        click.echo(f"{'ok  ' if finding.is_well else 'MEND'}  {finding.sentence}")
    ill = sum(not finding.is_well for finding in findings)
    _leave(FAILED if ill else DONE, f"{ill} of {len(findings)} need mending." if ill else "")


def _name_report(result: Result) -> None:
    if result.report is not None:
        click.echo(f"The report is {result.report}", err=True)


def _name_sync(ctx: click.Context) -> str:
    """Return the command that delivers alone, with the paths that were given here."""
    words = ["mailmart", "sync"]
    for name in ("warehouse", "outbox"):
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            words += [f"--{name}", str(Path(ctx.params[name]).absolute())]
    return shlex.join(words)


def _leave(status: int, sentence: str) -> NoReturn:
    """End with a status; what stopped it is the last thing printed, one line."""
    if sentence:
        lines = (line.strip() for line in sentence.splitlines())
        click.echo(" ".join(line for line in lines if line), err=status != DONE)
    sys.exit(status)


def main() -> None:
    """Run the command line."""
    cli(prog_name="mailmart")
