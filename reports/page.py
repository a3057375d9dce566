"""The report of a run: read from the warehouse, written as one page that needs nothing else."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp

import duckdb
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports import (
    builds,
    campaigns,
    charts,
    deliveries,
    doors,
    engagement,
    profiles,
    segments,
    tiers,
    words,
)
from reports import models as model_health
from reports.models import Model
from reports.vega import Chart

PAGE, LATEST = "index.html", "latest"
_UNFINISHED = ".unfinished-"

# Names of campaigns, messages of destinations and sentences of doors are other people's text.
_ADDRESS = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+")


@dataclass(frozen=True)
class Contents:
    """All that the page says. A part is None, or empty, where there is nothing to tell."""

    run_id: str
    started_at: datetime
    written_at: datetime
    builds: builds.Builds | None
    profiles: profiles.Profiles | None
    tiers: tiers.Tiers | None
    segments: segments.Segments | None
    engagement: engagement.Engagement | None
    campaigns: list[campaigns.Campaign]
    models: list[model_health.Health]
    deliveries: deliveries.Deliveries | None
    doors: list[doors.Door]
    failures: Sequence[str]
    data_docs: Mapping[str, str]
    is_unfinished: bool

    @property
    def has_built(self) -> bool:
        """Tell whether the numbers are of a build of this run."""
        return self.builds is not None and self.builds.current.built_at >= self.started_at

    @property
    def has_unreported_sendings(self) -> bool:
        """Tell whether of some campaign more mails arrived than are known to have been sent."""
        return any(0 < each.sent < each.delivered for each in self.campaigns)


def write(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    *,
    run_id: str,
    started_at: datetime,
    written_at: datetime,
    models: Sequence[Model] = (),
    failures: Sequence[str] = (),
    data_docs: Mapping[str, Path] | None = None,
) -> Path:
    """Write the page of a run into a folder of its own under `folder`, and return its path.

    Times are UTC. What the run judged, built and delivered is told from what was there before by
    `started_at` and `run_id`. `failures` are sentences about why it did not end well, `data_docs`
    the pages of the doors by their names. The page is there whole or not at all; the page of the
    same run is replaced, and the link `latest` leads to the folder of the last page written.
    Nothing is written to the warehouse, and only aggregates are read. Raises `ValueError` if
    `run_id` cannot name a folder, or if a model's card is not understood.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", run_id):
        raise ValueError(f"a run's id of letters, digits, - _ . names its folder, not {run_id!r}")
    goal = folder / f"{started_at:%Y%m%dT%H%M%SZ}-{run_id}"
    contents = read(
        connection,
        run_id=run_id,
        started_at=started_at,
        written_at=written_at,
        models=models,
        failures=failures,
        # Relative, so that the folder of all pages can be put elsewhere whole.
        data_docs={
            door: Path(os.path.relpath(page, goal)).as_posix()
            for door, page in (data_docs or {}).items()
        },
    )
    text = render(contents)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = Path(mkdtemp(prefix=_UNFINISHED, dir=folder))
    try:
        # Temporary folders are for their owner's eyes; a page is for everybody's.
        unfinished.chmod(0o755)
        (unfinished / PAGE).write_text(text, encoding="utf-8")
        if goal.exists():
            (unfinished / PAGE).replace(goal / PAGE)
        else:
            unfinished.rename(goal)
        link = folder / f"{unfinished.name}-{LATEST}"
        link.symlink_to(goal.name)
        link.replace(folder / LATEST)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return goal / PAGE


def read(
    connection: duckdb.DuckDBPyConnection,
    *,
    run_id: str,
    started_at: datetime,
    written_at: datetime,
    models: Sequence[Model] = (),
    failures: Sequence[str] = (),
    data_docs: Mapping[str, str] | None = None,
) -> Contents:
    """Read all that the page says."""
    # Of tables of two moments there is nothing to tell but that they are.
    is_unfinished = builds.is_unfinished(connection)
    known = None if is_unfinished else builds.read(connection)
    as_of = known.current.as_of if known else None
    return Contents(
        run_id=run_id,
        started_at=started_at,
        written_at=written_at,
        builds=known,
        profiles=profiles.read(connection) if known else None,
        tiers=tiers.read(connection, known) if known else None,
        segments=segments.read(connection, known) if known else None,
        engagement=engagement.read(connection, as_of) if as_of else None,
        campaigns=campaigns.read(connection) if known else [],
        models=model_health.read(connection, models),
        deliveries=deliveries.read(connection, run_id),
        doors=doors.read(connection, started_at),
        failures=failures,
        data_docs=data_docs or {},
        is_unfinished=is_unfinished,
    )


