"""What is sent to whom: the shop's mailings, and the messages with their odds of being read."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulation.calendar import DAY, HOUR, MINUTE, Calendar, Floats, Times
from simulation.catalogue import Catalogue
from simulation.odds import logistic, mean_logistic, normal_quantile
from simulation.params import Params
from simulation.people import Codes, Flags, People, pick, vigour

_SEND_HOURS: Final = np.array([7, 8, 9, 10, 12, 15, 17, 18, 19, 20])

# A send is spread over so long, as services throttle.
THROTTLE: Final = 20 * MINUTE

# Base log-odds are sought between these.
_LOWEST_BASE, _HIGHEST_BASE = -12.0, 6.0
_HALVINGS: Final = 22  # to 4e-6


@dataclass(frozen=True)
class Mailings:
    """The shop's mailings, past the end up to the horizon: one array entry per mailing.

    `quality` shifts the log-odds of all its messages; `products` has one column per link.
    """

    ids: list[str]
    day: Times
    hour: Codes
    is_local: Flags
    category: Codes
    quality: Floats
    products: Codes
    urls: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    def sent_at(self, calendar: Calendar) -> Times:
        """Return when each mailing goes out by the shop's own clock."""
        at: Times = self.day + self.hour * HOUR - calendar.offsets[-1, calendar.day(self.day)]
        return at


@dataclass(frozen=True)
class Messages:
    """One message per person and mailing, one array entry each.

    `probability` is that of reading it for a person in full vigour who is still mailed, over all
    qualities that its mailing may turn out to have; `actual` knows the quality.
    """

    person: Codes
    mailing: Codes
    sent: Times
    probability: Floats
    actual: Floats

    def __len__(self) -> int:
        return len(self.person)

    def only(self, keep: npt.NDArray[np.bool_]) -> "Messages":
        """Return the messages where `keep` is true."""
        return Messages(
            self.person[keep],
            self.mailing[keep],
            self.sent[keep],
            self.probability[keep],
            self.actual[keep],
        )


