"""What is hidden from the warehouse: the true odds of opening and of churning, who is who.

Churn is meant as the project defines it: at a cutoff c, no human open, click or order in
(c, c + 30 d]. Its probability is that of one who knows at c all of a person's traits and whether a
decline has begun, the mailing calendar and which messages are still unread, but neither who will
get which mailing, nor a mailing's quality, nor anything that happens later. Then the messages
respond independently, so that the probability is a product:

    P(churn) = sum over when a decline begins of P(begins then)
               x product over messages of (1 - P(an event of the message falls in the window))
               x exp(-expected orders in the window)

A decline that is to begin after c is integrated over three parts of the window, at their middles.
Two liberties: consents withdrawn and addresses that die within the window are left out (a
thousandth of the people each), and of a message read before c it is not used whether it was opened
again before c as well.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulation.browsing import STRANGER, Browsing
from simulation.calendar import DAY, HORIZON_DAYS, HOUR, NEVER, PLACES, Calendar, Floats, Times
from simulation.crm import Contacts
from simulation.mail import (
    THROTTLE,
    Mailings,
    inclusion,
    may_get,
    planned_for,
    reading_log_odds,
)
from simulation.odds import OpenDelay, logistic, mean_logistic
from simulation.params import Params
from simulation.people import GRANTED, PRIVACY, Codes, People, cumulative_hazard, vigour
from simulation.responses import Responses
from simulation.text import choose, hex_ids, scramble, timestamps

OPENED_WITHIN: Final = 72 * HOUR

_PARTS: Final = 3
_STEPS: Final = 10


def message_probabilities(
    people: People, responses: Responses, params: Params
) -> tuple[Floats, Floats]:
    """Return the probabilities of a human open of each message: ever, and within 72 hours.

    Known are the person's traits, vigour and address, but neither the quality of the mailing nor
    the fate of the delivery.
    """
    messages, person = responses.messages, responses.messages.person
    delay = OpenDelay(params.targets, params.opening.quickness)
    ever = (
        messages.probability
        * responses.vigour
        * people.is_visible()[person]
        * (messages.sent < people.address_dies[person])
        * _deliverable(params)
    )
    within = delay.share_within(
        np.full(len(messages), float(OPENED_WITHIN)), people.quickness[person]
    )
    return ever, ever * within


def _deliverable(params: Params) -> float:
    return 1 - params.mailing.soft_bounce_rate - params.mailing.dropped_rate


def churn_probabilities(
    people: People,
    mailings: Mailings,
    responses: Responses,
    cutoff: int,
    base: float,
    params: Params,
    calendar: Calendar,
) -> tuple[Floats, Floats]:
    """Return each person's probability of churning at a cutoff, for both addresses.

    The second address gets orders alone; where a person has none, its entry means nothing.
    """
    window = HORIZON_DAYS * DAY
    is_declining = people.decline_starts <= cutoff
    edges = cutoff + np.arange(_PARTS + 1) * (window // _PARTS)
    hazards = np.stack(
        [cumulative_hazard(people, np.full(len(people), edge), params) for edge in edges]
    )
    staying = np.exp(hazards[0] - hazards)

    quiet = _quiet_before(people, responses, cutoff, params)
    ahead = _ahead(people, mailings, responses, cutoff, base, params, calendar)
    typical_decline = round(sum(params.leaving.decline_days) / 2 * DAY)
    share = people.has_second_address * params.people.share_of_orders_to_second_address
    first, second = np.zeros(len(people)), np.zeros(len(people))
    for part in range(_PARTS + 1):
        if part == 0:
            # The known decline, or none within the window.
            starts = np.where(is_declining, people.decline_starts, NEVER)
            ends = np.where(is_declining, people.gone, NEVER + DAY)
            weight = np.where(is_declining, 1.0, staying[-1])
        else:
            middle = int(edges[part - 1] + edges[part]) // 2
            starts = np.full(len(people), middle)
            ends = starts + typical_decline
            weight = np.where(is_declining, 0.0, staying[part - 1] - staying[part])
        orders = _expected_orders(people, starts, ends, cutoff, params, calendar)
        left = vigour(ahead.sent, starts[ahead.person], ends[ahead.person])
        mail = _log_quiet(people, ahead.person, ahead.odds * left)
        first += weight * np.exp(quiet + mail - orders * (1 - share))
        second += weight * np.exp(-orders * share)
    return first, second


@dataclass(frozen=True)
class _Ahead:
    """Messages that may come: one entry each, `odds` of an event for a person in full vigour."""

    person: Codes
    sent: Times
    odds: Floats


def _click_odds(people: People) -> Floats:
    """Return the probability that a reader clicks, where opens are hidden; else 1."""
    return np.where(people.client == PRIVACY, logistic(people.clicking), 1.0)


def _log_quiet(people: People, person: Codes, odds: Floats) -> Floats:
    """Sum ln(1 - odds) per person."""
    logs = np.log1p(-np.minimum(odds, 1 - 1e-12))
    return np.bincount(person, weights=logs, minlength=len(people)).astype(np.float64)


def _quiet_before(people: People, responses: Responses, cutoff: int, params: Params) -> Floats:
    """Return ln P(nothing in the window comes from messages sent before the cutoff)."""
    delay = OpenDelay(params.targets, params.opening.quickness)
    mean_pause = params.opening.reopen_mean_hours * HOUR
    oldest = cutoff - delay.longest - round(20 * mean_pause)
    recent = (responses.messages.sent <= cutoff) & (responses.messages.sent > oldest)
    messages, left = responses.messages.only(recent), responses.vigour[recent]
    read, person = responses.read[recent], messages.person

    age = (cutoff - messages.sent).astype(float)
    so_far = delay.share_within(age, people.quickness[person])
    by_then = delay.share_within(age + HORIZON_DAYS * DAY, people.quickness[person])
    reads = messages.probability * left
    is_unread = (read > cutoff) & (responses.delivered[recent] < NEVER)
    late_read = is_unread * reads * (by_then - so_far) / (1 - reads * so_far)
    quiet = _log_quiet(people, person, late_read * _click_odds(people)[person])

    is_open = (read <= cutoff) & people.is_visible()[person]
    since = np.where(is_open, cutoff - np.minimum(read, cutoff), 0)
    still_to_come = np.exp(-since / mean_pause) * (1 - np.exp(-HORIZON_DAYS * DAY / mean_pause))
    for probability in params.opening.reopen_probabilities:
        quiet += _log_quiet(people, person, is_open * probability * still_to_come)
    return quiet


def _ahead(
    people: People,
    mailings: Mailings,
    responses: Responses,
    cutoff: int,
    base: float,
    params: Params,
    calendar: Calendar,
) -> _Ahead:
    """Return every message that may be sent in the window to those who are mailed at the cutoff.

    Whether a person gets a mailing is not known before; when the consent expires is.
    """
    horizon = cutoff + HORIZON_DAYS * DAY
    is_mailed = (
        (people.consent == GRANTED)
        & (people.signed_up < cutoff)
        & (people.consent_withdrawn > cutoff)
        & (people.sunset > cutoff)
        & ~((responses.stopped <= cutoff) & (responses.resumed > cutoff))
        & (people.address_dies > cutoff)
    )
    at = mailings.sent_at(calendar)
    is_near = (at > cutoff - DAY) & (at <= horizon + DAY)
    person, mailing = np.nonzero(is_mailed[:, None] & is_near & may_get(people, mailings, params))
    sent = planned_for(people, person, mailings, mailing, calendar) + THROTTLE // 2
    fits = (sent > cutoff) & (sent <= horizon) & (sent < people.consent_expires[person])
    person, mailing, sent = person[fits], mailing[fits], sent[fits]
    log_odds = reading_log_odds(people, person, mailings, mailing, sent, base, params, calendar)
    delay = OpenDelay(params.targets, params.opening.quickness)
    odds = (
        inclusion(people, params)[person, 0]
        * mean_logistic(log_odds, params.opening.mailing_quality_spread)
        * _deliverable(params)
        * delay.share_within((horizon - sent).astype(float), people.quickness[person])
        * _click_odds(people)[person]
    )
    return _Ahead(person, sent, odds)


def _expected_orders(
    people: People,
    starts: Times,
    ends: Times,
    cutoff: int,
    params: Params,
    calendar: Calendar,
) -> Floats:
    """Integrate a person's own orders that stay valid over the window."""
    step = HORIZON_DAYS * DAY // _STEPS
    days = np.zeros(len(people))
    for index in range(_STEPS):
        middle = cutoff + index * step + step // 2
        season = calendar.season[calendar.day(np.array([middle]))[0]]
        days += vigour(np.full(len(people), middle), starts, ends) * season * step / DAY
    stay_valid = 1 - params.orders.cancelled - params.orders.refunded
    return people.orders_per_day * stay_valid * days


