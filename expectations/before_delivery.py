"""Door three, before anything is sent: may these people be told anything at all?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb

from expectations import gate, payload, raw_values, relations
from expectations.counts import measure_rows
from expectations.gate import Measure, Verdict
from expectations.raw_tables import Columns, has_usable, read_columns
from expectations.raw_values import WordRule
from expectations.settings import (
    BeforeDelivery,
    DoorSettings,
    get_reviewed_until,
    refuse_future_reviews,
    to_utc,
)

DOOR: Final = "before_delivery"

# In these tables every row is a no, or may be one.
_OPT_OUT_TABLES: Final = ("consents", "erasure_requests")

# In these some rows are.
_REFUSAL_TABLES: Final = ("email_events", *_OPT_OUT_TABLES)

# The types of email events that no suppression follows from.
_HARMLESS: Final = ("sent", "delivered", "deferred", "dropped", "open", "click")

# What an opt-out is called by the services, as the beginning or the middle of a word.
_OPT_OUT_WORD: Final = "[a-z_ .-]*(unsub|complain|bounce|spam)[a-z_ .-]*"

# Which rejected email events may be an opt-out. A row is harmless only if its type can be read
# and is harmless:
# * a whole JSON object by its one key `event_type`, whatever its other values say (the url of a
#   click may well contain "unsubscribe");
# * a broken JSON object by every `event_type` that is left of it, if no other value is an opt-out's
#   name, since what is broken may be the key;
# * any other text as a line of CSV, of which the header is not known: one cell is a harmless type,
#   none an opt-out's name, the line is one line, and its type was not what it was rejected for.
_MAY_BE_OPT_OUT: Final = r"""
    with texts as (
        select
            path,
            row_number,
            loaded_at,
            lower(reason) as reason,
            coalesce(raw_text, '') as raw_text,
            lower(coalesce(raw_text, '')) as lowered
        from raw.rejected_rows
        where table_name = 'email_events' and loaded_at > $since
    ),

    read as (
        select
            *,
            regexp_matches(lowered, '^\s*[\[{]') or contains(lowered, '":')
                or contains(lowered, '"event_type"') as is_json,
            case when json_valid(raw_text) then list_transform(
                list_filter(json_keys(raw_text), lambda key: lower(key) = 'event_type'),
                -- A null would be in every list.
                lambda key: coalesce(
                    lower(trim(json_extract_string(raw_text, '$."' || key || '"'))), ''
                )
            ) end as json_types,
            regexp_extract_all(lowered, '"event_type"\s*:\s*"([^"]*)"', 1) as broken_json_types,
            list_transform(
                regexp_split_to_array(lowered, '[,;|\t]'),
                lambda cell: trim(cell, ' "''')
            ) as cells
        from texts
    ),

    judged as (
        select
            path,
            row_number,
            loaded_at,
            case
                when json_types is not null
                    then len(json_types) = 1 and list_has_all($harmless, json_types)
                when is_json
                    then len(broken_json_types) > 0
                        and list_has_all($harmless, broken_json_types)
                        and not regexp_matches(lowered, ':\s*"' || $opt_out_word || '"')
                else
                    list_has_any($harmless, cells)
                    and len(list_filter(
                        cells, lambda cell: regexp_full_match(cell, $opt_out_word)
                    )) = 0
                    and not regexp_matches(raw_text, '[\r\n]')
                    and not contains(reason, 'event_type')
            end as is_harmless
        from read
    )

    select path, row_number, loaded_at as left_out_at, 'row' as kind
    from judged
    where is_harmless is not true
"""

_REJECTED_ROWS: Final = """
    select path, row_number, loaded_at as left_out_at, 'row' as kind
    from raw.rejected_rows
    where table_name = $table and loaded_at > $since
