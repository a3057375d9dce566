"""Who the people are: what they like, when they sign up, what they agree to, when they leave."""

import unicodedata
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulation.calendar import DAY, ELSEWHERE, NEVER, NEW_YORK, Calendar, Floats, Times
from simulation.names import DOMAINS, FAMILY, GIVEN
from simulation.odds import log_odds, logistic, normal_quantile
from simulation.params import Params
from simulation.text import choose

Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

PLAIN: Final = 0
GMAIL: Final = 1
PRIVACY: Final = 2

# The third answer is none: nobody was asked, and there is no record.
GRANTED: Final = 0
REFUSED: Final = 1

_LONGEST_TENURE: Final = 3 * 365 * DAY


@dataclass(frozen=True)
class People:
    """A chunk of people: one array entry per person, times in milliseconds, `NEVER` for never.

    `reading` is the log-odds of reading a message, but for the shop's base and what changes from
    message to message. `hazard` is the rate per millisecond at which a decline begins, but for
    the first days. `mailed_until` is when the shop stops of itself: consent gone or sunset.
    """

    number: Codes
    given: Codes
    family: Codes
    domain: Codes
    place: Codes
    device: Codes
    client: Codes
    is_behind_scanner: Flags
    frequency: Codes
    openness: Floats
    loyalty: Floats
    reading: Floats
    taste: Floats
    product_taste: Floats
    peak_hour: Floats
    quickness: Floats
    clicking: Floats
    visits_per_day: Floats
    orders_per_day: Floats
    signed_up: Times
    hazard: Floats
    decline_starts: Times
    gone: Times
    sunset: Times
    mailed_until: Times
    address_dies: Times
    consent: Codes
    consent_expires: Times
    consent_withdrawn: Times
    has_profiling: Flags
    profiling_withdrawn: Times
    has_second_address: Flags
    birth_day: Codes
    addresses: pa.Array
    second_addresses: pa.Array

    def __len__(self) -> int:
        return len(self.number)

    def is_visible(self) -> Flags:
        """Tell whose opens reach the provider as human ones."""
        visible: Flags = self.client != PRIVACY
        return visible


def vigour(at: Times, decline_starts: Times, gone: Times) -> Floats:
    """Return how much of a person's activity is left: 1, falling linearly to 0 when gone."""
    left: Floats = np.clip((gone - at) / np.maximum(gone - decline_starts, 1), 0.0, 1.0)
    return left


def spread_evenly(rng: np.random.Generator, count: int) -> Floats:
    """Draw standard normals, one from each of `count` slices of equal probability, shuffled.

    A small shop then has the same mix of people as a large one.
    """
    return normal_quantile((rng.permutation(count) + rng.random(count)) / count)


def pick(rng: np.random.Generator, weights: list[float], count: int) -> Codes:
    """Draw codes 0, 1, ... with probabilities in proportion to `weights`."""
    total = np.cumsum(weights)
    return np.searchsorted(total / total[-1], rng.random(count), side="right")