def tables(
    people: People,
    responses: Responses,
    browsing: Browsing,
    contacts: Contacts,
    message_ids: pa.Array,
    erased_at: Times,
    cookie_key: int,
    mailings: Mailings,
    base: float,
    params: Params,
    calendar: Calendar,
) -> dict[str, pa.Table]:
    """Write the truth about a chunk of people: people, identities, messages, churn."""
    person_ids = pc.binary_join_element_wise(
        "p", pc.utf8_lpad(pa.array(people.number).cast(pa.string()), 8, "0"), ""
    )
    return {
        "people": _people(people, person_ids, responses, erased_at, params, calendar),
        "identities": _identities(people, person_ids, browsing, contacts, cookie_key),
        "messages": _messages(people, person_ids, responses, message_ids, mailings, params),
        "churn": _churn(people, person_ids, mailings, responses, base, params, calendar),
    }


def _sometimes(at: Times, calendar: Calendar | None = None) -> pa.Array:
    last = NEVER - 1 if calendar is None else calendar.end
    return timestamps(np.where(at <= last, at, 0), at > last)


def _people(
    people: People,
    person_ids: pa.Array,
    responses: Responses,
    erased_at: Times,
    params: Params,
    calendar: Calendar,
) -> pa.Table:
    """Return one row per person; opens and clicks at their long-run odds, in full vigour."""
    sends = np.bincount(responses.messages.person, minlength=len(people))
    reads = np.bincount(
        responses.messages.person,
        weights=responses.messages.probability,
        minlength=len(people),
    )
    mean_read = np.divide(reads, sends, out=np.full(len(people), np.nan), where=sends > 0)
    tastes = {
        f"taste_{name}": pa.array(people.taste[:, code])
        for code, name in enumerate(params.mailing.categories)
    }
    favourite = choose(params.catalogue.categories, people.product_taste.argmax(axis=1))
    return pa.table(
        {
            "person_id": person_ids,
            "email": people.addresses,
            "second_email": pc.if_else(
                pa.array(people.has_second_address),
                people.second_addresses,
                pa.scalar(None, pa.string()),
            ),
            "signed_up_at": timestamps(people.signed_up),
            # Beyond the end too: what is going to happen is part of the truth.
            "decline_started_at": _sometimes(people.decline_starts),
            "churned_at": _sometimes(people.gone),
            # The mean of the person's messages; hidden readers are read, but never seen to open.
            "base_read_probability": pa.array(mean_read, from_pandas=True),
            "has_visible_opens": pa.array(people.is_visible()),
            "base_click_probability": pa.array(logistic(people.clicking)),
            "orders_per_day": pa.array(people.orders_per_day),
            "visits_per_day": pa.array(people.visits_per_day),
            "openness": pa.array(people.openness),
            "loyalty": pa.array(people.loyalty),
            **tastes,
            "favourite_category": favourite,
            "favourite_hour": pa.array(people.peak_hour),
            "quickness": pa.array(people.quickness),
            "timezone": choose([place.timezone for place in PLACES], people.place),
            "device": choose(list(params.people.devices), people.device),
            "mail_frequency": choose(list(params.mailing.frequency_shares), people.frequency),
            "is_behind_scanner": pa.array(people.is_behind_scanner),
            "stopped_at": _sometimes(responses.stopped, calendar),
            "resumed_at": _sometimes(responses.resumed, calendar),
            "address_bounced_at": _sometimes(responses.address_bounced, calendar),
            "erasure_requested_at": _sometimes(erased_at),
        }
    )


