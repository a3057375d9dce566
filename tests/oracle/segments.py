"""The shipped segments, one function a rule, read from the chapter *Segments*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, available_timezones

from tests.oracle.engagement import in_last
from tests.oracle.raw import Row, group, nulls_lowest

IANA_NAMES = frozenset(available_timezones())


@dataclass(frozen=True)
class Scores:
    """What the models say of one profile; null where there is no score."""

    churn: float | None = None
    open: float | None = None


@dataclass(frozen=True)
class Person:
    """One profile as the rules see it. `orders` are the placed and paid ones."""

    address: str
    web_events: Sequence[Row]
    orders: Sequence[Row]
    tier: str
    inactive_reason: str | None
    country: str | None
    region: str | None
    birth_date: date | None
    timezone: str | None
    may_be_profiled: bool


def is_timezone(name: str | None) -> bool:
    """Tell whether a text is an IANA name."""
    return name in IANA_NAMES


def events_of(person: Person, event_type: str, days: int, as_of: datetime) -> list[Row]:
    """Return a person's web events of one type in the last days."""
    return [
        e
        for e in person.web_events
        if e["event_type"] == event_type and in_last(days, e["occurred_at"], as_of)
    ]


def has_order_since(person: Person, instant: datetime) -> bool:
    """Tell whether a person ordered at or after an instant."""
    return any(order["ordered_at"] >= instant for order in person.orders)


def open_cart(person: Person, as_of: datetime) -> dict[str, int]:
    """Return how many of each product are in the open cart, those that are above 0."""
    last_order_at = max((order["ordered_at"] for order in person.orders), default=None)
    cart: dict[str, int] = {}
    for event_type, sign in (("add_to_cart", 1), ("remove_from_cart", -1)):
        for event in events_of(person, event_type, 7, as_of):
            after_last_order = last_order_at is None or event["occurred_at"] > last_order_at
            if event["product_id"] is not None and after_last_order:
                quantity = 1 if event["quantity"] is None else event["quantity"]
                cart[event["product_id"]] = cart.get(event["product_id"], 0) + sign * quantity
    return {product_id: quantity for product_id, quantity in cart.items() if quantity > 0}


def price(person: Person, product_id: str, products: Sequence[Row]) -> Decimal:
    """Return the price at which a product in a person's cart counts."""
    priced = [
        e
        for e in person.web_events
        if e["product_id"] == product_id and e["unit_price"] is not None
    ]
    if priced:
        newest = max(priced, key=lambda e: (e["occurred_at"], e["unit_price"]))
        return Decimal(newest["unit_price"])
    for product in products:
        if product["product_id"] == product_id and product["price"] is not None:
            return Decimal(product["price"])
    return Decimal(0)


def cart_value(person: Person, products: Sequence[Row], as_of: datetime) -> Decimal:
    """Return what the open cart is worth."""
    return sum(
        (
            quantity * price(person, product_id, products)
            for product_id, quantity in open_cart(person, as_of).items()
        ),
        Decimal(0),
    )


def potentially_interested(person: Person, as_of: datetime) -> bool:
    """Tell whether a product was viewed in the last 24 h and nothing ordered since."""
    views = [e["occurred_at"] for e in events_of(person, "product_view", 1, as_of)]
    return bool(views) and not has_order_since(person, min(views))


def recent_abandoners(person: Person, as_of: datetime) -> bool:
    """Tell whether a cart was filled in the last 24 h and left with something in it."""
    adds = [e["occurred_at"] for e in events_of(person, "add_to_cart", 1, as_of)]
    return bool(adds and not has_order_since(person, max(adds)) and open_cart(person, as_of))


def frequent_browsers(person: Person, as_of: datetime) -> bool:
    """Tell whether products were viewed in 3 sessions of 7 days without an order in 30."""
    views = events_of(person, "product_view", 7, as_of)
    sessions = {e["session_id"] for e in views if e["session_id"] is not None}
    ordered = any(in_last(30, order["ordered_at"], as_of) for order in person.orders)
    return len(sessions) >= 3 and not ordered