"""

# Whether a file is still there does not matter: taking it away undoes no opt-out in it. That
# somebody has looked at what was left out says nothing of a file that has changed since, and may
# go on changing for as long as it is there; once it is gone, it has changed for the last time.
_REFUSED_FILES: Final = """
    select
        path,
        null::bigint as row_number,
        case when status = 'changed' then {gone_at} else loaded_at end as left_out_at,
        status as kind
    from raw.loaded_files
    where
        table_name = $table
        and status in ('rejected', 'unread', 'changed')
        and (left_out_at is null or left_out_at > $since)
"""

# Rejected rows that the ledger has counted and that are no longer kept, whoever removed them.
_LOST_ROWS: Final = """
    with kept as (
        select path, count(*) as row_count
        from {rejected_rows}
        where table_name = $table
        group by path
    ),

    files as (
        select
            files.path,
            files.loaded_at,
            files.rows_rejected - coalesce(kept.row_count, 0) as lost
        from raw.loaded_files as files
        left join kept on files.path = kept.path
        where files.table_name = $table and files.loaded_at > $since
    )

    select coalesce(sum(lost), 0)::bigint, min(path), max(loaded_at)
    from files
    where lost > 0
"""

# How many rows our loader has brought into a table, says the ledger; of the files of any status,
# for a file that has changed or is gone undoes nothing that was loaded of it.
_LOADED_ROWS: Final = """
    select coalesce(sum(rows_loaded), 0)::bigint, max(loaded_at)
    from raw.loaded_files
    where table_name = $table and rows_loaded > 0 and loaded_at > $since
"""

# How many are left of them. Another loader names no file, or has no ledger.
_KEPT_ROWS: Final = """
    select count(*) from raw."{table}" where {conditions}
"""

_BLANKS: Final = " || ".join(f"chr({code})" for code in (9, 10, 11, 12, 13, 32, 160))

# Per table the columns that tell a refusal, and which rows are one.
_IS_REFUSAL: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "email_events": (
        ("event_type", "bounce_type"),
        "event_type in ('unsubscribe', 'complaint') "
        "or (event_type = 'bounce' and lower(trim(bounce_type)) = 'hard')",
    ),
    "consents": (
        ("purpose", "status"),
        "status = 'withdrawn' "
        f"and lower(trim(purpose, {_BLANKS})) in ('email_marketing', 'profiling')",
    ),
    "erasure_requests": ((), "true"),
}

# Refusals whose address is that of nobody: not valid, or valid but of a kind that no service
# writes, so that it is another person's by a slip. The pattern is narrower than that of a valid
# address: no brackets, quotes, separators or colon (that of mailto:), no single quote in front, and
# a domain of letters, digits, hyphens and single dots inside (an underscore is seen in the wild).
_UNREADABLE: Final = r"""
    with refusals as (
        select
            trim(email, {blanks}) as address,
            {path} as path,
            {row_number} as row_number,
            _loaded_at as left_out_at
        from raw."{table}"
        where ({is_refusal}) and email <> '' and _loaded_at > $since
    )

    select path, row_number, left_out_at, 'row' as kind
    from refusals
    where not (
        length(address) <= 254
        and regexp_full_match(
            address,
            '[!#-&*+./0-9=?A-Z^-~-][!#-''*+./0-9=?A-Z^-~-]*'
            '@[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)+'
        )
    )