def _identities(
    people: People,
    person_ids: pa.Array,
    browsing: Browsing,
    contacts: Contacts,
    cookie_key: int,
) -> pa.Table:
    """Return one row per person and address, contact or browser of theirs."""
    sessions = browsing.sessions
    own = sessions.source != STRANGER
    cookies, first = np.unique(sessions.cookie[own], return_index=True)
    seconds = np.flatnonzero(people.has_second_address)
    blocks: list[tuple[str, Codes, pa.Array, str | None]] = [
        ("email", np.arange(len(people)), people.addresses, None),
        ("email", seconds, people.second_addresses.take(pa.array(seconds)), None),
        (
            "anonymous_id",
            sessions.person[own][first],
            hex_ids(scramble(cookies, cookie_key)),
            None,
        ),
    ]
    for system, owners in contacts.owners.items():
        ids = contacts.contact_ids[system]
        # All versions of a contact are one identity.
        newest = np.flatnonzero((owners >= 0) & (np.append(owners[1:], -2) != owners))
        blocks.append(("contact_id", owners[newest], ids.take(pa.array(newest)), system))
    return pa.concat_tables(
        pa.table(
            {
                "person_id": person_ids.take(pa.array(person)),
                "kind": pa.array([kind] * len(person), pa.string()),
                "value": values,
                "source_system": pa.array([system] * len(person), pa.string()),
            }
        )
        for kind, person, values, system in blocks
    )


