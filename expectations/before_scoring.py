"""Door two, behind the marts: are these profiles fit to be learned from and scored?"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import duckdb

from expectations import changes, gate, relations
from expectations.counts import measure_rows
from expectations.gate import Measure, Verdict
from expectations.settings import BeforeScoring, DoorSettings, refuse_future_reviews, to_utc

DOOR: Final = "before_scoring"

_PROFILES: Final = "marts.dim_profiles"
_FEATURES: Final = "marts.ftr_churn"
_ORDERS: Final = "intermediate.int_orders__versioned"

# The name of the figure that counts the profiles, and what the names of the tiers' begin with.
_COUNT: Final = "profiles"
_TIER: Final = "tier "

_COUNTS: Final = (
    *(f"emails_opened_last_{days}_days" for days in (7, 14, 30, 90)),
    *(f"links_clicked_last_{days}_days" for days in (7, 14, 30, 90)),
    *("orders_last_30_days", "orders_last_90_days", "lifetime_orders"),
    "web_sessions_last_7_days",
)
# What happened in a window happened in every longer one.
_NESTED: Final = (
    *(
        tuple(f"{measure}_last_{days}_days" for days in (7, 14, 30, 90))
        for measure in ("emails_opened", "links_clicked")
    ),
    ("orders_last_30_days", "orders_last_90_days", "lifetime_orders"),
)
_TIMES: Final = ("first_seen_at", "last_engaged_at", "last_order_at")

_TIERS: Final = ("highly_engaged", "moderately_engaged", "lapsing", "inactive")

# Per table the columns that this door reads, or that say of what a row of features is.
_READ: Final[Mapping[str, tuple[str, ...]]] = {
    _PROFILES: (
        *("profile_id", "email", "engagement_tier", "engagement_score", "inactive_reason"),
        *_COUNTS,
        *_TIMES,
    ),
    _FEATURES: ("profile_id", "cutoff_at", "is_churned"),
    _ORDERS: ("is_order", "superseded_at", "currency", "total_amount", "revenue_amount"),
}

_OUT_OF_RANGE: Final = (
    *((f"{name} < 0", f"a negative {name}") for name in _COUNTS),
    *(
        (f"{shorter} > {longer}", f"more {shorter} than {longer}")
        for windows in _NESTED
        for shorter, longer in pairwise(windows)
    ),
    *((f"{name} > $as_of", f"{name} after the as-of time") for name in _TIMES),
    ("engagement_score is null", "no engagement_score"),
    ("engagement_score < 0", "a negative engagement_score"),
    ("not isfinite(engagement_score)", "an engagement_score that is no number"),
    (
        f"(engagement_tier in {_TIERS}) is not true",
        "an engagement_tier that is none of the four",
    ),
    (
        "(engagement_tier = 'inactive') != (inactive_reason is not null)",
        "an inactive_reason where none belongs, or none where one does",
    ),
    (
        "(lifetime_orders = 0) != (last_order_at is null)",
        "a last_order_at without an order, or an order without one",
    ),
)


def judge(
    connection: duckdb.DuckDBPyConnection,
    *,
    as_of: datetime,
    judged_at: datetime,
    settings: DoorSettings,
) -> Verdict:
    """Judge the profiles of a build.

    `as_of` is that of the build, `judged_at` a time after it. The verdict carries the number of
    profiles and the tier mix, with which later ones compare theirs, so it has to be recorded.
    Reads only. Raises SettingsError when a `reviewed_until` lies after `judged_at`, GateError when
    a rule could not be judged.
    """
    as_of, judged_at = to_utc(as_of), to_utc(judged_at)
    refuse_future_reviews(settings, judged_at)
    rules = settings.before_scoring
    missing = {
        table: _find_missing_columns(connection, table)
        for table in _READ
        if relations.is_there(connection, table)
    }
    measures = [*_measure_tables(missing, rules), *_measure_columns(missing, rules)]
    figures: dict[str, float] = {}
    if missing.get(_PROFILES) == []:
        figures = _read_figures(connection)
        measures += [
            *_measure_keys(connection, rules),
            *_measure_ranges(connection, rules, as_of),
            *_measure_fall(connection, settings, figures, as_of, judged_at),
            *_measure_tier_mix(connection, settings, figures, as_of, judged_at),
        ]
    if missing.get(_ORDERS) == []:
        measures += _measure_rates(connection, rules)
    return gate.judge(DOOR, measures, as_of=as_of, judged_at=judged_at, figures=figures)


def _find_missing_columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Return which columns of a table that is there this door would read in vain."""
    schema, name = table.split(".")
    rows = connection.execute(
        """
        select lower(column_name)
        from information_schema.columns
        where table_catalog = current_database() and table_schema = $schema and table_name = $name
        """,
        {"schema": schema, "name": name},
    ).fetchall()
    present = {column for (column,) in rows}
    return [column for column in _READ[table] if column not in present]