"""


@dataclass(frozen=True)
class _LeftOut:
    """What a load left out of a table, and the first of it by load, path and row."""

    rows: int = 0
    rejected_files: int = 0
    unread_files: int = 0
    changed_files: int = 0
    gone_changed_files: int = 0
    first_path: str = ""
    first_row: int | None = None
    newest_at: datetime | None = None

    @property
    def files(self) -> int:
        """Return how many whole files it is."""
        return (
            self.rejected_files + self.unread_files + self.changed_files + self.gone_changed_files
        )

    @property
    def first(self) -> str:
        """Return where the first of it is."""
        if self.first_row is None:
            return f"the file {self.first_path}"
        return f"row {self.first_row} of {self.first_path}"


def judge(
    connection: duckdb.DuckDBPyConnection,
    *,
    as_of: datetime,
    judged_at: datetime,
    settings: DoorSettings,
) -> Verdict:
    """Judge whether anything may be delivered.

    Whatever the `as_of`, every opt-out counts that a load has left out, that the newest build has
    not seen, or that nobody understands, and everybody in schema sync must be somebody who may be
    mailed. `as_of` is that of the build; the verdict carries the size of the payload, with which
    later ones compare theirs, so it has to be recorded. Reads only. Raises SettingsError when a
    `reviewed_until` lies after `judged_at`, GateError when a rule could not be judged.
    """
    as_of, judged_at = to_utc(as_of), to_utc(judged_at)
    refuse_future_reviews(settings, judged_at)
    rules = settings.before_delivery
    columns = read_columns(connection)
    payload_measures, figures = payload.measure(
        connection, columns, settings, DOOR, as_of=as_of, judged_at=judged_at
    )
    measures = [
        *_measure_tables(connection, columns, rules),
        *_measure_rejected_opt_outs(connection, settings),
        *_measure_rejected_email_event_files(connection, settings),
        *_measure_lost_rejected_rows(connection, columns, settings),
        *_measure_lost_refusal_rows(connection, columns, settings),
        *_measure_unreadable_addresses(connection, columns, settings),
        *_measure_marts_older_than_raw(connection, settings),
        *raw_values.measure_words(connection, columns, _get_word_rules(rules)),
        *raw_values.measure_gaps(connection, columns, _REFUSAL_TABLES, rules.required_values),
        *raw_values.measure_types(columns, _REFUSAL_TABLES, rules.column_types),
        *payload_measures,
    ]
    return gate.judge(DOOR, measures, as_of=as_of, judged_at=judged_at, figures=figures)


def _measure_tables(
    connection: duckdb.DuckDBPyConnection, columns: Columns, rules: BeforeDelivery
) -> Iterator[Measure]:
    has_payload = relations.is_there(connection, payload.PROFILES)
    has_people = has_payload and relations.ask(
        connection, f"select count(*) > 0 from {payload.PROFILES}"
    ) == (True,)
    build = "build with `mailmart run`"
    needed = []
    if _read_built_at(connection) is not None:
        needed.append((payload.PROFILES, has_payload, "something was built", build))
    if has_payload:
        has_suppressions = relations.is_there(connection, payload.SUPPRESSIONS)
        why = f"{payload.PROFILES} is there"
        needed.append((payload.SUPPRESSIONS, has_suppressions, why, build))
    for table in _REFUSAL_TABLES:
        loaded, _ = _ask_ledger(connection, columns, table)
        if loaded or has_people:
            why = (
                "files were loaded into it" if loaded else f"there are people in {payload.PROFILES}"
            )
            way_out = (
                "restore it from a backup or load the landing folder into a new warehouse"
                if loaded
                else f"restore it from a backup, or {build}, which makes it"
            )
            needed.append((f"raw.{table}", table in columns, why, way_out))
    for table, is_there, why, way_out in needed:
        for severity, bound in rules.required_tables.bounds():
            yield Measure(
                rule="required_tables",
                table=table,
                severity=severity,
                observed=float(is_there),
                at_least=float(bound.tables_at_least),
                fact=f"{table} is there" if is_there else f"{table} is not there, though {why}",
                way_out=way_out,
            )


def _measure_rejected_opt_outs(
    connection: duckdb.DuckDBPyConnection, settings: DoorSettings
) -> Iterator[Measure]:
    rule = settings.before_delivery.rejected_opt_outs
    key = f"{DOOR}.rejected_opt_outs"
    since = get_reviewed_until(rule)
    left_out = {
        table: _count_left_out(
            connection,
            {"rejected_rows": _REJECTED_ROWS, "loaded_files": _find_refused_files(connection)},
            {"table": table, "since": since},
        )
        for table in _OPT_OUT_TABLES
    }
    left_out["email_events"] = _count_left_out(
        connection,
        {"rejected_rows": _MAY_BE_OPT_OUT},
        {"harmless": list(_HARMLESS), "opt_out_word": _OPT_OUT_WORD, "since": since},
    )
    for table, left in left_out.items():
        yield from measure_rows(
            "rejected_opt_outs",
            table,
            rule,
            left.rows + left.files,
            bad=(
                f"{_tell_count(left)} that may be an opt-out could not be loaded into "
                f"raw.{table}, first {left.first}"
            ),
            good=f"no opt-out was left out of raw.{table}",
            way_out=_find_way_out(left, key, settings.source),
        )


def _measure_rejected_email_event_files(
    connection: duckdb.DuckDBPyConnection, settings: DoorSettings
) -> Iterator[Measure]:
    rule = settings.before_delivery.rejected_email_event_files
    key = f"{DOOR}.rejected_email_event_files"
    since = get_reviewed_until(rule)
    left = _count_left_out(
        connection,
        {"loaded_files": _find_refused_files(connection)},
        {"table": "email_events", "since": since},
    )
    for severity, bound in rule.bounds():
        yield Measure(
            rule="rejected_email_event_files",
            table="email_events",
            severity=severity,
            observed=float(left.files),
            at_most=float(bound.files_at_most),
            fact=(
                f"{_tell_count(left)} with events, opt-outs perhaps among them, could not be "
                f"loaded into raw.email_events, first {left.first}"
                if left.files
                else "no file was left out of raw.email_events"
            ),
            way_out=_find_way_out(left, key, settings.source),
        )


def _measure_lost_rejected_rows(
    connection: duckdb.DuckDBPyConnection, columns: Columns, settings: DoorSettings
) -> Iterator[Measure]:
    rule = settings.before_delivery.lost_rejected_rows
    query = _LOST_ROWS.format(
        rejected_rows=(
            "raw.rejected_rows"
            if "rejected_rows" in columns
            else "(select '' as table_name, '' as path limit 0)"
        )
    )
    for table in _REFUSAL_TABLES:
        lost, path, newest_at = 0, "", None
        # Another loader than ours has no ledger.
        if "loaded_files" in columns:
            lost, path, newest_at = relations.ask(
                connection, query, {"table": table, "since": get_reviewed_until(rule)}
            )
        yield from measure_rows(
            "lost_rejected_rows",
            table,
            rule,
            lost,
            bad=(
                f"{_tell_rows(lost)} that raw.loaded_files counts as rejected, opt-outs "
                f"perhaps among them, {'is' if lost == 1 else 'are'} no longer in "
                f"raw.rejected_rows for raw.{table}, first of the file {path}"
            ),
            good=f"every rejected row of raw.{table} is kept",
            way_out=(
                "restore raw.rejected_rows from a backup or load the landing folder into a "
                "new warehouse, or, once the files have been looked at, set "
                f"{DOOR}.lost_rejected_rows.reviewed_until in {settings.source} to "
                f"{_tell_moment(newest_at)}"
            ),
        )


def _measure_lost_refusal_rows(
    connection: duckdb.DuckDBPyConnection, columns: Columns, settings: DoorSettings
) -> Iterator[Measure]:
    rule = settings.before_delivery.lost_refusal_rows
    since = get_reviewed_until(rule)
    for table in _REFUSAL_TABLES:
        loaded, newest_at = _ask_ledger(connection, columns, table, since)
        kept = _count_kept_rows(connection, columns, table, since) if loaded else 0
        lost = max(0, loaded - kept)
        yield from measure_rows(
            "lost_refusal_rows",
            table,
            rule,
            lost,
            bad=(
                f"{_tell_rows(lost)} of the {loaded} that raw.loaded_files counts as loaded into "
                f"raw.{table}, refusals perhaps among them, {'is' if lost == 1 else 'are'} no "
                "longer there"
            ),
            good=f"every row that was loaded into raw.{table} is there",
            way_out=(
                f"restore raw.{table} from a backup or load the landing folder into a new "
                "warehouse, or, once somebody has seen that no refusal was lost, set "
                f"{DOOR}.lost_refusal_rows.reviewed_until in {settings.source} to "
                f"{_tell_moment(newest_at)}"
            ),
        )


def _measure_unreadable_addresses(
    connection: duckdb.DuckDBPyConnection, columns: Columns, settings: DoorSettings
) -> Iterator[Measure]:
    rule = settings.before_delivery.unreadable_refusal_addresses
    for table, (names, is_refusal) in _IS_REFUSAL.items():
        left = _LeftOut()
        if has_usable(columns, table, "email", "_loaded_at", *names):
            # Another loader may leave out where a row came from.
            query = _UNREADABLE.format(
                table=table,
                blanks=_BLANKS,
                is_refusal=is_refusal,
                path="_file::varchar" if "_file" in columns[table] else "null::varchar",
                row_number=(
                    "try_cast(_row as bigint)" if "_row" in columns[table] else "null::bigint"
                ),
            )
            left = _count_left_out(connection, {table: query}, {"since": get_reviewed_until(rule)})
        where = f", first {left.first}" if left.first_path else ""
        yield from measure_rows(
            "unreadable_refusal_addresses",
            table,
            rule,
            left.rows,
            bad=(
                f"{_tell_rows(left.rows)} of raw.{table} {'says' if left.rows == 1 else 'say'} "
                f"no under an address that is nobody's{where}"
            ),
            good=f"every refusal in raw.{table} has an address that can be somebody's",
            way_out=(
                "bring each refusal under the right address as a new file, then set "
                f"{DOOR}.unreadable_refusal_addresses.reviewed_until in {settings.source} to "
                f"{_tell_moment(left.newest_at)}"
            ),
        )


def _measure_marts_older_than_raw(
    connection: duckdb.DuckDBPyConnection, settings: DoorSettings
) -> Iterator[Measure]:
    columns = read_columns(connection)
    built_at = _read_built_at(connection)
    when = "" if built_at is None else f" (of {built_at:%Y-%m-%d %H:%M:%S} UTC)"
    for table in _REFUSAL_TABLES:
        unseen = 0
        if has_usable(columns, table, "_loaded_at"):
            ((unseen,),) = connection.execute(
                f'select count(*) from raw."{table}" where _loaded_at > $built_at',
                {"built_at": built_at or datetime.min},  # noqa: DTZ901 - UTC without a zone
            ).fetchall()
        yield from measure_rows(
            "marts_older_than_raw",
            table,
            settings.before_delivery.marts_older_than_raw,
            unseen,
            bad=(
                f"{unseen} {'row' if unseen == 1 else 'rows'} in raw.{table} came after the "
                f"newest build{when}, opt-outs perhaps among them"
            ),
            good=f"the newest build has seen every row in raw.{table}",
            way_out="build the marts with `mailmart run`, which then delivers too",
        )


def _get_word_rules(rules: BeforeDelivery) -> Mapping[str, WordRule]:
    return {
        "known_email_event_types": rules.known_email_event_types,
        "known_bounce_types": rules.known_bounce_types,
        "known_consent_statuses": rules.known_consent_statuses,
    }


def _read_built_at(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Return when the newest build began, in UTC; None where nothing was built."""
    if not relations.is_there(connection, "marts.fct_builds"):
        return None
    (built_at,) = relations.ask(connection, "select max(built_at) from marts.fct_builds")
    moment: datetime | None = built_at
    return moment


