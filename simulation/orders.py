"""What people buy: orders with their lines, and the versions both go through."""

from dataclasses import dataclass

import numpy as np

from simulation.browsing import Browsing
from simulation.calendar import DAY, HOUR, MINUTE, NEVER, Calendar, Times
from simulation.catalogue import Catalogue
from simulation.params import Params
from simulation.people import Codes, Flags, People

STATUSES = ("placed", "paid", "cancelled", "refunded")
PLACED, PAID, CANCELLED, REFUNDED = range(4)


@dataclass(frozen=True)
class Orders:
    """Orders, one array entry each, and their versions and lines, which index the orders.

    `versions_at` and `lines_at` are the times of versions, `NEVER` where none is given (the time
    of the order counts); a version's status is -1 where none is given (placed). Money is in cents.
    """

    person: Codes
    session: Codes
    ordered: Times
    is_to_second_address: Flags
    total: Codes
    version_order: Codes
    version_status: Codes
    versions_at: Times
    line_order: Codes
    line_number: Codes
    line_product: Codes
    line_quantity: Codes
    line_cents: Codes
    lines_at: Times

    def __len__(self) -> int:
        return len(self.person)


def place(
    rng: np.random.Generator,
    people: People,
    browsing: Browsing,
    catalogue: Catalogue,
    params: Params,
    calendar: Calendar,
) -> Orders:
    """Turn the carts of buying sessions into orders and let these be paid, cancelled, refunded."""
    rows = browsing.rows
    session = np.flatnonzero(browsing.ordered < NEVER)
    number_of = np.full(len(browsing.sessions), -1)
    number_of[session] = np.arange(len(session))
    person, ordered = browsing.sessions.person[session], browsing.ordered[session]
    count = len(session)

    bought = np.flatnonzero((rows.added > 0) & ~rows.is_removed & (number_of[rows.session] >= 0))
    line_order = number_of[rows.session[bought]]
    lines = np.bincount(line_order, minlength=count)
    line_number = np.arange(len(bought)) - (np.cumsum(lines) - lines)[line_order] + 1
    quantity, product = rows.added[bought], rows.product[bought]
    cents = catalogue.cents(product, rows.at[bought])
    total = np.bincount(line_order, weights=quantity * cents, minlength=count).astype(np.int64)

    fate = rng.random(count)
    orders = params.orders
    is_cancelled = fate < orders.cancelled
    is_refunded = (fate >= orders.cancelled) & (fate < orders.cancelled + orders.refunded)
    is_paid = ~is_cancelled & (is_refunded | (rng.random(count) < orders.paid))
    everything = np.arange(count)
    is_unsaid = rng.random(count) < 0.1
    is_untimed = rng.random(count) < 0.3
    versions = [
        (everything, np.where(is_unsaid, -1, PLACED), np.where(is_untimed, NEVER, ordered)),
        _version(rng, is_paid, PAID, ordered, MINUTE, 30 * MINUTE),
        _version(rng, is_cancelled, CANCELLED, ordered, HOUR, 48 * HOUR),
        _version(rng, is_refunded, REFUNDED, ordered, 3 * DAY, 25 * DAY),
    ]
    version_order, version_status, versions_at = (
        np.concatenate(each) for each in zip(*versions, strict=True)
    )
    has_happened = (versions_at <= calendar.end) | (versions_at == NEVER)

    corrected = np.flatnonzero(rng.random(len(bought)) < orders.line_corrected)
    corrected_at = ordered[line_order[corrected]] + (
        rng.uniform(1, 5, len(corrected)) * DAY
    ).astype(np.int64)
    corrected, corrected_at = (
        corrected[corrected_at <= calendar.end],
        corrected_at[corrected_at <= calendar.end],
    )
    every = np.concatenate([np.arange(len(bought)), corrected])
    is_correction = np.arange(len(every)) >= len(bought)
    return Orders(
        person=person,
        session=session,
        ordered=ordered,
        is_to_second_address=people.has_second_address[person]
        & (rng.random(count) < params.people.share_of_orders_to_second_address),
        total=total,
        version_order=version_order[has_happened],
        version_status=version_status[has_happened],
        versions_at=versions_at[has_happened],
        line_order=line_order[every],
        line_number=line_number[every],
        line_product=product[every],
        line_quantity=quantity[every] + is_correction,
        line_cents=cents[every],
        lines_at=np.concatenate([np.full(len(bought), NEVER), corrected_at]),
    )


def _version(
    rng: np.random.Generator, which: Flags, status: int, ordered: Times, low: int, high: int
) -> tuple[Codes, Codes, Times]:
    orders = np.flatnonzero(which)
    at = ordered[orders] + rng.uniform(low, high, len(orders)).astype(np.int64)
    return orders, np.full(len(orders), status), at
