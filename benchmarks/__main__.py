"""Measure the house: `python -m benchmarks`, or `make bench`."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import click

from benchmarks import increments, loading, machine, models, runs
from benchmarks.results import Results, render
from benchmarks.timing import BenchmarkError
from benchmarks.workshop import (
    DAYS,
    TINY_DAYS,
    TINY_PROFILES,
    Checkout,
    Shop,
    Tell,
    find_profiles,
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--email-events",
    type=click.IntRange(min=1_000),
    default=10_000_000,
    show_default=True,
    help="About how many the simulated shop has.",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How often each thing is measured.",
)
@click.option(
    "--measured-on",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    help="The day that the page of results bears.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("benchmarks/RESULTS.md"),
    show_default=True,
    help="The page of results.",
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, exists=False, path_type=Path),
    help="A new folder for shop and warehouses, left behind; else a temporary one.",
)
def main(
    email_events: int, repeats: int, measured_on: datetime, out: Path, keep: Path | None
) -> None:
    """Measure loader, models, doors and command as ratios, and write the page of results."""
    with ExitStack() as held:
        if keep is None:
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="mailmart-bench-")))
        else:
            try:
                keep.mkdir(parents=True)
            except FileExistsError:
                raise click.BadParameter(f"{keep} exists already; name a new folder") from None
            folder = keep.absolute()
        try:
            results = measure(
                folder,
                email_events,
                repeats,
                measured_on,
                lambda words: click.echo(words, err=True),
            )
        except BenchmarkError as error:
            raise click.ClickException(str(error)) from error
        text = render(results)
    out.write_text(text, encoding="utf-8")
    click.echo(out)


def measure(
    folder: Path, email_events: int, repeats: int, measured_on: datetime, tell: Tell
) -> Results:
    """Simulate a shop in an empty folder and measure everything, one thing at a time."""
    checkout = Checkout.make(folder / "checkout")
    tell("simulating the tiny shop")
    tiny = Shop.make(checkout, folder / "tiny", TINY_PROFILES, TINY_DAYS)
    command = runs.measure_command(tiny, repeats, tell)
    profiles = find_profiles(email_events, folder / "pilot")
    tell(f"simulating a shop of {profiles:,} people")
    shop = Shop.make(checkout, folder / "shop", profiles, DAYS)
    doors = runs.measure_doors(shop, repeats, tell)
    built = models.measure(shop, repeats, tell)
    continued = increments.measure(shop, tiny, folder / "increments", repeats, tell)
    return Results(
        measured_on=measured_on.date(),
        machine=machine.describe(),
        email_events=email_events,
        profiles=profiles,
        repeats=repeats,
        loadings=list(loading.measure(shop, folder / "loading", repeats, tell)),
        models=built,
        increments=continued,
        doors=doors,
        command=command,
    )


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
