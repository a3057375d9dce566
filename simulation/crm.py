"""What the CRMs and the consent log say: contacts with their versions, and consents."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulation.calendar import DAY, NEVER, PLACES, SECOND, Calendar, Times
from simulation.names import FAMILY, GIVEN
from simulation.params import Params
from simulation.people import GRANTED, REFUSED, Codes, People
from simulation.responses import Responses
from simulation.text import as_strings, choose, timestamps

SYSTEMS = ("crm", "shop")

# A contact's number tells nothing across systems: the second one counts in its own way, so that
# the same contact_id means different people in the two.
_FIRST_CONTACT = 100_000

_BROKEN_TIMEZONES = ["Mars/Olympus_Mons", "GMT+25", "Eastern"]
_NOT_ADDRESSES = ["{}.example.com", "{}@@mail.example", "{}@", "{} @mail.example", "{}@localhost"]


@dataclass(frozen=True)
class Contacts:
    """The rows of both systems, and whose they are (`contact_ids` per row, -1 for nobody's)."""

    tables: dict[str, pa.Table]
    owners: dict[str, Codes]
    contact_ids: dict[str, pa.Array]


def not_addresses(numbers: Codes) -> pa.Array:
    """Return texts that a form takes for an address, and the warehouse must not."""
    texts = [
        _NOT_ADDRESSES[int(number) % len(_NOT_ADDRESSES)].format(f"guest{number}")
        for number in numbers
    ]
    return pa.array(texts, pa.string())


def contacts(
    rng: np.random.Generator,
    people: People,
    messy: pa.Array,
    params: Params,
    calendar: Calendar,
) -> Contacts:
    """Write the people down in the two systems.

    `messy` holds each person's address as some forms spell it.
    """
    count, who = len(people), params.people
    is_in_crm = rng.random(count) >= who.share_without_contact
    is_in_shop = (rng.random(count) < who.share_in_shop_system) | people.has_second_address
    tables, owners, ids = {}, {}, {}
    for system, members in zip(SYSTEMS, (is_in_crm, is_in_shop), strict=True):
        table, person = _system(
            rng, people, np.flatnonzero(members), system, messy, params, calendar
        )
        tables[system], owners[system] = table, person
        ids[system] = table["contact_id"].combine_chunks()
    return Contacts(tables, owners, ids)


def _system(
    rng: np.random.Generator,
    people: People,
    members: Codes,
    system: str,
    messy: pa.Array,
    params: Params,
    calendar: Calendar,
) -> tuple[pa.Table, Codes]:
    dirt, is_shop = params.dirt, system == "shop"
    versions = 1 + rng.poisson(dirt.contact_versions, len(members))
    is_deleted = rng.random(len(members)) < dirt.contact_deleted
    person = np.repeat(members, versions)
    first = np.cumsum(versions) - versions
    step = np.arange(len(person)) - np.repeat(first, versions)
    is_last = step == np.repeat(versions, versions) - 1
    created = people.signed_up[person]
    share = rng.random(len(person))
    share = share[np.lexsort((share, person))]  # rising within each contact
    updated = np.where(step == 0, created, created + (share * (calendar.end - created)).astype(int))

    clean = people.addresses.take(pa.array(person))
    is_messy = rng.random(len(person)) < dirt.messy_address
    email = pc.if_else(pa.array(is_messy), messy.take(pa.array(person)), clean)
    if is_shop:
        has_second = pa.array(people.has_second_address[person])
        email = pc.if_else(has_second, people.second_addresses.take(pa.array(person)), email)
    changed = rng.random(len(members)) < dirt.contact_changed_address
    has_old = (np.repeat(changed, versions) & ~is_last & (step == 0)) & (not is_shop)
    email = pc.if_else(pa.array(has_old), pc.binary_join_element_wise("old.", clean, ""), email)

    place = people.place[person]
    knows_place = rng.random(len(person)) < 0.9
    where = np.where(knows_place, place, -1)
    birth = people.birth_day[person]
    has_birth = (birth < NEVER) & ((step > 0) | is_last | (rng.random(len(person)) < 0.5))
    timezones = [each.timezone for each in PLACES] + _BROKEN_TIMEZONES
    is_broken = rng.random(len(person)) < dirt.broken_timezone
    timezone = np.where(is_broken, len(PLACES) + person % len(_BROKEN_TIMEZONES), where)
    number = people.number[person]
    contact_id = _contact_ids(number, is_shop)
    columns = {
        "contact_id": contact_id,
        "email": email,
        "phone": pc.binary_join_element_wise(
            "+1 555 01", pc.utf8_lpad(pa.array(number % 100).cast(pa.string()), 2, "0"), ""
        ),
        "first_name": choose(GIVEN, people.given[person]),
        "last_name": choose(FAMILY, people.family[person]),
        "birth_date": pa.array(
            np.where(has_birth, birth, 0).astype(np.int32), mask=~has_birth
        ).cast(pa.date32()),
        "country": choose([each.country for each in PLACES], where),
        "region": choose([each.region for each in PLACES], where),
        "city": choose([each.city for each in PLACES], where),
        "postal_code": pc.utf8_lpad(pa.array(number * 37 % 100_000).cast(pa.string()), 5, "0"),
        "timezone": choose(timezones, timezone),
        "created_at": timestamps(created),
        "updated_at": timestamps(updated),
        "is_deleted": pa.array(np.repeat(is_deleted, versions) & is_last),
        "source_system": pa.array([system] * len(person), pa.string()),
    }
    table = pa.table({name: as_strings(column) for name, column in columns.items()})
    if is_shop:
        return table, person
    junk = _junk(rng, people, table, params)
    return pa.concat_tables([table, junk]), np.concatenate([person, np.full(len(junk), -1)])


def _contact_ids(number: Codes, is_shop: bool) -> pa.Array:
    digits = _FIRST_CONTACT + (number ^ 1 if is_shop else number)
    return pa.array(digits).cast(pa.string())


def _junk(rng: np.random.Generator, people: People, table: pa.Table, params: Params) -> pa.Table:
    """Copy some rows as contacts of their own whose address is none."""
    size = int(np.ceil(params.dirt.invalid_contacts * len(people)))
    size = min(size, len(table)) if params.dirt.invalid_contacts else 0
    rows = table.take(pa.array(rng.choice(len(table), size, replace=False)))
    numbers = people.number[0] + np.arange(size)
    for name, column in (
        ("contact_id", pc.binary_join_element_wise("J", pa.array(numbers).cast(pa.string()), "")),
        ("email", not_addresses(numbers)),
    ):
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    return rows


def consents(
    rng: np.random.Generator,
    people: People,
    responses: Responses,
    spellings: pa.Array,
    params: Params,
    calendar: Calendar,
) -> pa.Table:
    """Write the log of consents.

    `spellings` holds the clean addresses, then the messy ones; a row uses either.
    """
    everyone = np.arange(len(people))
    granted = everyone[people.consent == GRANTED]
    refused = everyone[people.consent == REFUSED]
    resumed = everyone[responses.resumed <= calendar.end]
    withdrawn = everyone[people.consent_withdrawn <= calendar.end]
    left = everyone[responses.withdraws & (responses.stopped <= calendar.end - SECOND)]
    profiled = everyone[people.has_profiling]
    unprofiled = everyone[people.profiling_withdrawn <= calendar.end]
    marketing, profiling, yes, no = 0, 1, 0, 1
    form, centre, link = 0, 1, 2
    blocks = [
        (granted, marketing, yes, people.signed_up, form),
        (refused, marketing, no, people.signed_up, form),
        (withdrawn, marketing, no, people.consent_withdrawn, centre),
        (left, marketing, no, responses.stopped + SECOND, link),
        (resumed, marketing, yes, responses.resumed, centre),
        (profiled, profiling, yes, people.signed_up, form),
        (unprofiled, profiling, no, people.profiling_withdrawn, centre),
    ]
    person = np.concatenate([block[0] for block in blocks])
    sizes = [len(block[0]) for block in blocks]
    recorded = np.concatenate([block[3][block[0]] for block in blocks])
    expires = np.full(len(person), NEVER)
    expires[: len(granted)] = people.consent_expires[granted]
    order = np.lexsort((person, recorded))
    is_messy = rng.random(len(person)) < params.dirt.messy_address
    spelling = person + len(people) * is_messy
    columns = {
        "email": choose(spellings, spelling[order]),
        "purpose": choose(
            ["email_marketing", "profiling"], np.repeat([b[1] for b in blocks], sizes)[order]
        ),
        "status": choose(["granted", "withdrawn"], np.repeat([b[2] for b in blocks], sizes)[order]),
        "recorded_at": timestamps(recorded[order]),
        "source": choose(
            ["sign_up_form", "preference_centre", "unsubscribe_link"],
            np.repeat([b[4] for b in blocks], sizes)[order],
        ),
        "expires_at": timestamps(
            np.where(expires < NEVER, expires, 0)[order], (expires == NEVER)[order]
        ),
    }
    return pa.table({name: as_strings(column) for name, column in columns.items()})


def erasure_requests(
    rng: np.random.Generator, people: People, params: Params, calendar: Calendar
) -> tuple[pa.Table, Codes, Times]:
    """Let some people ask to be forgotten in the last days; return who and when too."""
    settled = np.flatnonzero(people.signed_up < calendar.end - 10 * DAY)
    size = min(params.dirt.erasure_requests, len(settled) // 10)
    person = np.sort(rng.choice(settled, size, replace=False))
    at = calendar.end - (rng.uniform(0.2, 5, size) * DAY).astype(np.int64)
    table = pa.table(
        {"email": people.addresses.take(pa.array(person)), "requested_at": timestamps(at)}
    )
    return table, person, at
