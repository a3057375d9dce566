"""The payload: what stands in schema `sync` for the destinations, and who is in it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

import duckdb

from expectations import changes, relations
from expectations.changes import History
from expectations.counts import measure_rows
from expectations.gate import Measure
from expectations.raw_tables import Columns, has_usable
from expectations.settings import BeforeDelivery, DoorSettings

PROFILES: Final = "sync.profiles"
MEMBERS: Final = "sync.segment_members"
SUPPRESSIONS: Final = "sync.suppressions"

# The name of the figure that counts the people to be told of.
_COUNT: Final = "profiles"

# Per table what says whom a row is about.
_NAMING: Final[Mapping[str, tuple[str, ...]]] = {
    PROFILES: ("profile_id", "email"),
    MEMBERS: ("profile_id", "email", "segment"),
    SUPPRESSIONS: ("profile_id", "email"),
}

# An address as the models normalise it, but for letters outside ASCII, which no valid one has.
_BLANKS: Final = " || ".join(f"chr({code})" for code in (9, 10, 11, 12, 13, 32, 160))
_ADDRESS: Final = f"lower(trim(email, {_BLANKS}))"

# What makes two rows of a table one, each by itself.
_UNIQUE: Final[Mapping[str, tuple[str, ...]]] = {
    PROFILES: ("profile_id", "email"),
    MEMBERS: ("(segment, profile_id)",),
}

# Whatever the as-of time, each of these bars a delivery. Words that are not understood are
# another rule's.
_REFUSED: Final[Mapping[tuple[str, tuple[str, ...]], str]] = {
    ("erasure_requests", ("email",)): f"select {_ADDRESS} from raw.erasure_requests",
    ("email_events", ("email", "event_type", "bounce_type")): f"""
        select {_ADDRESS}
        from raw.email_events
        where event_type = 'bounce' and lower(trim(bounce_type)) = 'hard'
    """,
    ("consents", ("email", "purpose", "status", "recorded_at")): f"""
        select {_ADDRESS}
        from raw.consents
        where lower(trim(purpose, {_BLANKS})) = 'email_marketing'
        group by all
        having max(recorded_at) = max(recorded_at) filter (where status = 'withdrawn')
    """,
}

# Who unsubscribed or complained, whatever the as-of time, and did not opt in strictly later. A
# grant after the as-of time has not happened yet.
_LEFT: Final = f"""
    with refusals as (
        select {_ADDRESS} as address, max(occurred_at) as refused_at
        from raw.email_events
        where event_type in ('unsubscribe', 'complaint')
        group by all
    ),

    grants as ({{grants}})

    select refusals.address
    from refusals
    left join grants on refusals.address = grants.address
    where (grants.granted_at > refusals.refused_at) is not true
"""

_GRANTS: Final = f"""
    select {_ADDRESS} as address, max(recorded_at) as granted_at
    from raw.consents
    where
        lower(trim(purpose, {_BLANKS})) = 'email_marketing'
        and status = 'granted'
        and recorded_at <= $as_of
    group by all
"""

_NO_GRANTS: Final = "select '' as address, null::timestamp as granted_at limit 0"

# Whose newest consent has come to its end by now: a build judges that at its own as-of time. Of
# grants recorded at one time the newest is chosen as the models do it.
_ENDED: Final = f"""
    with consents as (
        select *, {_ADDRESS} as address
        from raw.consents
        where lower(trim(purpose, {_BLANKS})) = 'email_marketing'
    ),

    newest as (
        select address, status, expires_at
        from consents
        where address in (select email from {PROFILES})
        qualify row_number() over (
            partition by address
            order by
                recorded_at desc,
                status = 'withdrawn' desc,
                source desc nulls last,
                expires_at desc nulls last
        ) = 1
    )

    select count(*)
    from {PROFILES}
    inner join newest on {PROFILES}.email = newest.address
    where newest.status = 'granted' and newest.expires_at <= $judged_at
