"""The simulated arrays as tables of the raw contract, with the dirt that lies in their rows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulation import browsing as web
from simulation import responses as email
from simulation.browsing import Browsing
from simulation.calendar import DAY, NEVER, PLACES, SECOND, Calendar, Times
from simulation.catalogue import Catalogue
from simulation.crm import not_addresses
from simulation.mail import Mailings
from simulation.orders import STATUSES, Orders
from simulation.params import Dirt, Params
from simulation.people import Codes, People
from simulation.responses import Responses
from simulation.text import as_strings, choose, hex_ids, scramble, timestamps

DEVICES = ("mobile", "desktop", "tablet")

# Addresses reserved for documentation (RFC 5737).
_IPS = [f"{net}.{host}" for net in ("192.0.2", "198.51.100", "203.0.113") for host in range(1, 255)]

# Rows of one chunk and kind have numbers below this; ids are scrambled from chunk and number.
_ROWS_PER_CHUNK = 40


@dataclass(frozen=True)
class Keys:
    """What makes ids look random: one number per kind of id, drawn from the seed."""

    message: int
    email_event: int
    web_event: int
    session: int
    cookie: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Keys":
        """Draw the numbers."""
        return cls(*(int(key) for key in rng.integers(0, 1 << 63, 5)))


@dataclass(frozen=True)
class Batch:
    """Rows of one table, and the time by which each is written: late rows come in later files."""

    table: pa.Table
    written: Times


@dataclass(frozen=True)
class Copies:
    """Which rows are written, duplicates behind the originals, and what sets those apart."""

    rows: Codes
    id_rows: Codes
    shift: Times
    is_copy: npt.NDArray[np.bool_]


def spellings(rng: np.random.Generator, people: People) -> pa.Array:
    """Return the clean addresses, then each once more as careless people and forms spell it."""
    clean = people.addresses
    domain_up = pc.replace_substring_regex(clean, "\\.example$", ".Example")
    ways = [
        pc.utf8_upper(clean),
        pc.utf8_capitalize(clean),
        pc.binary_join_element_wise(" ", clean, ""),
        pc.binary_join_element_wise(clean, "  ", ""),
        pc.binary_join_element_wise("\u00a0", domain_up, ""),
        pc.binary_join_element_wise(pc.utf8_upper(clean), "\t", ""),
    ]
    way = rng.integers(0, len(ways), len(people))
    messy = pc.choose(pa.array(way), *ways)
    return pa.concat_arrays([clean, messy.cast(pa.string())])


def copies(rng: np.random.Generator, count: int, dirt: Dirt) -> Copies:
    """Draw which of `count` rows come twice: as they were, a little later, or under a new id."""

    def some(share: float) -> Codes:
        return np.flatnonzero(rng.random(count) < share)

    same, shifted, renamed = (
        some(dirt.duplicate_same_id),
        some(dirt.duplicate_shifted),
        some(dirt.duplicate_new_id),
    )
    rows = np.concatenate([np.arange(count), same, shifted, renamed])
    shift = np.zeros(len(rows), dtype=np.int64)
    begin = count + len(same)
    shift[begin : begin + len(shifted)] = rng.integers(1, 90, len(shifted)) * SECOND
    id_rows = rows.copy()
    id_rows[begin + len(shifted) :] = count + np.arange(len(renamed))
    return Copies(rows, id_rows, shift, np.arange(len(rows)) >= count)


def _written(
    rng: np.random.Generator, at: Times, is_copy: npt.NDArray[np.bool_], dirt: Dirt
) -> Times:
    """Draw when rows are written: most at once, some weeks later, copies more often."""
    is_late = rng.random(len(at)) < np.where(is_copy, max(dirt.late, 0.3), dirt.late)
    delay = rng.uniform(dirt.late_days[0], dirt.late_days[1], len(at)) * DAY
    return at + np.where(is_late & (dirt.late > 0), delay, 0).astype(np.int64)


def message_ids(people: People, responses: Responses, keys: Keys) -> pa.Array:
    """Return the id of each message."""
    messages = responses.messages
    number = (people.number[messages.person] << 20) + messages.mailing
    return hex_ids(scramble(number, keys.message))


def email_events(
    rng: np.random.Generator,
    people: People,
    addresses: pa.Array,
    mailings: Mailings,
    responses: Responses,
    ids: pa.Array,
    keys: Keys,
    chunk: int,
    params: Params,
    calendar: Calendar,
) -> tuple[Batch, pa.Table]:
    """Write the events of messages; return them and the truth about those of machines."""
    dirt, messages = params.dirt, responses.messages
    doubled = copies(rng, len(responses.events), dirt)
    events = responses.events.take(doubled.rows)
    at = events.at + doubled.shift
    # One copy of a machine's event may lack the flag that another has.
    forgets = doubled.is_copy & (events.cause >= 0) & (events.flag == 1)
    flag = np.where(forgets & (rng.random(len(events)) < 0.5), 0, events.flag)
    person = messages.person[events.message]
    is_messy = rng.random(len(events)) < dirt.messy_address
    has_reader = (events.type == email.OPEN) | (events.type == email.CLICK)
    ip = np.where(has_reader, (people.number[person] * 31 + events.agent) % len(_IPS), -1)
    written = _written(rng, at, doubled.is_copy, dirt)
    order = np.flatnonzero(at <= calendar.end)
    order = order[np.argsort(at[order], kind="stable")]
    event_id = hex_ids(
        scramble((chunk << _ROWS_PER_CHUNK) + doubled.id_rows[order], keys.email_event)
    )
    table = pa.table(
        {
            "event_id": event_id,
            "event_type": choose(list(email.EVENT_TYPES), events.type[order]),
            "occurred_at": timestamps(at[order]),
            "email": choose(addresses, (person + len(people) * is_messy)[order]),
            "message_id": ids.take(pa.array(events.message[order])),
            "campaign_id": choose(mailings.ids, messages.mailing[events.message[order]]),
            "url": choose(mailings.urls, events.url[order]),
            "user_agent": choose(email.AGENTS, events.agent[order]),
            "ip": choose(_IPS, ip[order]),
            "is_machine": pa.array(flag[order] == 1, mask=flag[order] < 0),
            "bounce_type": choose(list(email.BOUNCE_TYPES), events.bounce[order]),
            "provider": choose(email.PROVIDERS, responses.provider[events.message[order]]),
        }
    )
    by_machine = np.flatnonzero(events.cause[order] >= 0)
    which = order[by_machine]
    truth = table.select(["event_id", "message_id", "event_type", "occurred_at", "url"])
    truth = truth.take(pa.array(by_machine)).append_column(
        "cause", choose(email.CAUSES, events.cause[which])
    )
    truth = truth.append_column("email", people.addresses.take(pa.array(person[which])))
    return Batch(table, written[order]), truth


def web_events(
    rng: np.random.Generator,
    people: People,
    addresses: pa.Array,
    mailings: Mailings,
    browsing: Browsing,
    catalogue: Catalogue,
    keys: Keys,
    chunk: int,
    params: Params,
    calendar: Calendar,
) -> Batch:
    """Write the events of sessions, the forms with an address that is none among them."""
    dirt, sessions = params.dirt, browsing.sessions
    size = len(browsing.events)
    wrong = np.flatnonzero(rng.random(len(sessions)) < dirt.invalid_web_address)
    doubled = copies(rng, size, dirt)
    events, rows = browsing.events, doubled.rows

    def column(values: Codes, for_wrong: Codes | int = -1) -> Codes:
        return np.concatenate([values[rows], np.broadcast_to(for_wrong, wrong.shape)])

    session = column(events.session, wrong)
    wrong_at = sessions.at[wrong] + 7 * SECOND
    at = np.concatenate([events.at[rows] + doubled.shift, wrong_at])
    type_code = column(events.type, web.FORM)
    product, topic = column(events.product), column(events.topic)
    quantity, cents = column(events.quantity), column(events.cents)
    is_copy = np.concatenate([doubled.is_copy, np.zeros(len(wrong), bool)])
    id_rows = np.concatenate([doubled.id_rows, 2 * size + np.arange(len(wrong))])

    person = sessions.person[session]
    # The copy of an event is the same visitor's, known or not, as its original.
    known_at = at - np.concatenate([doubled.shift, np.zeros(len(wrong), np.int64)])
    is_known = known_at >= sessions.known_from[session]
    is_messy = rng.random(len(at)) < dirt.messy_address
    # A copy under a new id spells the address as it likes; normalised it is the same.
    speller = np.where(is_known, person + len(people) * is_messy, -1)
    is_wrong = np.arange(len(at)) >= len(rows)
    speller[is_wrong] = len(addresses) + np.arange(len(wrong))
    known_addresses = pa.concat_arrays([addresses, not_addresses(wrong)])
    written = _written(rng, at, is_copy, dirt)

    order = np.flatnonzero(at <= calendar.end)
    order = order[np.argsort(at[order], kind="stable")]
    session, product, topic, at = session[order], product[order], topic[order], at[order]
    type_code, cents = type_code[order], cents[order]
    mailing = sessions.mailing[session]
    is_from_mail = sessions.source[session] == web.MAIL
    categories = catalogue.category[product]
    category = np.where(product >= 0, categories, np.where(type_code == web.FILTER_VIEW, topic, -1))
    device = sessions.device[session]
    place = sessions.place[session]
    searches = [f'{{"query":"{name}"}}' for name in catalogue.categories]
    filters = [f'{{"filter":"category","value":"{name}"}}' for name in catalogue.categories]
    properties = np.where(
        type_code == web.FILTER_VIEW, topic + len(searches), np.where(topic >= 0, topic, -1)
    )
    table = pa.table(
        {
            "event_id": hex_ids(
                scramble((chunk << _ROWS_PER_CHUNK) + id_rows[order], keys.web_event)
            ),
            "event_type": choose(list(web.EVENT_TYPES), type_code),
            "occurred_at": timestamps(at),
            "anonymous_id": hex_ids(scramble(sessions.cookie[session], keys.cookie)),
            "email": choose(known_addresses, speller[order]),
            "session_id": hex_ids(scramble((chunk << _ROWS_PER_CHUNK) + session, keys.session)),
            "url": choose(*_urls(type_code, product, catalogue, params)),
            "referrer": choose(
                ["https://search.example/"], np.where(is_from_mail | (session % 3 > 0), -1, 0)
            ),
            "utm_source": choose(["newsletter"], np.where(is_from_mail, 0, -1)),
            "utm_medium": choose(["email"], np.where(is_from_mail, 0, -1)),
            "utm_campaign": choose(mailings.ids, mailing),
            "product_id": choose(catalogue.ids, product),
            "category": choose(catalogue.categories, category),
            "quantity": pa.array(quantity[order], mask=quantity[order] < 0),
            "unit_price": money(cents, 2, cents < 0),
            "device_type": choose(DEVICES, device),
            "country": choose([each.country for each in PLACES], place),
            "region": choose([each.region for each in PLACES], place),
            "city": choose([each.city for each in PLACES], place),
            "properties": choose(searches + filters, properties),
        }
    )
    return Batch(table, written[order])


def _urls(
    type_code: Codes, product: Codes, catalogue: Catalogue, params: Params
) -> tuple[list[str], Codes]:
    site = params.shop.site
    paths = {web.SEARCH: "search", web.CHECKOUT: "checkout", web.FORM: "account"}
    urls = [f"{site}/", *(f"{site}/{path}" for path in paths.values())]
    fixed = np.zeros(len(web.EVENT_TYPES), dtype=np.int64)
    fixed[list(paths)] = np.arange(1, len(urls))
    which = np.where(product >= 0, len(urls) + product, fixed[type_code])
    return urls + [f"{site}/p/{product_id}" for product_id in catalogue.ids], which


def money(
    cents: Codes, scale: int, is_null: npt.NDArray[np.bool_] | None = None
) -> pa.Decimal128Array:
    """Return cents as decimal(18, scale) without a detour over floats."""
    units = cents * 10 ** (scale - 2)
    halves = np.stack([units, np.where(units < 0, -1, 0)], axis=1).astype("<i8")
    bits = None if is_null is None else pa.array(~is_null).buffers()[1]
    return pa.Decimal128Array.from_buffers(
        pa.decimal128(18, scale), len(units), [bits, pa.py_buffer(np.ascontiguousarray(halves))]
    )


def orders(
    rng: np.random.Generator,
    people: People,
    addresses: pa.Array,
    placed: Orders,
    catalogue: Catalogue,
    chunk: int,
    params: Params,
) -> tuple[Batch, Batch]:
    """Write the versions of orders and of their lines."""
    count = len(people)
    ids = pc.binary_join_element_wise(
        "W", str(chunk + 1), pa.array(np.arange(len(placed))).cast(pa.string()), "-"
    )
    order, updated = placed.version_order, placed.versions_at
    is_untimed = updated == NEVER
    happened = np.where(is_untimed, placed.ordered[order], updated)
    rows = np.argsort(happened, kind="stable")
    order, updated, is_untimed = order[rows], updated[rows], is_untimed[rows]
    speller = placed.person + count * (rng.random(len(placed)) < params.dirt.messy_address)
    speller = np.where(placed.is_to_second_address, 2 * count + placed.person, speller)
    all_addresses = pa.concat_arrays([addresses, people.second_addresses])
    versions = pa.table(
        {
            "order_id": ids.take(pa.array(order)),
            "email": choose(all_addresses, speller[order]),
            "ordered_at": timestamps(placed.ordered[order]),
            "status": choose(STATUSES, placed.version_status[rows]),
            "currency": choose([params.shop.currency], np.zeros(len(order), np.int64)),
            "total_amount": money(placed.total[order], 2),
            "updated_at": timestamps(np.where(is_untimed, 0, updated), is_untimed),
            # The contract doesn't know this column: the loader names it and keeps it out.
            "sales_channel": choose(["web", "app"], placed.person[order] % 2),
        }
    )
    line_at = np.where(placed.lines_at == NEVER, placed.ordered[placed.line_order], placed.lines_at)
    rows = np.argsort(line_at, kind="stable")
    lines_at = placed.lines_at[rows]
    lines = pa.table(
        {
            "order_id": ids.take(pa.array(placed.line_order[rows])),
            "line_number": pa.array(placed.line_number[rows]),
            "product_id": choose(catalogue.ids, placed.line_product[rows]),
            "quantity": pa.array(placed.line_quantity[rows]),
            "unit_price": money(placed.line_cents[rows], 6),
            "updated_at": timestamps(np.where(lines_at == NEVER, 0, lines_at), lines_at == NEVER),
        }
    )
    return Batch(versions, np.sort(happened, kind="stable")), Batch(lines, line_at[rows])


def products(catalogue: Catalogue, calendar: Calendar) -> pa.Table:
    """Write the products, the repriced ones in two versions."""
    everything = np.arange(len(catalogue))
    repriced = everything[catalogue.repriced_at < NEVER]
    product = np.concatenate([everything, repriced])
    is_later = np.arange(len(product)) >= len(everything)
    cents = np.where(is_later, catalogue.later_cents[product], catalogue.first_cents[product])
    updated = np.where(is_later, catalogue.repriced_at[product], calendar.start - DAY)
    names = pa.array(catalogue.names, pa.string()).take(pa.array(product))
    return pa.table(
        {
            "product_id": pa.array(catalogue.ids, pa.string()).take(pa.array(product)),
            "name": names,
            "category": as_strings(choose(catalogue.categories, catalogue.category[product])),
            "price": money(cents, 2),
            "description": pc.binary_join_element_wise(names, "made to last.", ": "),
            "updated_at": timestamps(updated),
        }
    )


def campaigns(mailings: Mailings, params: Params, calendar: Calendar) -> pa.Table:
    """Write the campaigns sent up to the end; some had another subject first."""
    at = mailings.sent_at(calendar)
    sent = np.flatnonzero(mailings.day <= calendar.end)
    first = sent[sent % 9 == 4]
    which = np.concatenate([sent, first])
    is_draft = np.arange(len(which)) >= len(sent)
    ids = pa.array(mailings.ids, pa.string()).take(pa.array(which))
    categories = list(params.mailing.categories)
    titles = [f"{name.replace('_', ' ').capitalize()} of the shop" for name in categories]
    subject = choose([*titles, "Draft"], np.where(is_draft, len(titles), mailings.category[which]))
    return pa.table(
        {
            "campaign_id": ids,
            "name": pc.binary_join_element_wise("Mailing", ids, " "),
            "subject": as_strings(subject),
            "sent_at": timestamps(at[which]),
            "category": as_strings(choose(categories, mailings.category[which])),
            "updated_at": timestamps(
                np.minimum(at[which], calendar.end) - np.where(is_draft, 3 * DAY, DAY)
            ),
        }
    )
