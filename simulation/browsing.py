"""What people do on the site: sessions from mails, own visits and purchases, and their events."""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from simulation.calendar import DAY, HOUR, NEVER, PLACES, SECOND, Calendar, Floats, Times
from simulation.catalogue import Catalogue
from simulation.mail import Mailings
from simulation.params import Params
from simulation.people import Codes, Flags, People, vigour
from simulation.responses import CLICK, Responses

EVENT_TYPES: Final = (
    "page_view",
    "product_view",
    "filter_view",
    "add_to_cart",
    "remove_from_cart",
    "checkout_started",
    "search",
    "video_play",
    "scroll",
    "form_submit",
)
(
    PAGE_VIEW,
    PRODUCT_VIEW,
    FILTER_VIEW,
    ADD,
    REMOVE,
    CHECKOUT,
    SEARCH,
    VIDEO,
    SCROLL,
    FORM,
) = range(10)

OWN, MAIL, STRANGER = range(3)

# A session runs: the landing page, a look around, the products one by one, the cart, the checkout.
_FIRST_PRODUCT: Final = 20 * SECOND
_PER_PRODUCT: Final = 45 * SECOND
_MOST_PRODUCTS: Final = 8

_SIGN_UP_BROWSING: Final = 20 * DAY
_SHARE_BEFORE_SIGN_UP: Final = 0.4
_SPREAD_OF_HOURS: Final = 4.0
_SHARE_WITHOUT_PLACE: Final = 0.03


@dataclass(frozen=True)
class Sessions:
    """Sessions on the site, one array entry each.

    `person` of a stranger is the one whose taste and town are borrowed; `mailing` and `product`
    (the page landed on) are -1 for none; `buys` tells those that end in an order. `cookie` numbers
    the browser's anonymous id; the visitor is known by address from `known_from` on.
    """

    person: Codes
    at: Times
    source: Codes
    mailing: Codes
    product: Codes
    buys: Flags
    cookie: npt.NDArray[np.uint64]
    device: Codes
    place: Codes
    known_from: Times
    looked_at: Codes

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True)
class CartRows:
    """Products looked at in sessions: which, when, how many were put in the cart and stayed."""

    session: Codes
    product: Codes
    at: Times
    added: Codes
    is_removed: Flags


@dataclass(frozen=True)
class WebEvents:
    """Events on the site, one array entry each; -1 stands for null in all but `at`."""

    type: Codes
    at: Times
    session: Codes
    product: Codes
    quantity: Codes
    cents: Codes
    topic: Codes

    def __len__(self) -> int:
        return len(self.type)


@dataclass(frozen=True)
class Browsing:
    """All that happened on the site up to the end; `ordered` is per session, `NEVER` if not."""

    sessions: Sessions
    rows: CartRows
    events: WebEvents
    ordered: Times


def browse(
    rng: np.random.Generator,
    people: People,
    mailings: Mailings,
    responses: Responses,
    catalogue: Catalogue,
    params: Params,
    calendar: Calendar,
    first_stranger: int,
) -> Browsing:
    """Let people visit the site, from mails and of their own accord."""
    sessions = _sessions(
        rng, people, mailings, responses, catalogue, params, calendar, first_stranger
    )
    rows = _cart_rows(rng, people, sessions, catalogue, params)
    return _events(rng, people, sessions, rows, catalogue, params, calendar)


def arrivals(
    rng: np.random.Generator,
    people: People,
    per_day: Floats,
    starts: Times,
    calendar: Calendar,
) -> tuple[Codes, Times]:
    """Draw a Poisson process per person that follows the season and the person's vigour.

    Thinning of a process at the highest season's rate; within its local day each arrival moves to
    an hour around the person's favourite one.
    """
    # Evenings of the last day are drawn from the day after, as far as they lie before the end.
    last = calendar.end + DAY
    peak = float(calendar.season.max())
    spans = np.maximum(last - starts, 0)
    counts = rng.poisson(per_day * peak * spans / DAY)
    person = np.repeat(np.arange(len(people)), counts)
    at = starts[person] + (rng.random(len(person)) * spans[person]).astype(np.int64)
    place = people.place[person]
    hour = (people.peak_hour[person] + _SPREAD_OF_HOURS * rng.standard_normal(len(person))) % 24
    at += ((hour - calendar.local_hour(at, place)) * HOUR).astype(np.int64)
    chance = (
        calendar.season[calendar.day(at)]
        / peak
        * vigour(at, people.decline_starts[person], people.gone[person])
    )
    keep = (
        (rng.random(len(person)) < chance)
        & (at >= np.maximum(starts[person], calendar.start))
        & (at <= calendar.end)
    )
    return person[keep], at[keep]