def _ask_ledger(
    connection: duckdb.DuckDBPyConnection,
    columns: Columns,
    table: str,
    since: datetime = datetime.min,  # noqa: DTZ901 - UTC without a zone here
) -> tuple[int, datetime | None]:
    """Return how many rows of files loaded after `since` came into a table, and when the last.

    Another loader than ours has no ledger, and then it is none.
    """
    if "loaded_files" not in columns:
        return 0, None
    rows, newest_at = relations.ask(connection, _LOADED_ROWS, {"table": table, "since": since})
    return rows, newest_at


def _count_kept_rows(
    connection: duckdb.DuckDBPyConnection, columns: Columns, table: str, since: datetime
) -> int:
    """Return how many of the rows that our loader brought after `since` a table holds."""
    if table not in columns:
        return 0
    conditions = ["true"]
    parameters = {}
    if "_file" in columns[table]:
        conditions.append("_file is not null")
    if has_usable(columns, table, "_loaded_at"):
        conditions.append("_loaded_at > $since")
        parameters = {"since": since}
    query = _KEPT_ROWS.format(table=table, conditions=" and ".join(conditions))
    (rows,) = relations.ask(connection, query, parameters)
    return int(rows)


def _find_refused_files(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the query for refused files; a ledger of the first version notes none as gone."""
    notes_gone = "gone_at" in read_columns(connection).get("loaded_files", {})
    return _REFUSED_FILES.format(gone_at="gone_at" if notes_gone else "null::timestamp")


def _count_left_out(
    connection: duckdb.DuckDBPyConnection,
    query_of: Mapping[str, str],
    parameters: Mapping[str, object],
) -> _LeftOut:
    """Count what the queries find, of those whose table is there.

    Another loader than ours keeps no such tables, and then nothing is known to be left out.
    """
    columns = read_columns(connection)
    queries = [f"({query})" for table, query in query_of.items() if table in columns]
    if not queries:
        return _LeftOut()
    found = connection.execute(
        f"""
        with left_out as ({" union all ".join(queries)})
        select
            count(*) filter (where kind = 'row'),
            count(*) filter (where kind = 'rejected'),
            count(*) filter (where kind = 'unread'),
            count(*) filter (where kind = 'changed' and left_out_at is null),
            count(*) filter (where kind = 'changed' and left_out_at is not null),
            coalesce(first(path order by left_out_at, path, row_number), ''),
            first(row_number order by left_out_at, path, row_number),
            max(left_out_at)
        from left_out
        """,
        parameters,
    ).fetchone()
    return _LeftOut(*found) if found else _LeftOut()


def _tell_count(left: _LeftOut) -> str:
    rows = _tell_rows(left.rows)
    files = f"{left.files} {'file' if left.files == 1 else 'files'}"
    return " and ".join(text for number, text in ((left.rows, rows), (left.files, files)) if number)


def _tell_rows(number: int) -> str:
    return f"{number} {'row' if number == 1 else 'rows'}"


def _tell_moment(moment: datetime | None) -> str:
    return f"{moment.isoformat()}Z" if moment else "now"


def _find_way_out(left: _LeftOut, key: str, source: str) -> str:
    """Say where to look, how to mend each kind, and how to go on without what cannot be mended."""
    where = (["raw.rejected_rows"] if left.rows else []) + (
        ["raw.loaded_files"] if left.files else []
    )
    mendings = []
    if left.changed_files or left.gone_changed_files:
        mendings.append(
            "put the old content of a changed file back and bring what is new as a new file"
        )
    if left.rejected_files:
        mendings.append("mend a rejected file, which is then tried again")
    if left.unread_files:
        mendings.append(
            "bring an unread file as .csv, .ndjson or .parquet in the folder of its table"
        )
    text = ", ".join([f"look at {' and '.join(where)}", *mendings])
    if left.newest_at is None:
        return text
    can_be_mended = left.rejected_files or left.unread_files or left.gone_changed_files
    link = "or" if can_be_mended else "then"
    return f"{text}, {link} set {key}.reviewed_until in {source} to {_tell_moment(left.newest_at)}"