def draw(
    rng: np.random.Generator, first: int, count: int, params: Params, calendar: Calendar
) -> People:
    """Draw the people `first` to `first + count - 1`."""
    who, opening, leaving = params.people, params.opening, params.leaving

    place = np.where(
        rng.random(count) < who.share_in_new_york,
        pick(rng, [place.weight for place in NEW_YORK], count),
        len(NEW_YORK) + pick(rng, [place.weight for place in ELSEWHERE], count),
    )
    device = pick(rng, list(who.devices.values()), count)
    is_private = rng.random(count) < np.array(list(who.share_privacy_proxy.values()))[device]
    is_gmail = rng.random(count) < who.share_gmail_proxy
    client = np.where(is_private, PRIVACY, np.where(is_gmail, GMAIL, PLAIN))
    is_behind_scanner = (client == PLAIN) & (rng.random(count) < who.share_behind_scanner)

    openness = spread_evenly(rng, count)
    together = who.loyalty_openness_correlation
    loyalty = together * openness + np.sqrt(1 - together**2) * rng.standard_normal(count)
    frequency = pick(rng, list(params.mailing.frequency_shares.values()), count)
    reading = (
        opening.openness_spread * openness
        + np.array(list(opening.device_effects.values()))[device]
        + np.array(list(opening.frequency_effects.values()))[frequency]
    )
    clicking = (
        log_odds(params.clicking.click_rate)
        + params.clicking.spread * rng.standard_normal(count)
        + params.clicking.openness_effect * openness
    )

    signed_up = _sign_ups(rng, count, params, calendar)
    hazard = (
        leaving.hazard_per_30_days
        / (30 * DAY)
        * np.exp(
            leaving.loyalty_effect * loyalty
            + leaving.openness_effect * openness
            + np.array(list(leaving.frequency_effects.values()))[frequency]
        )
    )
    decline_starts = signed_up + _first_arrival(rng, hazard, params)
    gone = decline_starts + _between(rng, leaving.decline_days, count)
    sunset = gone + _between(rng, leaving.sunset_days, count)
    sunset[rng.random(count) < leaving.share_never_sunset] = NEVER

    consent = pick(
        rng,
        [
            params.consents.granted_at_sign_up,
            params.consents.recorded_as_refused,
            1 - params.consents.granted_at_sign_up - params.consents.recorded_as_refused,
        ],
        count,
    )
    may_expire = (consent == GRANTED) & (rng.random(count) < params.consents.share_expiring)
    terms = np.array(params.consents.expiry_days)[rng.integers(0, 2, count)] * DAY
    expires = np.where(may_expire, signed_up + terms, NEVER)
    withdrawn = signed_up + _exponential(rng, 365 / params.consents.withdrawn_per_year, count)
    withdrawn = np.where((consent == GRANTED) & (withdrawn < expires), withdrawn, NEVER)
    mailed_until = np.minimum(np.minimum(expires, withdrawn), sunset)
    mailed_until[consent != GRANTED] = 0

    is_dead = rng.random(count) < params.mailing.dead_address_share
    dies = signed_up + _exponential(rng, 365 / params.mailing.address_death_per_year, count)

    has_profiling = rng.random(count) < params.consents.profiling_granted
    changed_mind = has_profiling & (rng.random(count) < params.consents.profiling_withdrawn)
    minds_at = signed_up + _between(rng, (20.0, 400.0), count)

    browsing, orders = params.browsing, params.orders
    # Who visits much also buys much.
    interest = spread_evenly(rng, count)
    number = np.arange(first, first + count)
    given = rng.integers(0, len(GIVEN), count)
    family = rng.integers(0, len(FAMILY), count)
    domain = rng.integers(0, len(DOMAINS), count)
    return People(
        number=number,
        given=given,
        family=family,
        domain=domain,
        place=place,
        device=device,
        client=client,
        is_behind_scanner=is_behind_scanner,
        frequency=frequency,
        openness=openness,
        loyalty=loyalty,
        reading=reading,
        taste=opening.taste_spread * rng.standard_normal((count, len(params.mailing.categories))),
        product_taste=rng.dirichlet(
            np.full(len(params.catalogue.categories), params.catalogue.taste_concentration), count
        ),
        peak_hour=_peak_hours(rng, count),
        quickness=rng.standard_normal(count),
        clicking=clicking,
        visits_per_day=_rate(
            browsing.visits_per_30_days,
            browsing.most_per_30_days,
            browsing.interest_effect * interest + browsing.loyalty_effect * loyalty,
        ),
        orders_per_day=_rate(
            orders.per_30_days,
            orders.most_per_30_days,
            orders.interest_effect * interest
            + orders.loyalty_effect * loyalty
            + orders.spread * rng.standard_normal(count),
        ),
        signed_up=signed_up,
        hazard=hazard,
        decline_starts=decline_starts,
        gone=gone,
        sunset=sunset,
        mailed_until=mailed_until,
        address_dies=np.where(is_dead, signed_up, dies),
        consent=consent,
        consent_expires=expires,
        consent_withdrawn=withdrawn,
        has_profiling=has_profiling,
        profiling_withdrawn=np.where(changed_mind, minds_at, NEVER),
        has_second_address=rng.random(count) < who.share_with_second_address,
        birth_day=np.where(
            rng.random(count) < who.share_with_birth_date,
            _days_since_1970(rng, count),
            NEVER,
        ),
        addresses=_addresses(number, given, family, domain),
        second_addresses=_second_addresses(number, family, domain),
    )