def render(contents: Contents) -> str:
    """Return the page as HTML that refers to nothing outside itself and holds no address."""
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "name": words.say_name,
        "number": words.say_number,
        "count": words.say_count,
        "change": words.say_change,
        "percent": words.say_percent,
        "figure": words.say_figure,
        "day": words.say_day,
        "date": words.say_date,
        "time": words.say_time,
    }
    page = environment.get_template("report.html").render(
        report=contents,
        pictures=_draw(contents),
        tiers=tiers,
        style=Markup(environment.get_template("report.css").render()),  # noqa: S704 - our own file
    )
    return _ADDRESS.sub("***", page)


def _draw(contents: Contents) -> dict[str, Chart]:
    """Return the charts that there are numbers for, each with the text that stands for it."""
    pictures: dict[str, Chart] = {}
    if contents.profiles and contents.profiles.held_back:
        pictures["held_back"] = charts.draw_reasons(
            [(words.say_name(each.name), each.profiles) for each in contents.profiles.held_back],
            "Profiles that are not mailed, by reason.",
        )
    if contents.tiers:
        pictures |= _draw_tiers(contents.tiers)
    for segment in contents.segments.each if contents.segments else []:
        if len(segment.sizes) > 1:
            pictures[f"segment {segment.name}"] = charts.draw_sizes(
                segment.sizes, _say_sizes(segment)
            )
    if contents.engagement:
        for kind in ("open", "click"):
            share = contents.engagement.machine_share(kind)
            if share is not None:
                pictures[kind] = charts.draw_weeks(
                    contents.engagement.of(kind),
                    f"{words.say_name(kind)} by week, of people and of machines; "
                    f"{words.say_percent(share)} are machines'.",
                )
    if any(each.open_rate is not None for each in contents.campaigns):
        pictures["open_rates"] = charts.draw_open_rates(
            contents.campaigns,
            "Open rate of each campaign, by people alone and as reported, with machines.",
        )
    for health in contents.models:
        if health.champion:
            name = words.say_name(f"model_{health.target}")
            pictures[f"calibration {health.target}"] = charts.draw_calibration(
                health.champion,
                f"{name}: what was predicted against what happened, in ten groups; the mean gap "
                f"is {words.say_percent(health.champion.calibration_error)}.",
            )
            pictures[f"learning {health.target}"] = charts.draw_learning(
                health.champion,
                f"{name}: log loss by round of boosting; of rows held out it ends at "
                f"{words.say_figure(health.champion.validation_curve[-1])}.",
            )
    return pictures


def _draw_tiers(read: tiers.Tiers) -> dict[str, Chart]:
    pictures = {}
    if len({week.instant for week in read.weeks}) > 1:
        pictures["tier_weeks"] = charts.draw_tier_weeks(
            read.weeks,
            "Profiles in the three engaged tiers, by week: "
            + ", ".join(
                f"{each.profiles:,} {words.say_name(each.tier).lower()} now"
                for each in read.now
                if each.tier != "inactive"
            )
            + ".",
        )
    if any(flow.direction != "stayed" for flow in read.flows):
        pictures["flows"] = charts.draw_flows(
            read.flows,
            f"Flows between tiers since {words.say_day(read.since)}: {read.moved('up'):,} profiles "
            f"moved up, {read.moved('down'):,} moved down, {read.moved('new'):,} are new.",
        )
    return pictures


def _say_sizes(segment: segments.Segment) -> str:
    sizes = segment.sizes
    return (
        f"{words.say_name(segment.name)}: {sizes[0].profiles:,} profiles on "
        f"{words.say_day(sizes[0].as_of)}, {sizes[-1].profiles:,} on "
        f"{words.say_day(sizes[-1].as_of)}; between {min(s.profiles for s in sizes):,} and "
        f"{max(s.profiles for s in sizes):,} over {len(sizes)} builds."
    )