def _measure_tables(missing: Mapping[str, list[str]], rules: BeforeScoring) -> Iterator[Measure]:
    for table in (_PROFILES, _FEATURES):
        is_built = table in missing
        for severity, bound in rules.required_tables.bounds():
            yield Measure(
                rule="required_tables",
                table=table,
                severity=severity,
                observed=float(is_built),
                at_least=float(bound.tables_at_least),
                fact=f"{table} is {'there' if is_built else 'not there'}",
                way_out="build the marts with `mailmart run` or `dbt build`",
            )


def _measure_columns(missing: Mapping[str, list[str]], rules: BeforeScoring) -> Iterator[Measure]:
    for table, names in missing.items():
        for severity, bound in rules.required_columns.bounds():
            yield Measure(
                rule="required_columns",
                table=table,
                severity=severity,
                observed=float(len(names)),
                at_most=float(bound.columns_at_most),
                fact=(
                    f"{table} has no {' and no '.join(names)}"
                    if names
                    else f"{table} has every column that is read of it"
                ),
                way_out="build the marts again with `mailmart run` or `dbt build`",
            )


def _measure_keys(connection: duckdb.DuckDBPyConnection, rules: BeforeScoring) -> Iterator[Measure]:
    rows, nameless, ids, addresses = relations.ask(
        connection,
        f"""
        select
            count(*),
            count(*) filter (where coalesce(profile_id, '') = '' or coalesce(email, '') = ''),
            count(*) - count(distinct profile_id),
            count(*) - count(distinct email)
        from {_PROFILES}
        """,
    )
    yield from measure_rows(
        "one_row_per_profile",
        _PROFILES,
        rules.one_row_per_profile,
        max(nameless, ids, addresses),
        bad=(
            f"of {rows} rows in {_PROFILES}, {nameless} have no profile_id or email, {ids} "
            f"repeat a profile_id and {addresses} an email"
        ),
        good=f"each of the {rows} rows in {_PROFILES} is somebody else",
        way_out="run `dbt build --select +dim_profiles` and look at the tests that fail",
    )


def _measure_ranges(
    connection: duckdb.DuckDBPyConnection, rules: BeforeScoring, as_of: datetime
) -> Iterator[Measure]:
    conditions = [condition for condition, _ in _OUT_OF_RANGE]
    counts = ", ".join(f"count(*) filter (where {condition})" for condition in conditions)
    total, *found = relations.ask(
        connection,
        f"select count(*) filter (where {' or '.join(conditions)}), {counts} from {_PROFILES}",
        {"as_of": as_of},
    )
    listed = ", ".join(
        f"{rows} with {what}" for rows, (_, what) in zip(found, _OUT_OF_RANGE, strict=True) if rows
    )
    yield from measure_rows(
        "ranges",
        _PROFILES,
        rules.ranges,
        total,
        bad=f"{total} rows in {_PROFILES} hold what cannot be: {listed}",
        good=f"every measure in {_PROFILES} is in its range",
        way_out="look at these rows; a model, a seed or the as-of time of the build is wrong",
    )


