"""What comes back for each message: deliveries, and what people and machines do with it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulation.calendar import DAY, HOUR, MINUTE, NEVER, SECOND, Calendar, Floats, Times
from simulation.mail import Mailings, Messages
from simulation.odds import OpenDelay, logistic
from simulation.params import Params
from simulation.people import GMAIL, PRIVACY, Codes, Flags, People, vigour

EVENT_TYPES: Final = (
    "sent",
    "delivered",
    "deferred",
    "bounce",
    "dropped",
    "open",
    "click",
    "complaint",
    "unsubscribe",
)
SENT, DELIVERED, DEFERRED, BOUNCE, DROPPED, OPEN, CLICK, COMPLAINT, UNSUBSCRIBE = range(9)
HARD, SOFT = 0, 1
BOUNCE_TYPES: Final = ("hard", "soft")

PROVIDERS: Final = ("northmail", "southmail")

# Why an event is a machine's, by how it can be told.
CAUSES: Final = ("privacy_proxy", "scanner_agent", "known_to_provider", "burst", "fast_click")
PROXY, SCANNER, KNOWN, BURST, FAST = range(5)

_BROWSERS: Final = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Mobile/15E148",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.6 Mobile/15E148 Safari/604.1",
)
_GMAIL_PROXY: Final = (
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
)
_PRIVACY_PROXY: Final = "Mozilla/5.0"
_SCANNERS: Final = (
    "Mozilla/5.0 (compatible; Proofpoint URL Defense)",
    "Mozilla/5.0 (compatible; BarracudaCentral/1.0)",
    "Mimecast-URL-Protect/2.0",
    "Mozilla/5.0 (compatible; Cisco IronPort)",
    "Mozilla/5.0 (compatible; Symantec MessageLabs)",
)
AGENTS: Final = (*_BROWSERS, _GMAIL_PROXY, _PRIVACY_PROXY, *_SCANNERS)
_GMAIL_AGENT, _PRIVACY_AGENT, _FIRST_SCANNER = 3, 4, 5
_DESKTOP_BROWSER: Final = 1

# No person opens sooner after the delivery: machines alone act within the first seconds.
_FASTEST_PERSON: Final = 45 * SECOND
# Nobody clicks three links in less: within 10 s that is a burst, and a machine's.
_FASTEST_NEXT_LINK: Final = 20 * SECOND
_MOST_LINKS: Final = 5


@dataclass(frozen=True)
class EmailEvents:
    """Events, one array entry each; -1 stands for null in `url`, `agent`, `flag`, `bounce`.

    `message` indexes the chunk's messages; `cause` is -1 but for what machines did.
    """

    type: Codes
    at: Times
    message: Codes
    url: Codes
    agent: Codes
    flag: Codes
    bounce: Codes
    cause: Codes

    def __len__(self) -> int:
        return len(self.type)

    def take(self, rows: Codes) -> "EmailEvents":
        """Return the events at `rows`, in their order."""
        return EmailEvents(
            self.type[rows],
            self.at[rows],
            self.message[rows],
            self.url[rows],
            self.agent[rows],
            self.flag[rows],
            self.bounce[rows],
            self.cause[rows],
        )


@dataclass(frozen=True)
class Responses:
    """All that happened to a chunk's messages up to the end.

    Per message: `vigour` of its person at the send, `delivered` and `read` (`NEVER` if not),
    whether it `is_dropped`, its `provider`. Per person: when they `stopped` (unsubscribed or
    complained) and `resumed`, whether an unsubscribe `withdraws` the recorded consent too, and
    when the address bounced for good. `NEVER` if they did not.
    """

    messages: Messages
    vigour: Floats
    delivered: Times
    read: Times
    is_dropped: Flags
    provider: Codes
    events: EmailEvents
    stopped: Times
    resumed: Times
    withdraws: Flags
    address_bounced: Times


def respond(
    rng: np.random.Generator,
    people: People,
    mailings: Mailings,
    addressed: Messages,
    params: Params,
    calendar: Calendar,
) -> Responses:
    """Let people and machines respond to the messages of the whole time."""
    mailing, delay = params.mailing, OpenDelay(params.targets, params.opening.quickness)
    is_dead = addressed.sent >= people.address_dies[addressed.person]
    bounced = np.full(len(people), NEVER)
    np.minimum.at(bounced, addressed.person[is_dead], addressed.sent[is_dead])
    messages = addressed.only(addressed.sent <= bounced[addressed.person])
    count, person = len(messages), messages.person

    is_hard = messages.sent >= people.address_dies[person]
    fate = rng.random(count)
    is_dropped = (fate < mailing.dropped_rate) & ~is_hard
    is_soft = (fate > 1 - mailing.soft_bounce_rate) & ~is_hard
    is_delivered = ~(is_hard | is_dropped | is_soft)
    is_deferred = is_delivered & (rng.random(count) < mailing.deferred_rate)
    wait = rng.uniform(1, 8, count) * SECOND
    wait += np.where(is_deferred, rng.uniform(10, 120, count) * MINUTE, 0)
    delivered = np.where(is_delivered, messages.sent + wait.astype(np.int64), NEVER)

    left = vigour(messages.sent, people.decline_starts[person], people.gone[person])
    is_read = is_delivered & (rng.random(count) < messages.actual * left)
    readers = np.flatnonzero(is_read)
    delays = delay.draw(rng, people.quickness[person[readers]]).astype(np.int64)
    origin = np.where(is_deferred, delivered, messages.sent)[readers]
    read = np.full(count, NEVER)
    read[readers] = np.maximum(origin + delays, delivered[readers] + _FASTEST_PERSON)

    stopped, is_complaint = _stops(rng, len(people), person[readers], read[readers], params)
    will_resume = ~is_complaint & (
        rng.random(len(people)) < params.clicking.resubscribe_probability
    )
    pause = (rng.uniform(10, 90, len(people)) * DAY).astype(np.int64)
    resumed = np.where(will_resume & (stopped < NEVER), stopped + pause, NEVER)
    withdraws = ~is_complaint & (rng.random(len(people)) < params.clicking.withdrawal_recorded)

    keep = (messages.sent <= stopped[person]) | (messages.sent >= resumed[person])
    messages, left, delivered, read = messages.only(keep), left[keep], delivered[keep], read[keep]
    is_dropped, is_soft, is_hard = is_dropped[keep], is_soft[keep], is_hard[keep]
    is_deferred = is_deferred[keep]
    change = calendar.start + mailing.provider_change_at * (calendar.end - calendar.start)
    provider = (messages.sent >= change).astype(np.int64)

    blocks = [
        *_delivery_events(
            rng, messages, delivered, is_dropped, is_deferred, is_hard, is_soft, params
        ),
        *_reader_events(rng, people, messages, read, params),
        *_stop_events(people, messages, read, stopped, is_complaint),
        *_machine_events(rng, people, messages, delivered, provider, params),
    ]
    events = _join(blocks)
    events = events.take(np.flatnonzero(events.at <= calendar.end))
    # The second provider says of every open and click whether a machine did it; the first never.
    has_flag = (provider[events.message] == 1) & np.isin(events.type, (OPEN, CLICK))
    unset = has_flag & (events.flag < 0)
    events.flag[unset] = 0
    events.flag[~has_flag] = -1
    return Responses(
        messages=messages,
        vigour=left,
        delivered=delivered,
        read=read,
        is_dropped=is_dropped,
        provider=provider,
        events=events,
        stopped=stopped,
        resumed=resumed,
        withdraws=withdraws,
        address_bounced=bounced,
    )


def _stops(
    rng: np.random.Generator, people: int, person: Codes, read: Times, params: Params
) -> tuple[Times, Flags]:
    """Draw when each person unsubscribes or complains for the first time, and which it is."""
    clicking = params.clicking
    fate = rng.random(len(person))
    is_complaint = fate < clicking.complaint_rate
    is_stop = fate < clicking.complaint_rate + clicking.unsubscribe_rate
    at = read + (rng.uniform(30, 200, len(person)) * SECOND).astype(np.int64)
    stopped = np.full(people, NEVER)
    np.minimum.at(stopped, person[is_stop], at[is_stop])
    by_complaint = np.full(people, NEVER)
    np.minimum.at(by_complaint, person[is_complaint], at[is_complaint])
    return stopped, (by_complaint == stopped) & (stopped < NEVER)


def _block(
    type_code: int,
    at: Times,
    message: Codes,
    *,
    url: Codes | int = -1,
    agent: Codes | int = -1,
    flag: Codes | int = -1,
    bounce: Codes | int = -1,
    cause: Codes | int = -1,
) -> EmailEvents:
    def column(values: Codes | int) -> Codes:
        return np.broadcast_to(np.asarray(values, dtype=np.int64), at.shape)

    return EmailEvents(
        column(type_code),
        at.astype(np.int64),
        message,
        column(url),
        column(agent),
        column(flag),
        column(bounce),
        column(cause),
    )


def _join(blocks: list[EmailEvents]) -> EmailEvents:
    return EmailEvents(
        *(
            np.concatenate([getattr(block, name) for block in blocks])
            for name in ("type", "at", "message", "url", "agent", "flag", "bounce", "cause")
        )
    )


def _delivery_events(
    rng: np.random.Generator,
    messages: Messages,
    delivered: Times,
    is_dropped: Flags,
    is_deferred: Flags,
    is_hard: Flags,
    is_soft: Flags,
    params: Params,
) -> list[EmailEvents]:
    is_delivered = delivered < NEVER
    is_lost = is_delivered & (rng.random(len(messages)) < params.mailing.lost_sent_share)
    was_sent = np.flatnonzero(~is_dropped & ~is_lost)
    arrived = np.flatnonzero(is_delivered)
    waited = np.flatnonzero(is_deferred)
    dropped = np.flatnonzero(is_dropped)
    back = np.flatnonzero(is_hard | is_soft)
    return [
        _block(SENT, messages.sent[was_sent], was_sent),
        _block(DELIVERED, delivered[arrived], arrived),
        _block(DEFERRED, messages.sent[waited] + 5 * SECOND, waited),
        _block(DROPPED, messages.sent[dropped], dropped),
        _block(
            BOUNCE,
            messages.sent[back] + 3 * SECOND,
            back,
            bounce=np.where(is_hard[back], HARD, SOFT),
        ),
    ]


def _reader_events(
    rng: np.random.Generator, people: People, messages: Messages, read: Times, params: Params
) -> list[EmailEvents]:
    readers = np.flatnonzero(read < NEVER)
    seen = readers[people.is_visible()[messages.person[readers]]]
    blocks = [_block(OPEN, read[seen], seen, agent=_own_agents(people, messages.person[seen]))]
    for probability in params.opening.reopen_probabilities:
        again = seen[rng.random(len(seen)) < probability]
        gaps = rng.exponential(params.opening.reopen_mean_hours, len(again)) * HOUR + MINUTE
        agents = _own_agents(people, messages.person[again])
        blocks.append(_block(OPEN, read[again] + gaps.astype(np.int64), again, agent=agents))

    odds = logistic(people.clicking[messages.person[readers]])
    message = readers[rng.random(len(readers)) < odds]
    first = rng.integers(0, params.mailing.links_per_mailing, len(message))
    at = read[message] + (rng.uniform(8, 90, len(message)) * SECOND).astype(np.int64)
    gap = _FASTEST_NEXT_LINK + (rng.exponential(60, len(message)) * SECOND).astype(np.int64)
    browser = people.device[messages.person[message]]
    for step in range(_MOST_LINKS):
        url = _url(messages, message, first + step, params)
        blocks.append(_block(CLICK, at + step * gap, message, url=url, agent=browser))
        more = rng.random(len(message)) < params.clicking.further_link_probability
        message, first, at, gap, browser = (
            each[more] for each in (message, first, at, gap, browser)
        )
    return blocks


def _own_agents(people: People, person: Codes) -> Codes:
    return np.where(people.client[person] == GMAIL, _GMAIL_AGENT, people.device[person])


def _url(messages: Messages, message: Codes, position: Codes, params: Params) -> Codes:
    links = params.mailing.links_per_mailing
    return messages.mailing[message] * links + position % links


def _stop_events(
    people: People, messages: Messages, read: Times, stopped: Times, is_complaint: Flags
) -> list[EmailEvents]:
    """Attach each stop to the newest message that its person had read by then."""
    readers = np.flatnonzero(read < stopped[messages.person])
    readers = readers[stopped[messages.person[readers]] < NEVER]
    readers = readers[np.argsort(read[readers], kind="stable")]
    newest = np.full(len(people), -1)
    newest[messages.person[readers]] = readers
    person = np.flatnonzero(newest >= 0)
    types = np.where(is_complaint[person], COMPLAINT, UNSUBSCRIBE)
    block = _block(UNSUBSCRIBE, stopped[person], newest[person])
    return [EmailEvents(types, *(getattr(block, name) for name in list(vars(block))[1:]))]


def _machine_events(
    rng: np.random.Generator,
    people: People,
    messages: Messages,
    delivered: Times,
    provider: Codes,
    params: Params,
) -> list[EmailEvents]:
    machines = params.machines

    def some(candidates: Codes, share: float) -> Codes:
        return candidates[rng.random(len(candidates)) < share]

    def flags(count: int) -> Codes:
        return np.where(rng.random(count) < machines.flag_known, 1, 0)

    def after(message: Codes, low: float, high: float) -> Times:
        seconds = rng.uniform(low, high, len(message))
        return delivered[message] + (seconds * SECOND).astype(np.int64)

    arrived = np.flatnonzero(delivered < NEVER)
    private = arrived[people.client[messages.person[arrived]] == PRIVACY]
    fetched = some(private, machines.proxy_prefetch)
    pause = rng.exponential(machines.proxy_mean_minutes, len(fetched)) * MINUTE
    blocks = [
        _block(
            OPEN,
            delivered[fetched] + pause.astype(np.int64) + SECOND,
            fetched,
            agent=_PRIVACY_AGENT,
            flag=flags(len(fetched)),
            cause=PROXY,
        )
    ]

    scanned = arrived[people.is_behind_scanner[messages.person[arrived]]]
    scanner = _FIRST_SCANNER + people.number % len(_SCANNERS)
    opened = some(scanned, machines.scanner_open)
    blocks.append(
        _block(
            OPEN,
            after(opened, 0.1, 5),
            opened,
            agent=scanner[messages.person[opened]],
            flag=flags(len(opened)),
            cause=SCANNER,
        )
    )
    # Such an open looks like a person's: the provider's word is all that gives it away.
    plain = some(scanned[provider[scanned] == 1], machines.scanner_plain_open)
    blocks.append(
        _block(OPEN, after(plain, 5, 20), plain, agent=_DESKTOP_BROWSER, flag=1, cause=KNOWN)
    )

    burst = some(scanned, machines.scanner_burst)
    begin, spacing = after(burst, 2.1, 6), rng.uniform(0.3, 2, len(burst)) * SECOND
    links = rng.integers(3, 6, len(burst))
    for step in range(_MOST_LINKS):
        rows = np.flatnonzero(links > step)
        blocks.append(
            _block(
                CLICK,
                begin[rows] + (step * spacing[rows]).astype(np.int64),
                burst[rows],
                url=_url(messages, burst[rows], np.full(len(rows), step), params),
                agent=_DESKTOP_BROWSER,
                flag=flags(len(rows)),
                cause=BURST,
            )
        )
    fast = some(scanned, machines.scanner_fast_click)
    blocks.append(
        _block(
            CLICK,
            after(fast, 0.1, 1.9),
            fast,
            url=_url(messages, fast, rng.integers(0, 6, len(fast)), params),
            agent=_DESKTOP_BROWSER,
            flag=flags(len(fast)),
            cause=FAST,
        )
    )
    return blocks
