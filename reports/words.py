"""How the page says numbers, days and the names that tables use."""

from datetime import datetime

# What tables call things, for people. A name that is not here is said as it is.
NAMES = {
    "highly_engaged": "Highly engaged",
    "moderately_engaged": "Moderately engaged",
    "lapsing": "Lapsing",
    "inactive": "Inactive",
    "not_yet_seen": "New since",
    "new": "New: first seen in the last 30 days",
    "not_mailed": "Not mailed in the last 30 days",
    "opens_hidden": "A privacy proxy may hide their opens",
    "ignored": "Mailed, and did not open or click",
    "no_consent": "Never gave consent",
    "consent_withdrawn": "Withdrew consent",
    "consent_expired": "Consent expired",
    "unsubscribe": "Unsubscribed",
    "hard_bounce": "Address bounced",
    "complaint": "Complained of spam",
    "destination": "Refused by the e-mail service",
    "erasure": "Asked to be erased",
    "not_given": "Reason not given",
    "provider_flag": "Flagged by the e-mail service",
    "user_agent": "Known scanner or privacy proxy",
    "too_fast": "Clicked within two seconds",
    "burst": "Many links within ten seconds",
    "open": "Opens",
    "model_churn": "Who goes quiet",
    "model_open": "Who opens the next mail",
    "click": "Clicks",
    "after_loading": "After loading",
    "before_scoring": "Before scoring",
    "before_delivery": "Before delivery",
    "passed": "Passed",
    "warned": "Passed with warnings",
    "stopped": "Stopped the line",
    "not_reached": "Not reached",
    "delivered": "Delivered",
    "nothing_to_do": "Up to date",
    "dry_run": "Dry run, nothing sent",
    "braked": "Held by a brake",
    "out_of_date": "Older than the last delivery",
    "failed": "Failed",
    "pending": "Pending",
    "suppressed": "Suppressed there",
    "sending": "Interrupted",
    "profile": "Profiles",
    "segment_member": "Segment members",
    "suppression": "Suppressions",
}


def say_name(name: str) -> str:
    """Return a table's name for something as people say it."""
    return NAMES.get(name, name.replace("_", " "))


def say_number(number: int) -> str:
    """Return 4207 as 4,207."""
    return f"{number:,}"


def say_count(number: int, noun: str) -> str:
    """Return 1 profile, 2 profiles."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def say_change(number: int) -> str:
    """Return a difference with its sign; no difference is ±0."""
    return "±0" if number == 0 else f"{number:+,}".replace("-", "−")


def say_percent(share: float | None) -> str:
    """Return a share as a percentage with one decimal, a dash where there is none."""
    return "–" if share is None else f"{100 * share:.1f} %"


def say_figure(figure: float) -> str:
    """Return a measure with three decimals."""
    return f"{figure:.3f}"


def say_day(moment: datetime | None) -> str:
    """Return a day as 1 January 2026, a dash where there is none."""
    return "–" if moment is None else f"{moment.day} {moment:%B %Y}"


def say_date(moment: datetime | None) -> str:
    """Return a day as tables have room for it, 1 Jan 2026, a dash where there is none."""
    return "–" if moment is None else f"{moment.day} {moment:%b %Y}"


def say_time(moment: datetime) -> str:
    """Return a moment to the minute, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
