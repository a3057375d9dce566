"""Human engagement, tiers, tier spells and the score, read from the chapters of these names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from tests.oracle.raw import Row, group

IsMachineAgent = Callable[[str], bool]

SECOND = timedelta(seconds=1)
DAY = timedelta(hours=24)
HALF_LIFE_DAYS = 7
POINTS_PER_EMAIL_OPENED = 1
POINTS_PER_LINK_CLICKED = 2
POINTS_PER_SITE_DAY = 1
POINTS_PER_ORDER = 5


def in_last(days: int, instant: datetime, as_of: datetime) -> bool:
    """Tell whether an instant is in `(as_of - days × 24 h, as_of]`."""
    return as_of - days * DAY < instant <= as_of


def classify(email_events: Sequence[Row], is_machine_agent: IsMachineAgent) -> None:
    """Set `is_human`, `machine_reason` and `message_key` on each distinct email event."""
    by_message = group(
        (e for e in email_events if e["message_id"] is not None),
        lambda e: (e["address"], e["message_id"]),
    )
    for number, event in enumerate(email_events):
        event["message_key"] = (
            ("event", number) if event["message_id"] is None else ("message", event["message_id"])
        )
        event["is_human"] = event["machine_reason"] = None
        if event["event_type"] not in ("open", "click"):
            continue
        of_message = by_message.get((event["address"], event["message_id"]), [])
        if event["is_machine"]:
            event["machine_reason"] = "provider_flag"
        elif event["user_agent"] is not None and is_machine_agent(event["user_agent"]):
            event["machine_reason"] = "user_agent"
        elif event["event_type"] == "click" and is_too_fast(event, of_message):
            event["machine_reason"] = "too_fast"
        elif event["event_type"] == "click" and is_in_burst(event, of_message):
            event["machine_reason"] = "burst"
        event["is_human"] = event["machine_reason"] is None


def is_too_fast(click: Row, of_message: Sequence[Row]) -> bool:
    """Tell whether a click came 0 to under 2 s after its message's first delivery."""
    deliveries = [e["occurred_at"] for e in of_message if e["event_type"] == "delivered"]
    if not deliveries:
        return False
    return bool(0 * SECOND <= click["occurred_at"] - min(deliveries) < 2 * SECOND)


def is_in_burst(click: Row, of_message: Sequence[Row]) -> bool:
    """Tell whether some closed span of 10 s around a click holds 3 different urls.

    Only spans that begin at a click need a look: any other can begin later, at the first click
    that it holds, and then holds all of them still.
    """
    clicks = [e for e in of_message if e["event_type"] == "click"]
    for first in clicks:
        begin, end = first["occurred_at"], first["occurred_at"] + 10 * SECOND
        held = [e for e in clicks if begin <= e["occurred_at"] <= end]
        urls = {e["url"] for e in held if e["url"] is not None}
        if begin <= click["occurred_at"] <= end and len(urls) >= 3:
            return True
    return False


def emails_opened(opens: Iterable[Row], days: int, as_of: datetime) -> int:
    """Count the messages opened in the last days."""
    return len({e["message_key"] for e in opens if in_last(days, e["occurred_at"], as_of)})


def links_clicked(clicks: Iterable[Row], days: int, as_of: datetime) -> int:
    """Count the links of messages clicked in the last days; a null url is a link too."""
    return len(
        {(e["message_key"], e["url"]) for e in clicks if in_last(days, e["occurred_at"], as_of)}
    )


def tier_at(opens: Sequence[Row], clicks: Sequence[Row], as_of: datetime) -> str:
    """Return the first tier that fits at `as_of`, for the opens and clicks that count."""
    if emails_opened(opens, 7, as_of) >= 3 and links_clicked(clicks, 7, as_of) >= 2:
        return "highly_engaged"
    if emails_opened(opens, 14, as_of) >= 1 or links_clicked(clicks, 14, as_of) >= 1:
        return "moderately_engaged"
    if any(in_last(30, e["occurred_at"], as_of) for e in [*opens, *clicks]):
        return "lapsing"
    return "inactive"


def clicks_only_tier_at(clicks: Sequence[Row], as_of: datetime) -> str:
    """Return the first tier that fits at `as_of` where opens count as none."""
    if links_clicked(clicks, 7, as_of) >= 2:
        return "highly_engaged"
    if links_clicked(clicks, 14, as_of) >= 1:
        return "moderately_engaged"
    if links_clicked(clicks, 30, as_of) >= 1:
        return "lapsing"
    return "inactive"


def inactive_reason(
    tier: str, email_events: Sequence[Row], first_seen_at: datetime, as_of: datetime
) -> str | None:
    """Tell the inactive apart."""
    if tier != "inactive":
        return None
    if as_of - first_seen_at < 30 * DAY:
        return "new"
    recent = [e for e in email_events if in_last(30, e["occurred_at"], as_of)]
    if not any(e["event_type"] in ("sent", "delivered") for e in recent):
        return "not_mailed"
    if any(e["event_type"] == "open" and not e["is_human"] for e in recent):
        return "opens_hidden"
    return "ignored"


def tier_spells(
    opens: Sequence[Row], clicks: Sequence[Row], first_seen_at: datetime, as_of: datetime
) -> list[tuple[str, datetime, datetime | None]]:
    """Return the stretches `(tier, valid_from, valid_to)` from first seen to `as_of`.

    The tier is read at every instant at which an event happens or leaves a window; stretches
    that turn out the same as the one before are one with it.
    """
    instants = {first_seen_at}
    for event in [*opens, *clicks]:
        for days in (0, 7, 14, 30):
            instants.add(event["occurred_at"] + days * DAY)
    starts: list[tuple[str, datetime]] = []
    for instant in sorted(i for i in instants if first_seen_at <= i <= as_of):
        tier = tier_at(opens, clicks, instant)
        if not starts or starts[-1][0] != tier:
            starts.append((tier, instant))
    ends = [start for _, start in starts[1:]] + [None]
    return [(tier, start, end) for (tier, start), end in zip(starts, ends, strict=True)]


def engagement_score(
    opens: Sequence[Row],
    clicks: Sequence[Row],
    web_events: Sequence[Row],
    orders: Sequence[Row],
    as_of: datetime,
) -> float:
    """Sum the points of the last 365 days, each halved for every 7 days of its age."""
    firsts: list[tuple[int, datetime]] = []
    for same in group(opens, lambda e: e["message_key"]).values():
        firsts.append((POINTS_PER_EMAIL_OPENED, min(e["occurred_at"] for e in same)))
    for same in group(clicks, lambda e: (e["message_key"], e["url"])).values():
        firsts.append((POINTS_PER_LINK_CLICKED, min(e["occurred_at"] for e in same)))
    for same in group(web_events, lambda e: e["occurred_at"].date()).values():
        firsts.append((POINTS_PER_SITE_DAY, min(e["occurred_at"] for e in same)))
    for order in orders:
        firsts.append((POINTS_PER_ORDER, order["ordered_at"]))
    return float(
        sum(
            points * 0.5 ** ((as_of - instant) / DAY / HALF_LIFE_DAYS)
            for points, instant in firsts
            if in_last(365, instant, as_of)
        )
    )