def plan(
    rng: np.random.Generator, params: Params, calendar: Calendar, catalogue: Catalogue
) -> Mailings:
    """Draw the mailings of the whole time: `per_week` of each seven days."""
    mailing = params.mailing
    weeks = -(-(calendar.horizon_end - calendar.start) // (7 * DAY))
    weekdays = np.sort(
        rng.permuted(np.tile(np.arange(7), (weeks, 1)), axis=1)[:, : mailing.per_week]
    )
    day = (calendar.start + (np.arange(weeks)[:, None] * 7 + weekdays) * DAY).ravel()
    day = day[day < calendar.horizon_end - DAY]
    count = len(day)
    shelf = np.array([len(products) for products in catalogue.by_category])
    featured = pick(rng, list(shelf.astype(float)), count)
    links = mailing.links_per_mailing
    products = catalogue.choose_in(rng, np.repeat(featured, links)).reshape(count, links)
    ids = [f"c{number:04d}" for number in range(1, count + 1)]
    ranks = (rng.permutation(count) + 0.5) / count
    # The position in the mail tells links apart that lead to the same product.
    urls = [
        f"{params.shop.site}/p/{catalogue.ids[product]}?utm_source=newsletter&utm_medium=email"
        f"&utm_campaign={campaign}&position={position}"
        for campaign, row in zip(ids, products, strict=True)
        for position, product in enumerate(row, start=1)
    ]
    return Mailings(
        ids=ids,
        day=day,
        hour=rng.choice(_SEND_HOURS, count),
        is_local=rng.random(count) < mailing.share_local_time,
        category=pick(rng, list(mailing.categories.values()), count),
        quality=params.opening.mailing_quality_spread * normal_quantile(ranks),
        products=products,
        urls=urls,
    )


def address(
    rng: np.random.Generator,
    people: People,
    mailings: Mailings,
    base: float,
    params: Params,
    calendar: Calendar,
) -> Messages:
    """Draw who gets which mailing up to the end, as if nobody unsubscribed or bounced."""
    at = mailings.sent_at(calendar)
    chosen = (
        (rng.random((len(people), len(mailings)), dtype=np.float32) < inclusion(people, params))
        & may_get(people, mailings, params)
        & (at >= people.signed_up[:, None] + HOUR)
        & (at < people.mailed_until[:, None])
        & (at < calendar.end + DAY)
    )
    person, mailing = np.nonzero(chosen)
    sent = planned_for(people, person, mailings, mailing, calendar)
    sent += (rng.random(len(person)) * THROTTLE).astype(np.int64)
    fits = (
        (sent >= calendar.start)
        & (sent <= calendar.end)
        & (sent > people.signed_up[person])
        & (sent < people.mailed_until[person])
    )
    person, mailing, sent = person[fits], mailing[fits], sent[fits]
    odds = reading_log_odds(people, person, mailings, mailing, sent, base, params, calendar)
    return Messages(
        person=person,
        mailing=mailing,
        sent=sent,
        probability=mean_logistic(odds, params.opening.mailing_quality_spread),
        actual=logistic(odds + mailings.quality[mailing]),
    )


def inclusion(people: People, params: Params) -> Floats:
    """Return the probability that a person gets a mailing at all, as a column."""
    of_class = np.array(list(params.mailing.frequency_inclusion.values()))
    chances: Floats = of_class[people.frequency][:, None]
    return chances


def may_get(people: People, mailings: Mailings, params: Params) -> Flags:
    """Tell which mailings (columns) are meant for which people (rows): some for members alone."""
    is_for_members = mailings.category == _code_of("members", params)
    is_member = people.loyalty >= params.mailing.members_loyalty
    allowed: Flags = ~is_for_members | is_member[:, None]
    return allowed


def planned_for(
    people: People, person: Codes, mailings: Mailings, mailing: Codes, calendar: Calendar
) -> Times:
    """Return when messages are due: by the shop's clock or the recipient's."""
    day = mailings.day[mailing]
    offset = calendar.offsets[people.place[person], calendar.day(day)]
    own_clock = day + mailings.hour[mailing] * HOUR - offset
    return np.where(mailings.is_local[mailing], own_clock, mailings.sent_at(calendar)[mailing])


def reading_log_odds(
    people: People,
    person: Codes,
    mailings: Mailings,
    mailing: Codes,
    sent: Times,
    base: float,
    params: Params,
    calendar: Calendar,
) -> Floats:
    """Return the log-odds that messages are read by people in full vigour, but for quality."""
    opening = params.opening
    category = mailings.category[mailing]
    tenure_days = (sent - people.signed_up[person]) / DAY
    from_peak = calendar.local_hour(sent, people.place[person]) - people.peak_hour[person]
    odds: Floats = (
        base
        + people.reading[person]
        + np.array(list(opening.category_effects.values()))[category]
        + people.taste[person, category]
        + opening.hour_effect * np.cos(from_peak * (2 * np.pi / 24))
        + opening.honeymoon_effect * np.exp(-tenure_days / opening.honeymoon_days)
    )
    return odds


def _code_of(category: str, params: Params) -> int:
    names = list(params.mailing.categories)
    return names.index(category) if category in names else -1


def solve_base(
    rng: np.random.Generator,
    pilot: People,
    mailings: Mailings,
    params: Params,
    calendar: Calendar,
) -> float:
    """Find the base log-odds at which the expected human open rate per send meets its target.

    Bisection on a pilot group, whose expected rate rises with the base.
    """
    messages = address(rng, pilot, mailings, 0.0, params, calendar)
    dies = np.minimum(pilot.address_dies, calendar.end)
    messages = messages.only(messages.sent <= dies[messages.person])
    if not len(messages):
        return 0.0
    person = messages.person
    share = (
        pilot.is_visible()[person]
        * vigour(messages.sent, pilot.decline_starts[person], pilot.gone[person])
        * (1 - params.mailing.soft_bounce_rate)
    )
    # Who reads may unsubscribe and is mailed no more: a message counts by the chance that its
    # person is still there after what was read before.
    stop_rate = params.clicking.unsubscribe_rate + params.clicking.complaint_rate
    first = np.searchsorted(person, person)
    reads_here = vigour(messages.sent, pilot.decline_starts[person], pilot.gone[person])
    log_odds = np.log(messages.actual / (1 - messages.actual))
    low, high = _LOWEST_BASE, _HIGHEST_BASE
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        read = logistic(middle + log_odds)
        before = np.concatenate([[0.0], np.cumsum(read * reads_here)])
        still_there = np.exp(-stop_rate * (before[:-1] - before[first]))
        rate = float(np.sum(still_there * share * read) / np.sum(still_there))
        low, high = (middle, high) if rate < params.targets.open_rate else (low, middle)
    return (low + high) / 2