def _messages(
    people: People,
    person_ids: pa.Array,
    responses: Responses,
    message_ids: pa.Array,
    mailings: Mailings,
    params: Params,
) -> pa.Table:
    """Return one row per message that was sent, whatever became of it; dropped ones were not."""
    messages = responses.messages
    ever, within = message_probabilities(people, responses, params)
    sent = np.flatnonzero(~responses.is_dropped)
    person = pa.array(messages.person[sent])
    return pa.table(
        {
            "message_id": message_ids.take(pa.array(sent)),
            "person_id": person_ids.take(person),
            "email": people.addresses.take(person),
            "campaign_id": choose(mailings.ids, messages.mailing[sent]),
            "sent_at": timestamps(messages.sent[sent]),
            "open_probability": pa.array(ever[sent]),
            "open_probability_within_72_hours": pa.array(within[sent]),
        }
    )


def _churn(
    people: People,
    person_ids: pa.Array,
    mailings: Mailings,
    responses: Responses,
    base: float,
    params: Params,
    calendar: Calendar,
) -> pa.Table:
    """Return one row per person, address and cutoff from the sign-up on."""
    parts = []
    for cutoff in calendar.cutoffs():
        first, second = churn_probabilities(
            people, mailings, responses, cutoff, base, params, calendar
        )
        for probabilities, addresses, keep in (
            (first, people.addresses, people.signed_up < cutoff),
            (
                second,
                people.second_addresses,
                (people.signed_up < cutoff) & people.has_second_address,
            ),
        ):
            person = np.flatnonzero(keep)
            parts.append(
                pa.table(
                    {
                        "person_id": person_ids.take(pa.array(person)),
                        "email": addresses.take(pa.array(person)),
                        "cutoff_at": timestamps(np.full(len(person), cutoff)),
                        "churn_probability": pa.array(np.clip(probabilities[person], 0.0, 1.0)),
                        "has_churned_for_good": pa.array(people.gone[person] <= cutoff),
                    }
                )
            )
    return pa.concat_tables(parts)
