"""A simulated shop whose truth is known: nine raw tables, as dirty as life, and the truth beside.

How it works. Everything is drawn from one seed, in chunks of people, so that the memory is bounded
and a chunk is the same whatever ran before it. The numbers are in `params.yaml`.

1. `people`: a person has latent traits: openness (to mail), loyalty, tastes, favourite hour,
   quickness, device, a frequency class. Most signed up before the simulated time began. A hazard
   that depends on loyalty, openness, frequency class and tenure decides when a decline begins;
   activity then falls linearly to nothing, and stays there.
2. `mail`: mailings go out several times a week in categories; each has a quality of its own. A
   message is read with a probability whose log-odds add up from base, openness, device, frequency
   class, category, taste, hour, tenure and the mailing's quality, times what is left of the
   person's activity. The base is solved for, so that the open rate per send meets its target.
3. `responses`: deliveries, bounces, opens with the published delays, clicks, unsubscribes,
   complaints; besides, what privacy proxies and scanners do. A reader behind a privacy proxy has
   no human opens, but human clicks.
4. `browsing` and `orders`: visits and orders are Poisson processes that follow the season and the
   person's activity; clicks lead to sessions, some of them to orders. Carts, log-ins, cookies.
5. `crm`: contacts in two systems, consents, requests for erasure. `catalogue`: what is sold.
6. `tables` turns all that into the raw contract's tables, with duplicates, late rows and messy
   addresses; `landing` writes the files, with broken rows.
7. `truth`: true probabilities of opening and churning, who is who, which events were machines'.
"""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulation import browsing, catalogue, crm, landing, mail, orders, people, responses
from simulation import calendar as calendars
from simulation import params as settings
from simulation import tables as raw
from simulation import truth as truths
from simulation.calendar import Calendar
from simulation.catalogue import Catalogue
from simulation.landing import Written
from simulation.mail import Mailings
from simulation.params import Params

Progress = Callable[[str, int, int], None]

MOST_DAYS: Final = 3_650

_PART: Final = ".simulation.part"
_SUMMARY: Final = "summary.json"

# Chunks at work at a time; the result doesn't depend on it.
_WORKERS: Final = 2

# Fewer people than this don't fix the base log-odds: the pilot group is larger than they are.
_SMALLEST_PILOT: Final = 4_000

_TABLES: Final = (
    "email_events",
    "web_events",
    "orders",
    "order_lines",
    "products",
    "contacts",
    "consents",
    "campaigns",
    "erasure_requests",
)


@dataclass(frozen=True)
class SimulationSummary:
    """What was simulated. `rows` counts usable rows per raw table, `broken_rows` the others."""

    as_of: datetime
    profiles: int
    days: int
    seed: int
    params_hash: str
    rows: dict[str, int]
    broken_rows: dict[str, int]
    truth_rows: dict[str, int]


@dataclass(frozen=True)
class _Shop:
    """What all chunks share."""

    params: Params
    calendar: Calendar
    catalogue: Catalogue
    mailings: Mailings
    keys: raw.Keys
    base: float