def abandoned_cart_ny(person: Person, as_of: datetime) -> bool:
    """Tell whether a recent abandoner lives in New York."""
    in_new_york = person.country == "US" and person.region in ("NY", "New York")
    return in_new_york and recent_abandoners(person, as_of)


def recent_category(
    person: Person, order_lines: Sequence[Row], products: Sequence[Row], as_of: datetime
) -> tuple[bool, str | None]:
    """Tell whether a person ordered a line in 30 days, and the category most bought."""
    recent = {o["order_id"] for o in person.orders if in_last(30, o["ordered_at"], as_of)}
    lines = [line for line in order_lines if line["order_id"] in recent]
    category_of = {product["product_id"]: product["category"] for product in products}
    categories = group(lines, lambda line: category_of.get(line["product_id"]))
    bought = [
        (-sum(line["quantity"] for line in same), nulls_lowest([category]), category)
        for category, same in categories.items()
        if category is not None
    ]
    return bool(lines), min(bought)[2] if bought else None


def birthday_in(birth_date: date, year: int) -> date:
    """Return the day on which a birthday is kept in a year."""
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if (birth_date.month, birth_date.day) == (2, 29) and not is_leap:
        return date(year, 2, 28)
    return date(year, birth_date.month, birth_date.day)


def birthday_week(person: Person, as_of: datetime) -> bool:
    """Tell whether a birthday is today or on one of the next 6 days, where the person lives."""
    if person.birth_date is None:
        return False
    zone = ZoneInfo(person.timezone or "UTC")
    today = as_of.replace(tzinfo=UTC).astimezone(zone).date()
    days = [today + timedelta(days=number) for number in range(7)]
    return any(day == birthday_in(person.birth_date, day.year) for day in days)


def win_back(person: Person) -> bool:
    """Tell whether somebody who once ordered ignores us."""
    return person.inactive_reason == "ignored" and len(person.orders) >= 1


def churn_risks(scores: Mapping[str, Scores]) -> set[str]:
    """Return whose churn probability is in the top decile, by `cume_dist`."""
    scored = {address: s.churn for address, s in scores.items() if s.churn is not None}
    return {
        address
        for address, own in scored.items()
        if sum(other >= own for other in scored.values()) / len(scored) <= 0.1
    }


def members(
    people: Sequence[Person],
    order_lines: Sequence[Row],
    products: Sequence[Row],
    scores: Mapping[str, Scores] | None,
    as_of: datetime,
) -> list[Row]:
    """Return who is in which segment now; the scored ones only where scores are handed in."""
    rows: list[Row] = []
    allowed = {
        person.address: scores[person.address]
        for person in people
        if scores is not None and person.may_be_profiled and person.address in scores
    }
    risks = churn_risks(allowed)
    for person in people:
        buys, category = recent_category(person, order_lines, products, as_of)
        open_probability = allowed.get(person.address, Scores()).open
        rules = {
            "high_engagement": person.tier == "highly_engaged",
            "potentially_interested": potentially_interested(person, as_of),
            "recent_abandoners": recent_abandoners(person, as_of),
            "frequent_browsers": frequent_browsers(person, as_of),
            "high_value_cart_dropouts": cart_value(person, products, as_of) >= 100,
            "abandoned_cart_ny": abandoned_cart_ny(person, as_of),
            "recent_category_buyers": buys,
            "birthday_week": birthday_week(person, as_of),
            "win_back": win_back(person),
            "churn_risk": person.address in risks,
            "likely_openers": open_probability is not None and open_probability >= 0.5,
        }
        for segment, holds in rules.items():
            if holds:
                attribute = category if segment == "recent_category_buyers" else None
                rows.append({"segment": segment, "email": person.address, "attribute": attribute})
    return rows