"""


def measure(
    connection: duckdb.DuckDBPyConnection,
    columns: Columns,
    settings: DoorSettings,
    door: str,
    *,
    as_of: datetime,
    judged_at: datetime,
) -> tuple[list[Measure], dict[str, float]]:
    """Measure the payload; return the measures, and the figures that later ones compare with.

    What is not built is not measured: nothing of it can be delivered.
    """
    rules = settings.before_delivery
    measures = [
        *_measure_names(connection, rules),
        *_measure_repeated(connection, rules),
        *_measure_strays(connection, rules),
    ]
    if not relations.is_there(connection, PROFILES):
        return measures, {}
    (count,) = relations.ask(connection, f"select count(*) from {PROFILES}")
    measures += [
        *_measure_unmailable(connection, rules),
        *_measure_refused(connection, columns, rules, as_of),
        *_measure_ended(connection, columns, rules, judged_at),
        *_measure_probabilities(connection, rules),
        *_measure_size(connection, settings, door, count, as_of, judged_at),
    ]
    return measures, {_COUNT: float(count)}


def _measure_names(
    connection: duckdb.DuckDBPyConnection, rules: BeforeDelivery
) -> Iterator[Measure]:
    for table, names in _NAMING.items():
        if not relations.is_there(connection, table):
            continue
        missing = " or ".join(f"coalesce({name}, '') = ''" for name in names)
        (rows,) = relations.ask(connection, f"select count(*) from {table} where {missing}")
        yield from measure_rows(
            "empty_payload",
            table,
            rules.empty_payload,
            rows,
            bad=f"{rows} rows in {table} have no {' or no '.join(names)}",
            good=f"every row in {table} says whom it is about",
            way_out=f"look at them with `select * from {table} where {missing}`, and build again",
        )


def _measure_repeated(
    connection: duckdb.DuckDBPyConnection, rules: BeforeDelivery
) -> Iterator[Measure]:
    for table, keys in _UNIQUE.items():
        if not relations.is_there(connection, table):
            continue
        # What has no name at all is another rule's.
        repeats = ", ".join(f"count({key}) - count(distinct {key})" for key in keys)
        found = relations.ask(connection, f"select {repeats} from {table}")
        listed = ", ".join(
            f"{rows} by {key}" for rows, key in zip(found, keys, strict=True) if rows
        )
        yield from measure_rows(
            "repeated_payload_rows",
            table,
            rules.repeated_payload_rows,
            max(found),
            bad=f"rows in {table} repeat others ({listed})",
            good=f"no row in {table} repeats another",
            way_out="build with `mailmart run`; dbt's tests of schema sync find them too",
        )


def _measure_strays(
    connection: duckdb.DuckDBPyConnection, rules: BeforeDelivery
) -> Iterator[Measure]:
    if not (relations.is_there(connection, MEMBERS) and relations.is_there(connection, PROFILES)):
        return
    (rows,) = relations.ask(
        connection,
        f"select count(*) from {MEMBERS} anti join {PROFILES} using (profile_id, email)",
    )
    yield from measure_rows(
        "stray_segment_members",
        MEMBERS,
        rules.stray_segment_members,
        rows,
        bad=f"{rows} rows in {MEMBERS} are of nobody in {PROFILES}",
        good=f"everybody in {MEMBERS} is in {PROFILES}",
        way_out="build both again with `mailmart run`",
    )


def _measure_unmailable(
    connection: duckdb.DuckDBPyConnection, rules: BeforeDelivery
) -> Iterator[Measure]:
    if not relations.is_there(connection, "marts.dim_profiles"):
        (rows,) = relations.ask(connection, f"select count(*) from {PROFILES}")
        yield from measure_rows(
            "unmailable_profiles",
            PROFILES,
            rules.unmailable_profiles,
            rows,
            bad=(
                f"{rows} rows in {PROFILES} are of people of whom nobody knows whether they may "
                "be mailed, for marts.dim_profiles is not there"
            ),
            good=f"nobody is in {PROFILES}",
            way_out="build the marts and schema sync together with `mailmart run`",
        )
        return
    suppressed = (
        f"or profiles.profile_id in (select profile_id from {SUPPRESSIONS}) "
        f"or profiles.email in (select email from {SUPPRESSIONS})"
        if relations.is_there(connection, SUPPRESSIONS)
        else ""
    )
    (rows,) = relations.ask(
        connection,
        f"""
        select count(*)
        from {PROFILES} as profiles
        left join marts.dim_profiles as known
            on profiles.profile_id = known.profile_id and profiles.email = known.email
        where known.may_be_mailed is not true {suppressed}
        """,
    )
    yield from measure_rows(
        "unmailable_profiles",
        PROFILES,
        rules.unmailable_profiles,
        rows,
        bad=f"{rows} rows in {PROFILES} are of people who may not be mailed",
        good=f"everybody in {PROFILES} may be mailed, says marts.dim_profiles",
        way_out="build the marts and schema sync together with `mailmart run`",
    )


def _measure_refused(
    connection: duckdb.DuckDBPyConnection,
    columns: Columns,
    rules: BeforeDelivery,
    as_of: datetime,
) -> Iterator[Measure]:
    refusals = [
        f"({query})"
        for (table, names), query in _REFUSED.items()
        if has_usable(columns, table, *names)
    ]
    parameters = {}
    if has_usable(columns, "email_events", "email", "event_type", "occurred_at"):
        has_grants = has_usable(columns, "consents", "email", "purpose", "status", "recorded_at")
        refusals.append(f"({_LEFT.format(grants=_GRANTS if has_grants else _NO_GRANTS)})")
        parameters = {"as_of": as_of} if has_grants else {}
    rows = 0
    if refusals:
        # Read once more from the raw tables, and simply, so that one mistake is not made twice.
        (rows,) = relations.ask(
            connection,
            f"select count(*) from {PROFILES} where email in ({' union all '.join(refusals)})",
            parameters,
        )
    yield from measure_rows(
        "refused_profiles",
        PROFILES,
        rules.refused_profiles,
        rows,
        bad=f"{rows} rows in {PROFILES} are of people who say no in the raw tables",
        good=f"the raw tables know no refusal of anybody in {PROFILES}",
        way_out=(
            "look for their addresses in raw.erasure_requests, raw.consents and the hard bounces, "
            "unsubscribes and complaints of raw.email_events; build with `mailmart run`"
        ),
    )


def _measure_ended(
    connection: duckdb.DuckDBPyConnection,
    columns: Columns,
    rules: BeforeDelivery,
    judged_at: datetime,
) -> Iterator[Measure]:
    rows = 0
    needed = ("email", "purpose", "status", "recorded_at", "source", "expires_at")
    if has_usable(columns, "consents", *needed):
        (rows,) = relations.ask(connection, _ENDED, {"judged_at": judged_at})
    yield from measure_rows(
        "ended_consents",
        PROFILES,
        rules.ended_consents,
        rows,
        bad=(
            f"{rows} rows in {PROFILES} are of people whose consent had ended by "
            f"{judged_at:%Y-%m-%d %H:%M} UTC"
        ),
        good=f"no consent of anybody in {PROFILES} has ended since the build",
        way_out="build as of now with `mailmart run` instead of delivering what is older",
    )


def _measure_probabilities(
    connection: duckdb.DuckDBPyConnection, rules: BeforeDelivery
) -> Iterator[Measure]:
    # A NaN is greater than every number, and so not between.
    (rows,) = relations.ask(
        connection,
        f"""
        select count(*) from {PROFILES}
        where churn_probability not between 0 and 1 or open_probability not between 0 and 1
        """,
    )
    yield from measure_rows(
        "probabilities",
        PROFILES,
        rules.probabilities,
        rows,
        bad=f"{rows} rows in {PROFILES} have a probability outside 0 to 1",
        good=f"every probability in {PROFILES} lies in 0 to 1",
        way_out="look at ml.scores for the model that made them, and run `mailmart train`",
    )


def _measure_size(
    connection: duckdb.DuckDBPyConnection,
    settings: DoorSettings,
    door: str,
    count: int,
    as_of: datetime,
    judged_at: datetime,
) -> Iterator[Measure]:
    rules = settings.before_delivery
    emptied, fewer, more = rules.emptied_payload, rules.fewer_profiles, rules.more_profiles
    histories = {
        name: changes.find_history(connection, door, rule, as_of=as_of, judged_at=judged_at)
        for name, rule in (
            ("emptied_payload", emptied),
            ("fewer_profiles", fewer),
            ("more_profiles", more),
        )
    }

    def tell(history: History | None) -> str:
        then = f", {_get(history):.0f} had {history.tell()}" if history else ""
        return f"{PROFILES} has {count} rows{then}"

    def find_way_out(name: str) -> str:
        history = histories[name]
        return history.find_way_out(f"{door}.{name}", settings.source) if history else ""

    history = histories["emptied_payload"]
    for severity, rows_bound in emptied.bounds():
        yield Measure(
            rule="emptied_payload",
            table=PROFILES,
            severity=severity,
            observed=_get(history) if history and not count else None,
            at_most=float(rows_bound.rows_at_most),
            fact=tell(history),
            way_out=find_way_out("emptied_payload"),
        )
    history = histories["fewer_profiles"]
    before = _get(history)
    for severity, fall_bound in fewer.bounds():
        yield Measure(
            rule="fewer_profiles",
            table=PROFILES,
            severity=severity,
            observed=max(0.0, (before - count) / before) if before else None,
            at_most=fall_bound.share_at_most,
            is_judged=before >= fall_bound.rows_at_least,
            fact=f"{tell(history)}{changes.tell_fall(fall_bound) if before else ''}",
            way_out=find_way_out("fewer_profiles"),
        )
    history = histories["more_profiles"]
    before = _get(history)
    for severity, growth_bound in more.bounds():
        yield Measure(
            rule="more_profiles",
            table=PROFILES,
            severity=severity,
            observed=max(0.0, (count - before) / before) if before else None,
            at_most=growth_bound.growth_at_most,
            is_judged=before >= growth_bound.rows_at_least,
            fact=f"{tell(history)}{changes.tell_growth(growth_bound) if before else ''}",
            way_out=find_way_out("more_profiles"),
        )


def _get(history: History | None) -> float:
    """Return how many people the last good payload had; nobody where there is none."""
    return history.figures.get(_COUNT, 0.0) if history else 0.0
