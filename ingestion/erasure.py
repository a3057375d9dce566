"""Who asked to be forgotten leaves the raw tables, and does not come back with another file.

What stays of a person is a set of HMACs: of the address, and of the contacts, orders and visitors
that went with it. Rows that are loaded later are held against them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import duckdb

from ingestion.contract import (
    ERASURE_CHECKS,
    ERASURES,
    LOADED_FILES,
    REJECTED_ROWS,
    TABLES,
    Table,
)
from ingestion.schema import qualify

# One block of SHA-256, to which an HMAC fills its key up (RFC 2104).
_BLOCK_BYTES: Final = 64
_ADDRESSED: Final = tuple(t for t in TABLES.values() if "email" in t.column_names)

# What is erased along with an address, each by the text that its HMAC is of, and where it is found.
_TIES: Final = {
    "contact": ("coalesce(source_system, '') || chr(31) || contact_id", ("contacts",)),
    "order": ("order_id", ("orders", "order_lines")),
    "visitor": ("anonymous_id", ("web_events",)),
}

# An address within other text.
_ADDRESS_IN_TEXT: Final = """[^\\s"',;:<>{}()\\[\\]=\\\\]+@[^\\s"',;:<>{}()\\[\\]=\\\\]+"""


@dataclass(frozen=True)
class Erased:
    """What an erasure took out of the raw tables.

    `addresses` are those that nobody had asked about before, `rows` counts by table, `files` are
    the landing files, as the ledger names them, whose rows were taken out: they still name
    somebody. `loaded_from` is when the earliest of these rows was loaded, None where that is not
    known of all. The normalised addresses, of those too who came back, are in the temporary table
    `erased_addresses (email)` of the connection, for the tables that were made of the raw ones.
    """

    addresses: int
    rows: Mapping[str, int]
    files: tuple[str, ...]
    loaded_from: datetime | None = field(default=None, compare=False)


def normalise(column: str) -> str:
    """Return the expression of a normalised address, as staging has it."""
    trimmed = rf"trim({column}, e'\t\n\f\r ' || chr(11) || chr(160))"
    return (
        f"case when strlen({trimmed}) = length({trimmed}) then lower({trimmed}) else {trimmed} end"
    )


def is_valid(column: str) -> str:
    """Return the expression that tells whether a normalised address is valid, as staging has it."""
    return (
        f"(length({column}) <= 254"
        f" and regexp_matches({column}, '^[!-?A-~]+@[!-?A-~]+[.][!-?A-~]+$'))"
    )


def erase(
    connection: duckdb.DuckDBPyConnection, *, key: bytes, as_of: datetime, erased_at: datetime
) -> Erased:
    """Take everybody out of the raw tables who asked for it by `as_of`, or had asked before.

    Times are naive UTC. The caller's transaction makes it one; nothing here commits. What goes: all
    rows with the address, every version of a contact and of an order that ever carried it, the
    lines of such an order, the events without an address of a visitor who was first seen with it,
    and rejected rows whose text names one of these. The ledger counts what is left.
    """
    _set_key(connection, key)
    if not _has_work(connection, as_of):
        connection.execute("create or replace temp table erased_addresses (email varchar)")
        return Erased(0, {}, ())
    unchecked = {table: _find_unchecked(connection, table) for table in TABLES.values()}
    addresses = _find_addresses(connection, unchecked, as_of=as_of, erased_at=erased_at)
    if _holds(connection, "erased_addresses"):
        _find_new_ties(connection, erased_at)
    _find_ties(connection, unchecked, as_of=as_of, erased_at=erased_at)
    rows: dict[str, int] = {}
    files: set[str] = set()
    loaded: list[datetime | None] = []
    for table in TABLES.values():
        condition = _make_condition(connection, table)
        if condition is None:
            continue
        connection.execute(
            f"""
            create or replace temp table gone as
            select
                _file as path,
                count(*) as deleted,
                case when count(_loaded_at) = count(*) then min(_loaded_at) end as loaded_from
            from {qualify(table)} where {condition} group by _file
            """
        )
        loaded += [at for (at,) in connection.execute("select loaded_from from gone").fetchall()]
        connection.execute(f"delete from {qualify(table)} where {condition}")
        rows[table.name] = _count_off(connection, "rows_loaded", table.name, files)
    rows[REJECTED_ROWS.name] = _delete_rejected(connection, files)
    _mark_checked(connection)
    known = [at for at in loaded if at is not None]
    return Erased(
        addresses,
        {t: n for t, n in rows.items() if n},
        tuple(sorted(files)),
        min(known, default=None) if len(known) == len(loaded) else None,
    )


def is_known(connection: duckdb.DuckDBPyConnection, email: str) -> bool:
    """Tell whether any raw row but a request for erasure carries an address, however written."""
    rows = " union all ".join(
        f"select 1 from {qualify(table)} where {normalise('email')} = {normalise('$email')}"
        for table in _ADDRESSED
        if table.name != "erasure_requests"
    )
    return bool(connection.execute(f"{rows} limit 1", {"email": email}).fetchone())


def _has_work(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> bool:
    """Tell whether anybody was ever erased or asks for it; nearly all warehouses know of nobody."""
    return bool(
        connection.execute(
            f"select 1 from {qualify(ERASURES)} union all"
            " select 1 from raw.erasure_requests where requested_at <= ? limit 1",
            [as_of],
        ).fetchone()
    )


def _set_key(connection: duckdb.DuckDBPyConnection, key: bytes) -> None:
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(
        _BLOCK_BYTES, b"\0"
    )
    for name, mask in (("inner", 0x36), ("outer", 0x5C)):
        masked = bytes(byte ^ mask for byte in block)
        connection.execute(f"set variable mailmart_erasure_{name} = ?", [masked])


def _digest(kind: str, text: str) -> str:
    """Return the expression of HMAC-SHA256 (RFC 2104) of a kind and a text, in hexadecimals."""
    return (
        "sha256(getvariable('mailmart_erasure_outer') || unhex(sha256("
        f"getvariable('mailmart_erasure_inner') || encode('{kind}' || chr(10) || {text}))))"
    )


def _find_unchecked(connection: duckdb.DuckDBPyConnection, table: Table) -> str:
    """Return the condition of the rows that nobody has held against the HMACs yet.

    Another loader may fill in rows under an earlier time; then the count no longer agrees, and
    every row is looked at again.
    """
    checked = connection.execute(
        f"select loaded_until, rows from {qualify(ERASURE_CHECKS)} where table_name = ?",
        [table.name],
    ).fetchone()
    if checked is None or checked[0] is None:
        return "true"
    until = f"timestamp '{checked[0].isoformat(sep=' ')}'"
    ((rows,),) = connection.execute(
        f"select count(*) from {qualify(table)} where _loaded_at <= {until}"
    ).fetchall()
    return f"(_loaded_at > {until} or _loaded_at is null)" if rows == checked[1] else "true"


def _find_addresses(
    connection: duckdb.DuckDBPyConnection,
    unchecked: Mapping[Table, str],
    *,
    as_of: datetime,
    erased_at: datetime,
) -> int:
    """Make `erased_addresses`, and return how many are new."""
    seen = " union ".join(
        f"select {normalise('email')} as email from {qualify(table)} where {unchecked[table]}"
        for table in _ADDRESSED
    )
    connection.execute(
        f"""
        create or replace temp table requested_addresses as
        select {normalise("email")} as email, min(requested_at) as requested_at
        from raw.erasure_requests
        where requested_at <= $as_of and {normalise("email")} <> ''
        group by 1
        """,
        {"as_of": as_of},
    )
    connection.execute(
        f"""
        create or replace temp table erased_addresses as
        select email from requested_addresses
        union
        select email from ({seen})
        where {_digest("address", "email")} in (
            select digest from {qualify(ERASURES)} where kind = 'address'
        )
        """
    )
    ((new,),) = connection.execute(
        f"""
        insert into {qualify(ERASURES)}
        select 'address', {_digest("address", "email")} as digest, requested_at, $erased_at
        from requested_addresses
        where digest not in (select digest from {qualify(ERASURES)} where kind = 'address')
        """,
        {"erased_at": erased_at},
    ).fetchall()
    return int(new)


def _find_new_ties(connection: duckdb.DuckDBPyConnection, erased_at: datetime) -> None:
    """Remember the contacts, orders and visitors of the erased addresses, from their own times on.

    A tie that lies after `as_of` has not happened yet; its HMAC waits for the day.
    """
    is_erased = f"{normalise('email')} in (select email from erased_addresses)"
    found = {
        "contact": f"""
            select {_TIES["contact"][0]} as tied, min(updated_at) as effective_at
            from raw.contacts where {is_erased} group by 1
        """,
        "order": f"""
            select
                order_id as tied,
                min(greatest(ordered_at, coalesce(updated_at, ordered_at))) as effective_at
            from raw.orders where {is_erased} group by 1
        """,
        "visitor": f"""
            with seen as (
                select anonymous_id, {normalise("email")} as email, occurred_at
                from raw.web_events
                where
                    anonymous_id in (
                        select anonymous_id from raw.web_events
                        where {is_erased} and anonymous_id <> ''
                    )
                    and {is_valid(normalise("email"))}
            )
            select anonymous_id as tied, min(occurred_at) as effective_at
            from seen group by 1
            having
                arg_min(email, (occurred_at, email)) in (select email from erased_addresses)
        """,
    }
    for kind, query in found.items():
        connection.execute(
            f"""
            insert into {qualify(ERASURES)}
            select $kind, {_digest(kind, "tied")} as digest, effective_at, null
            from ({query})
            where digest not in (select digest from {qualify(ERASURES)} where kind = $kind)
            """,
            {"kind": kind},
        )


def _find_ties(
    connection: duckdb.DuckDBPyConnection,
    unchecked: Mapping[Table, str],
    *,
    as_of: datetime,
    erased_at: datetime,
) -> None:
    """Make `erased_ties (kind, tied)`: what is in the raw tables of whom an HMAC is kept."""
    connection.execute("create or replace temp table erased_ties (kind varchar, tied varchar)")
    for kind, (tied, tables) in _TIES.items():
        settled = connection.execute(
            f"update {qualify(ERASURES)} set erased_at = $erased_at"
            " where kind = $kind and erased_at is null and effective_at <= $as_of",
            {"kind": kind, "as_of": as_of, "erased_at": erased_at},
        ).fetchall()
        # What has just become due may be in rows of any age.
        is_due = settled != [(0,)]
        ids = " union ".join(
            f"select {tied} as tied from {qualify(TABLES[name])}"
            f" where {'true' if is_due else unchecked[TABLES[name]]}"
            for name in tables
        )
        connection.execute(
            f"""
            insert into erased_ties
            select $kind, tied from ({ids})
            where {_digest(kind, "tied")} in (
                select digest from {qualify(ERASURES)}
                where kind = $kind and erased_at is not null
            )
            """,
            {"kind": kind},
        )


def _make_condition(connection: duckdb.DuckDBPyConnection, table: Table) -> str | None:
    """Return the condition of the rows of a table that go; None where none do."""
    conditions = []
    if table in _ADDRESSED and _holds(connection, "erased_addresses"):
        conditions.append(f"{normalise('email')} in (select email from erased_addresses)")
    for kind, (tied, tables) in _TIES.items():
        of_kind = f"erased_ties where kind = '{kind}'"
        if table.name in tables and _holds(connection, of_kind):
            is_tied = f"{tied} in (select tied from {of_kind})"
            if kind == "visitor":
                # What somebody else did in the same browser, under a name, stays.
                is_tied += f" and {is_valid(normalise('email'))} is not true"
            conditions.append(f"({is_tied})")
    return " or ".join(conditions) or None


def _holds(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    return connection.execute(f"select 1 from {relation} limit 1").fetchone() is not None


def _delete_rejected(connection: duckdb.DuckDBPyConnection, files: set[str]) -> int:
    """Delete the rejected rows that name an erased address, contact or order."""
    connection.execute(
        f"""
        create or replace temp table naming_rows as
        with texts as (
            select
                rowid as row, table_name,
                lower(coalesce(raw_text, '') || chr(10) || reason) as text
            from {qualify(REJECTED_ROWS)}
        ),
        tokens as (
            select row, unnest(list_distinct(regexp_extract_all(text, $address))) as token
            from texts
        ),
        words as (
            select
                row, table_name,
                unnest(list_distinct(regexp_split_to_array(text, '[^a-z0-9_-]+'))) as word
            from texts
            where table_name in ('contacts', 'orders', 'order_lines')
        )
        select texts.row from texts
        inner join erased_addresses
            on
                contains(texts.text, erased_addresses.email)
                -- Within a longer address it is somebody else's.
                and regexp_matches(
                    texts.text,
                    '(^|[^a-z0-9._%+-])' || regexp_escape(erased_addresses.email)
                    || '([.]?[^a-z0-9._-]|[.]?$)'
                )
        union
        select row from tokens
        where {_digest("address", "token")} in (
            select digest from {qualify(ERASURES)} where kind = 'address'
        )
        union
        select words.row from words
        inner join erased_ties
            on
                words.word = lower(string_split(erased_ties.tied, chr(31))[-1])
                and erased_ties.kind = case words.table_name
                    when 'contacts' then 'contact' else 'order'
                end
        """,
        {"address": _ADDRESS_IN_TEXT},
    )
    deleted = 0
    for (table,) in connection.execute(
        f"""
        select distinct table_name from {qualify(REJECTED_ROWS)}
        where rowid in (select row from naming_rows) order by table_name
        """
    ).fetchall():
        connection.execute(
            f"""
            create or replace temp table gone as
            select path, count(*) as deleted from {qualify(REJECTED_ROWS)}
            where table_name = $table and rowid in (select row from naming_rows)
            group by path
            """,
            {"table": table},
        )
        deleted += _count_off(connection, "rows_rejected", table, files)
    connection.execute(
        f"delete from {qualify(REJECTED_ROWS)} where rowid in (select row from naming_rows)"
    )
    return deleted


def _count_off(
    connection: duckdb.DuckDBPyConnection, column: str, table: str, files: set[str]
) -> int:
    """Let the ledger count what is left of each file in `gone`; return how many rows went."""
    connection.execute(
        f"""
        update {qualify(LOADED_FILES)} as ledger
        set {column} = ledger.{column} - gone.deleted
        from gone
        where ledger.table_name = $table and ledger.path = gone.path
        """,
        {"table": table},
    )
    gone = connection.execute("select path, deleted from gone").fetchall()
    files.update(path for path, _ in gone if path is not None)
    return sum(deleted for _, deleted in gone)


def _mark_checked(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"delete from {qualify(ERASURE_CHECKS)}")
    for table in TABLES.values():
        connection.execute(
            f"""
            insert into {qualify(ERASURE_CHECKS)}
            select $table, max(_loaded_at), count(_loaded_at) from {qualify(table)}
            """,
            {"table": table.name},
        )