def _sign_ups(rng: np.random.Generator, count: int, params: Params, calendar: Calendar) -> Times:
    past = _exponential(rng, params.people.mean_days_since_sign_up, count)
    inside = (rng.random(count) * (calendar.end - calendar.start)).astype(np.int64)
    return np.where(
        rng.random(count) < params.people.share_signed_up_before,
        calendar.start - past % _LONGEST_TENURE,
        calendar.start + inside,
    )


def cumulative_hazard(people: People, at: Times, params: Params) -> Floats:
    """Return the integral of each person's hazard of declining from the sign-up to `at`."""
    tenure = np.maximum(at - people.signed_up, 0)
    early = np.minimum(tenure, params.leaving.first_days * DAY)
    raised = (params.leaving.first_days_factor - 1) * early
    hazard: Floats = people.hazard * (tenure + raised)
    return hazard


def _first_arrival(rng: np.random.Generator, hazard: Floats, params: Params) -> Times:
    """Draw the first event of a hazard per millisecond that is raised in the first days.

    Inverse of the cumulative hazard, which is linear before and after `first_days`.
    """
    early = params.leaving.first_days * DAY
    raised = hazard * params.leaving.first_days_factor
    target = rng.exponential(size=len(hazard))
    later = early + (target - raised * early) / hazard
    return np.where(target < raised * early, target / raised, later).astype(np.int64)


def _rate(typical: float, most: float, effects: Floats) -> Floats:
    """Return rates per day: typical and greatest ones per 30 days, effects on the log-odds scale.

    The rarer an event, the more the effects multiply its rate; nobody exceeds the greatest.
    """
    return most / 30 * logistic(log_odds(typical / most) + effects)


def _exponential(rng: np.random.Generator, mean_days: float, count: int) -> Times:
    return (rng.exponential(mean_days, count) * DAY).astype(np.int64)


def _between(rng: np.random.Generator, days: tuple[float, float], count: int) -> Times:
    return (rng.uniform(days[0], days[1], count) * DAY).astype(np.int64)


def _peak_hours(rng: np.random.Generator, count: int) -> Floats:
    morning, noon, evening = 8.0, 12.5, 20.0
    centres = np.array([morning, noon, evening])[pick(rng, [0.35, 0.2, 0.45], count)]
    hours: Floats = (centres + 1.5 * rng.standard_normal(count)) % 24
    return hours


def _days_since_1970(rng: np.random.Generator, count: int) -> Codes:
    oldest, youngest = -14_600, 13_500  # born 1930 to 2006
    return rng.integers(oldest, youngest, count)


def _addresses(number: Codes, given: Codes, family: Codes, domain: Codes) -> pa.Array:
    return pc.binary_join_element_wise(
        choose([_ascii(name) for name in GIVEN], given).cast(pa.string()),
        ".",
        choose([_ascii(name) for name in FAMILY], family).cast(pa.string()),
        pa.array(number).cast(pa.string()),
        "@",
        choose(DOMAINS, domain).cast(pa.string()),
        "",
    )


def _second_addresses(number: Codes, family: Codes, domain: Codes) -> pa.Array:
    other = (domain + 1) % len(DOMAINS)
    return pc.binary_join_element_wise(
        choose([_ascii(name) for name in FAMILY], family).cast(pa.string()),
        "+",
        pa.array(number).cast(pa.string()),
        "@",
        choose(DOMAINS, other).cast(pa.string()),
        "",
    )


def _ascii(name: str) -> str:
    """Return a name as the local part of an address: lower case, ASCII letters alone."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalpha())