def simulate(
    profiles: int,
    days: int,
    seed: int,
    out: Path,
    report_progress: Progress | None = None,
    params: Params | None = None,
) -> SimulationSummary:
    """Simulate a shop and write `out/landing` and `out/truth`.

    The simulated time ends at `calendar.END` and begins `days` days earlier. The same arguments
    give the same bytes. A folder that the same call has filled is left as it is. `report_progress`
    is called with what is being done, how many people are done, and how many there are.

    Raises ValueError for arguments out of range, FileExistsError if `out` holds another landing
    folder.
    """
    if not 1 <= profiles <= 100_000_000:
        raise ValueError(f"profiles must be between 1 and 100,000,000, not {profiles}")
    if not 1 <= days <= MOST_DAYS:
        raise ValueError(f"days must be between 1 and {MOST_DAYS:,}, not {days}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, but is {seed}")
    chosen = params or settings.load()
    call = (profiles, days, seed, _hash(chosen))
    if (done := _existing(out, call)) is not None:
        return done

    out.mkdir(parents=True, exist_ok=True)
    part = out / _PART
    # What a killed run left; nothing reads it.
    shutil.rmtree(part, ignore_errors=True)
    try:
        summary = _simulate(*call, part, report_progress or _ignore, chosen)
        _publish(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return summary


def _ignore(what: str, done: int, total: int) -> None:
    pass


def _hash(params: Params) -> str:
    return hashlib.sha256(params.model_dump_json().encode()).hexdigest()


def _existing(out: Path, call: tuple[int, int, int, str]) -> SimulationSummary | None:
    """Return the summary of an earlier, equal call; raise if the place is taken by another."""
    if not (out / "landing").exists():
        if (out / "truth").exists() and not (out / "truth" / _SUMMARY).exists():
            raise FileExistsError(
                f"{out / 'truth'} exists already and was not made by a simulation; choose another "
                "folder or remove it"
            )
        return None
    file = out / "truth" / _SUMMARY
    if file.exists():
        known = json.loads(file.read_text(encoding="utf-8"))
        arguments = tuple(known.get(name) for name in ("profiles", "days", "seed", "params_hash"))
        if arguments == call:
            return SimulationSummary(**known | {"as_of": datetime.fromisoformat(known["as_of"])})
        made = "made with profiles={}, days={}, seed={}".format(*arguments)
    else:
        made = "not made by a simulation"
    raise FileExistsError(
        f"{out / 'landing'} exists already ({made}, perhaps with other numbers in params.yaml); "
        "choose another folder or remove it"
    )


def _publish(part: Path, out: Path) -> None:
    """Move the finished folders to their place, the landing last: where it is, all is there."""
    old = out / "truth"
    if (old / _SUMMARY).exists():  # a truth without its landing: a run died between the moves
        shutil.rmtree(old)
    (part / "truth").rename(old)
    (part / "landing").rename(out / "landing")


def _simulate(
    profiles: int,
    days: int,
    seed: int,
    params_hash: str,
    part: Path,
    report_progress: Progress,
    params: Params,
) -> SimulationSummary:
    size = _chunk_size(days, params)
    whole, *chunk_seeds = np.random.SeedSequence(seed).spawn(1 + -(-profiles // size))
    report_progress("Setting up the shop", 0, profiles)
    shop = _open_shop(whole, chunk_seeds[0], profiles, days, params)
    files = part / "landing"
    counts = {name: Written(0, 0) for name in _TABLES}
    small: tuple[tuple[str, pa.Table, landing.Format], ...] = (
        ("products", raw.products(shop.catalogue, shop.calendar), "ndjson"),
        ("campaigns", raw.campaigns(shop.mailings, params, shop.calendar), "csv"),
    )
    for name, table, file_format in small:
        counts[name] += landing.write(
            files / name / f"{name}.{file_format}", table, file_format, name
        )

    truth_rows: dict[str, int] = {}
    with _Truth(part / "truth") as truth:
        for done, (written, hidden) in enumerate(
            _chunks(shop, chunk_seeds, profiles, size, files), start=1
        ):
            for name, count in written.items():
                counts[name] += count
            for name, table in hidden.items():
                truth.append(name, table)
                truth_rows[name] = truth_rows.get(name, 0) + len(table)
            so_far = min(done * size, profiles)
            report_progress("Simulating people", so_far, profiles)

    summary = SimulationSummary(
        as_of=calendars.END,
        profiles=profiles,
        days=days,
        seed=seed,
        params_hash=params_hash,
        rows={name: count.rows for name, count in counts.items()},
        broken_rows={name: count.broken for name, count in counts.items()},
        truth_rows=truth_rows,
    )
    known = dataclasses.asdict(summary) | {"as_of": summary.as_of.isoformat()}
    (part / "truth" / _SUMMARY).write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    return summary


def _chunk_size(days: int, params: Params) -> int:
    """Return how many people are simulated at a time; the same for the same call."""
    fitting = params.shop.person_days_per_chunk // days
    return max(min(params.shop.people_per_chunk, fitting), 1)


def _open_shop(
    whole: np.random.SeedSequence,
    first_chunk: np.random.SeedSequence,
    profiles: int,
    days: int,
    params: Params,
) -> _Shop:
    goods, plans, keys = (np.random.default_rng(each) for each in whole.spawn(3))
    calendar = calendars.calendar(days, params.shop.timezone, params.browsing.season)
    sold = catalogue.draw(goods, params, calendar)
    mailings = mail.plan(plans, params, calendar, sold)
    # The people of the first chunk are the pilot group: a small shop then meets its target exactly
    # in expectation.
    size = max(_SMALLEST_PILOT, min(profiles, _chunk_size(days, params)))
    for_people, for_mail = _generators(first_chunk)[:2]
    pilot = people.draw(for_people, 0, size, params, calendar)
    base = mail.solve_base(for_mail, pilot, mailings, params, calendar)
    return _Shop(params, calendar, sold, mailings, raw.Keys.draw(keys), base)


def _generators(seed: np.random.SeedSequence) -> list[np.random.Generator]:
    """Return the generators of a chunk, one per step; the same whenever they are asked for."""
    fresh = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)
    return [np.random.default_rng(each) for each in fresh.spawn(8)]


def _chunks(
    shop: _Shop, seeds: list[np.random.SeedSequence], profiles: int, size: int, files: Path
) -> Iterator[tuple[dict[str, Written], dict[str, pa.Table]]]:
    """Yield what became of each chunk, in order, a few being in the making at a time."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        waiting: list[Future[tuple[dict[str, Written], dict[str, pa.Table]]]] = []
        for chunk, seed in enumerate(seeds):
            count = min(size, profiles - chunk * size)
            first = chunk * size
            waiting.append(pool.submit(_simulate_chunk, shop, seed, chunk, first, count, files))
            if len(waiting) > _WORKERS:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()


def _simulate_chunk(
    shop: _Shop, seed: np.random.SeedSequence, chunk: int, first: int, count: int, files: Path
) -> tuple[dict[str, Written], dict[str, pa.Table]]:
    params, calendar = shop.params, shop.calendar
    for_people, for_mail, for_responses, for_web, for_orders, for_crm, for_rows, for_spelling = (
        _generators(seed)
    )
    group = people.draw(for_people, first, count, params, calendar)
    addressed = mail.address(for_mail, group, shop.mailings, shop.base, params, calendar)
    answered = responses.respond(for_responses, group, shop.mailings, addressed, params, calendar)
    visited = browsing.browse(
        for_web, group, shop.mailings, answered, shop.catalogue, params, calendar, first << 8
    )
    bought = orders.place(for_orders, group, visited, shop.catalogue, params, calendar)

    addresses = raw.spellings(for_spelling, group)
    messy = addresses.slice(len(group))
    ids = raw.message_ids(group, answered, shop.keys)
    mail_batch, machines = raw.email_events(
        for_rows, group, addresses, shop.mailings, answered, ids, shop.keys, chunk, params, calendar
    )
    written = {
        "email_events": landing.write_months(
            files, "email_events", mail_batch, chunk, params.dirt, calendar
        )
    }
    del mail_batch
    web_batch = raw.web_events(
        for_rows,
        group,
        addresses,
        shop.mailings,
        visited,
        shop.catalogue,
        shop.keys,
        chunk,
        params,
        calendar,
    )
    written["web_events"] = landing.write_months(
        files, "web_events", web_batch, chunk, params.dirt, calendar
    )
    del web_batch
    versions, lines = raw.orders(for_rows, group, addresses, bought, shop.catalogue, chunk, params)
    for name, batch in (("orders", versions), ("order_lines", lines)):
        written[name] = landing.write_months(files, name, batch, chunk, params.dirt, calendar)

    known = crm.contacts(for_crm, group, messy, params, calendar)
    written["contacts"] = landing.write_contacts(files, known.tables, chunk, params.dirt)
    agreed = crm.consents(for_crm, group, answered, addresses, params, calendar)
    file = files / "consents" / f"part-{chunk:04d}.parquet"
    written["consents"] = landing.write(file, agreed, "parquet", "consents")
    erased_at = np.full(count, calendars.NEVER)
    if chunk == 0:
        requests, who, at = crm.erasure_requests(for_crm, group, params, calendar)
        erased_at[who] = at
        file = files / "erasure_requests" / "requests.csv"
        written["erasure_requests"] = landing.write(file, requests, "csv", "erasure_requests")
    hidden = truths.tables(
        group,
        answered,
        visited,
        known,
        ids,
        erased_at,
        shop.keys.cookie,
        shop.mailings,
        shop.base,
        params,
        calendar,
    )
    return written, {**hidden, "machine_events": machines}


class _Truth:
    """The files of the truth, one per table, to which each chunk appends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> "_Truth":
        self._folder.mkdir(parents=True)
        return self

    def append(self, name: str, table: pa.Table) -> None:
        """Write the rows of a chunk behind those of the chunks before."""
        plain = table.cast(
            pa.schema(
                [
                    pa.field(
                        each.name, pa.string() if pa.types.is_dictionary(each.type) else each.type
                    )
                    for each in table.schema
                ]
            )
        )
        if name not in self._writers:
            self._writers[name] = pq.ParquetWriter(
                self._folder / f"{name}.parquet", plain.schema, compression="zstd"
            )
        self._writers[name].write_table(plain)

    def __exit__(self, *_: object) -> None:
        for writer in self._writers.values():
            writer.close()