def _sessions(
    rng: np.random.Generator,
    people: People,
    mailings: Mailings,
    responses: Responses,
    catalogue: Catalogue,
    params: Params,
    calendar: Calendar,
    first_stranger: int,
) -> Sessions:
    browsing = params.browsing
    member_since = np.maximum(people.signed_up, calendar.start)
    curious_since = np.maximum(people.signed_up - _SIGN_UP_BROWSING, calendar.start)

    buyer, bought_at = arrivals(rng, people, people.orders_per_day, member_since, calendar)
    visitor, visited_at = arrivals(rng, people, people.visits_per_day, curious_since, calendar)
    is_early = visited_at < people.signed_up[visitor]
    keep = ~is_early | (rng.random(len(visitor)) < _SHARE_BEFORE_SIGN_UP)
    visitor, visited_at = visitor[keep], visited_at[keep]
    returns = np.repeat(np.arange(len(visitor)), rng.poisson(browsing.return_visits, len(visitor)))
    later = rng.exponential(browsing.return_days, len(returns)) * DAY
    returned_at = visited_at[returns] + later.astype(np.int64)
    returner = visitor[returns]
    keep = (returned_at <= calendar.end) & (returned_at < people.gone[returner])
    returner, returned_at = returner[keep], returned_at[keep]

    clicker, clicked_at, url = _first_clicks(responses)
    keep = rng.random(len(clicker)) < browsing.click_opens_session
    clicker, clicked_at, url = clicker[keep], clicked_at[keep] + 2 * SECOND, url[keep]

    person = np.concatenate([buyer, visitor, returner, clicker])
    at = np.concatenate([bought_at, visited_at, returned_at, clicked_at])
    own = len(buyer) + len(visitor) + len(returner)
    source = np.repeat([OWN, MAIL], [own, len(clicker)])
    links = params.mailing.links_per_mailing
    mailing = np.concatenate([np.full(own, -1), url // links])
    product = np.concatenate([np.full(own, -1), mailings.products.ravel()[url]])
    buys = np.arange(len(person)) < len(buyer)
    buys |= (source == MAIL) & (rng.random(len(person)) < params.orders.click_conversion)

    strange = rng.integers(0, max(len(person), 1), int(browsing.stranger_share * len(person)))
    moments = calendar.start + rng.random(len(strange)) * (calendar.end - calendar.start)
    person = np.concatenate([person, person[strange]])
    at = np.concatenate([at, moments.astype(np.int64)])
    source = np.concatenate([source, np.full(len(strange), STRANGER)])
    mailing = np.concatenate([mailing, np.full(len(strange), -1)])
    product = np.concatenate([product, np.full(len(strange), -1)])
    buys = np.concatenate([buys, np.zeros(len(strange), bool)])

    order = np.lexsort((person, at))
    person, at, source, mailing, product = (
        each[order] for each in (person, at, source, mailing, product)
    )
    buys = buys[order]
    count = len(person)
    slot = (rng.random(count) < browsing.second_device_share).astype(np.int64)
    is_stranger = source == STRANGER
    device = np.where(slot == 1, (people.device[person] + 1) % 2, people.device[person])
    known_by_link = (source == MAIL) & (rng.random(count) < browsing.click_known)
    logs_in = ~known_by_link & (rng.random(count) < browsing.log_in_probability)
    logged_in_at = at + (rng.uniform(5, 120, count) * SECOND).astype(np.int64)
    known_from = np.where(known_by_link, at, np.where(logs_in, logged_in_at, NEVER))
    # Nobody logs in before there is an account.
    known_from = np.maximum(known_from, people.signed_up[person])
    known_from[is_stranger] = NEVER
    is_away = rng.random(count) < params.people.share_travelling
    place = np.where(is_away, rng.integers(0, len(PLACES), count), people.place[person])
    place[rng.random(count) < _SHARE_WITHOUT_PLACE] = -1

    looks = (rng.random(count) < browsing.look_probability) | buys | (product >= 0)
    looked_at = np.minimum(1 + rng.poisson(browsing.products_viewed - 1, count), _MOST_PRODUCTS)
    looked_at[~looks] = 0
    return Sessions(
        person=person,
        at=at,
        source=source,
        mailing=mailing,
        product=product,
        buys=buys,
        cookie=_cookies(people, person, slot, at, is_stranger, first_stranger, params),
        device=device,
        place=place,
        known_from=known_from,
        looked_at=looked_at,
    )


def _first_clicks(responses: Responses) -> tuple[Codes, Times, Codes]:
    """Return person, time and link of the first human click of each message."""
    events = responses.events
    clicks = np.flatnonzero((events.type == CLICK) & (events.cause < 0))
    clicks = clicks[np.lexsort((events.at[clicks], events.message[clicks]))]
    _, first = np.unique(events.message[clicks], return_index=True)
    clicks = clicks[first]
    return responses.messages.person[events.message[clicks]], events.at[clicks], events.url[clicks]


def _cookies(
    people: People,
    person: Codes,
    slot: Codes,
    at: Times,
    is_stranger: Flags,
    first_stranger: int,
    params: Params,
) -> npt.NDArray[np.uint64]:
    """Number the browsers: one per person and device, replaced every `cookie_days`."""
    lasts = int(params.browsing.cookie_days * DAY)
    browser = people.number[person] * 2 + slot
    phase = browser * 7_919 * HOUR % lasts
    own = (browser << 16) + (at + phase) // lasts
    stranger = (1 << 62) + first_stranger + np.cumsum(is_stranger)
    return np.where(is_stranger, stranger, own).astype(np.uint64)


def _cart_rows(
    rng: np.random.Generator,
    people: People,
    sessions: Sessions,
    catalogue: Catalogue,
    params: Params,
) -> CartRows:
    browsing = params.browsing
    count = len(sessions)
    has_cart = sessions.buys | (rng.random(count) < browsing.cart_probability)
    wanted = 1 + np.where(
        sessions.buys,
        rng.poisson(params.orders.lines_mean - 1, count),
        rng.poisson(0.5, count),
    )
    in_cart = has_cart * np.minimum(wanted, sessions.looked_at)

    session = np.repeat(np.arange(count), sessions.looked_at)
    first = np.cumsum(sessions.looked_at) - sessions.looked_at
    step = np.arange(len(session)) - first[session]
    product = catalogue.choose(rng, people.product_taste[sessions.person[session]])
    lands_here = (step == 0) & (sessions.product[session] >= 0)
    product = np.where(lands_here, sessions.product[session], product)
    at = sessions.at[session] + _FIRST_PRODUCT + step * _PER_PRODUCT
    at += (rng.uniform(0, 28, len(session)) * SECOND).astype(np.int64)
    quantity = 1 + (rng.random(len(session)) < 0.2) + (rng.random(len(session)) < 0.05)
    is_added = step < in_cart[session]
    # A buyer keeps the first product, so that an order has a line.
    is_removed = (
        is_added
        & (rng.random(len(session)) < browsing.removal_probability)
        & ~(sessions.buys[session] & (step == 0))
    )
    return CartRows(session, product, at, np.where(is_added, quantity, 0), is_removed)


def _events(
    rng: np.random.Generator,
    people: People,
    sessions: Sessions,
    rows: CartRows,
    catalogue: Catalogue,
    params: Params,
    calendar: Calendar,
) -> Browsing:
    browsing = params.browsing
    count = len(sessions)

    def seconds(low: float, high: float, size: int) -> Times:
        return (rng.uniform(low, high, size) * SECOND).astype(np.int64)

    def some(share: float) -> Codes:
        return np.flatnonzero(rng.random(count) < share)

    done = sessions.at + _FIRST_PRODUCT + sessions.looked_at * _PER_PRODUCT
    in_cart = np.zeros(count, bool)
    in_cart[rows.session[(rows.added > 0) & ~rows.is_removed]] = True
    checks_out = sessions.buys | (in_cart & (rng.random(count) < browsing.checkout_probability))
    checkout_at = done + 60 * SECOND + seconds(0, 30, count)
    ordered = np.where(sessions.buys, checkout_at + seconds(30, 200, count), NEVER)
    ordered[ordered > calendar.end] = NEVER
    # Who starts an order says who they are.
    known_from = np.where(
        sessions.buys, np.minimum(sessions.known_from, checkout_at), sessions.known_from
    )

    everyone = np.arange(count)
    signers = np.flatnonzero(
        (people.signed_up >= calendar.start) & (people.signed_up <= calendar.end)
    )
    searches, filters = some(browsing.search_probability), some(browsing.filter_probability)
    scrolls, videos = some(0.2), some(0.03)
    added, removed = np.flatnonzero(rows.added > 0), np.flatnonzero(rows.is_removed)
    leaving = np.flatnonzero(checks_out)
    add_at = rows.at[added] + seconds(5, 14, len(added))
    topics = len(catalogue.categories)

    quantity = rows.added.copy()
    quantity[(quantity == 1) & (rng.random(len(quantity)) < 0.03)] = -1
    prices = catalogue.cents(rows.product, rows.at)
    blocks = [
        _block(PAGE_VIEW, sessions.at, everyone),
        _block(SCROLL, sessions.at[scrolls] + seconds(3, 9, len(scrolls)), scrolls),
        _block(VIDEO, sessions.at[videos] + seconds(9, 14, len(videos)), videos),
        _block(
            SEARCH,
            sessions.at[searches] + seconds(4, 9, len(searches)),
            searches,
            topic=rng.integers(0, topics, len(searches)),
        ),
        _block(
            FILTER_VIEW,
            sessions.at[filters] + seconds(10, 18, len(filters)),
            filters,
            topic=rng.integers(0, topics, len(filters)),
        ),
        _block(PRODUCT_VIEW, rows.at, rows.session, product=rows.product, cents=prices),
        _block(
            ADD,
            add_at,
            rows.session[added],
            product=rows.product[added],
            quantity=quantity[added],
            cents=prices[added],
        ),
        _block(
            REMOVE,
            done[rows.session[removed]] + seconds(5, 40, len(removed)),
            rows.session[removed],
            product=rows.product[removed],
            quantity=quantity[removed],
            cents=prices[removed],
        ),
        _block(CHECKOUT, checkout_at[leaving], leaving),
    ]
    sessions, joined = _with_sign_ups(
        people, signers, Sessions(**{**vars(sessions), "known_from": known_from}), params
    )
    blocks.append(_block(FORM, sessions.at[joined], joined))
    events = WebEvents(
        *(
            np.concatenate([getattr(block, field.name) for block in blocks])
            for field in fields(WebEvents)
        )
    )
    keep = np.flatnonzero(events.at <= calendar.end)
    events = WebEvents(*(getattr(events, field.name)[keep] for field in fields(WebEvents)))
    ordered = np.concatenate([ordered, np.full(len(joined), NEVER)])
    return Browsing(sessions, rows, events, ordered)


def _with_sign_ups(
    people: People, signers: Codes, sessions: Sessions, params: Params
) -> tuple[Sessions, Codes]:
    """Add a session of one form for each sign-up, in the browser that is in use by then."""
    size = len(signers)
    at, none = people.signed_up[signers], np.full(size, -1)
    slot, known = np.zeros(size, np.int64), np.zeros(size, bool)
    more = Sessions(
        person=signers,
        at=at,
        source=np.full(size, OWN),
        mailing=none,
        product=none,
        buys=known,
        cookie=_cookies(people, signers, slot, at, known, 0, params),
        device=people.device[signers],
        place=people.place[signers],
        known_from=at,
        looked_at=slot,
    )
    both = Sessions(
        *(
            np.concatenate([getattr(sessions, field.name), getattr(more, field.name)])
            for field in fields(Sessions)
        )
    )
    return both, len(sessions) + np.arange(size)


def _block(
    type_code: int,
    at: Times,
    session: Codes,
    *,
    product: Codes | int = -1,
    quantity: Codes | int = -1,
    cents: Codes | int = -1,
    topic: Codes | int = -1,
) -> WebEvents:
    def column(values: Codes | int) -> Codes:
        return np.broadcast_to(np.asarray(values, dtype=np.int64), at.shape)

    return WebEvents(
        column(type_code),
        at,
        session,
        column(product),
        column(quantity),
        column(cents),
        column(topic),
    )