def _measure_fall(
    connection: duckdb.DuckDBPyConnection,
    settings: DoorSettings,
    figures: dict[str, float],
    as_of: datetime,
    judged_at: datetime,
) -> Iterator[Measure]:
    rule = settings.before_scoring.fewer_profiles
    history = changes.find_history(connection, DOOR, rule, as_of=as_of, judged_at=judged_at)
    now, before = figures[_COUNT], history.figures.get(_COUNT, 0) if history else 0
    share = max(0.0, (before - now) / before) if before else None
    for severity, bound in rule.bounds():
        yield Measure(
            rule="fewer_profiles",
            table=_PROFILES,
            severity=severity,
            observed=share,
            at_most=bound.share_at_most,
            is_judged=before >= bound.rows_at_least,
            fact=(
                f"{_PROFILES} has {now:.0f} rows"
                if history is None or share is None
                else (
                    f"{_PROFILES} has {now:.0f} rows, {share:.1%} fewer than the {before:.0f} of "
                    f"{history.tell()} (allowed are {bound.share_at_most:.1%})"
                )
            ),
            way_out=(
                history.find_way_out(f"{DOOR}.fewer_profiles", settings.source) if history else ""
            ),
        )


def _measure_tier_mix(
    connection: duckdb.DuckDBPyConnection,
    settings: DoorSettings,
    figures: dict[str, float],
    as_of: datetime,
    judged_at: datetime,
) -> Iterator[Measure]:
    rule = settings.before_scoring.tier_mix
    history = changes.find_history(connection, DOOR, rule, as_of=as_of, judged_at=judged_at)
    now, before = figures, history.figures if history else {}
    moves = {
        name.removeprefix(_TIER): (before.get(name, 0.0), now.get(name, 0.0))
        for name in sorted(now.keys() | before.keys())
        if name.startswith(_TIER)
    }
    tier, (old, new) = max(
        moves.items(), key=lambda move: abs(move[1][1] - move[1][0]), default=("", (0.0, 0.0))
    )
    least = min(now[_COUNT], before.get(_COUNT, 0))
    for severity, bound in rule.bounds():
        is_near = history is not None and history.apart <= timedelta(days=bound.days_apart_at_most)
        yield Measure(
            rule="tier_mix",
            table=_PROFILES,
            severity=severity,
            # A difference of two shares has a last digit that is nobody's.
            observed=round(abs(new - old), 9) if history else None,
            at_most=bound.share_at_most,
            is_judged=is_near and least >= bound.rows_at_least,
            fact=(
                f"the share of {tier} profiles moved from {old:.1%} to {new:.1%} since "
                f"{history.tell()} (allowed are {bound.share_at_most * 100:.0f} points)"
                if history
                else "there is no good batch yet to compare the tier mix with"
            ),
            way_out=history.find_way_out(f"{DOOR}.tier_mix", settings.source) if history else "",
        )


def _measure_rates(
    connection: duckdb.DuckDBPyConnection, rules: BeforeScoring
) -> Iterator[Measure]:
    # What a model cannot convert it leaves null, and where no currency is configured it converts
    # nothing; so the table alone tells. A currency may be anything that a source wrote.
    orders, without, currencies = relations.ask(
        connection,
        f"""
        with current_orders as (
            select
                currency,
                revenue_amount is null and total_amount is not null as is_without
            from {_ORDERS}
            where is_order and superseded_at is null
        )
        select
            count(*),
            count(*) filter (where is_without),
            coalesce(list_sort(list(distinct case
                when currency is null then 'no currency'
                when regexp_full_match(currency, '[A-Z]{{3}}') then currency
                else 'others'
            end) filter (where is_without)), [])
        from current_orders
        """,
    )
    yield from measure_rows(
        "orders_without_rate",
        _ORDERS,
        rules.orders_without_rate,
        without,
        bad=(
            f"{without} of {orders} orders are left out of revenue, their currency has no rate "
            f"to the reporting currency ({', '.join(currencies[:10])})"
        ),
        good=f"the amounts of all {orders} orders are told in revenue",
        way_out="add the rates to the seed currency_rates",
    )


def _read_figures(connection: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """Return the number of profiles and the share of each tier."""
    rows = connection.execute(
        f"select engagement_tier, count(*) from {_PROFILES} group by engagement_tier order by 1"
    ).fetchall()
    total = sum(profiles for _, profiles in rows)
    return {_COUNT: float(total)} | {f"{_TIER}{tier}": n / total for tier, n in rows}
