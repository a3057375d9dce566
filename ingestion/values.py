"""How a cell of a file becomes a value of the contract, as DuckDB expressions.

Every expression is null where the cell does not parse, never an error, and none depends on the
session's time zone.
"""

from typing import Final

from ingestion.contract import SQL_TYPES, Type

# Epoch numbers below this are seconds, from it on milliseconds. It is 2000-01-01 in
# milliseconds and the year 31969 in seconds, so every instant from 2000 on is read right in
# both units. What lies beyond the year 9999 in its unit is no timestamp.
FIRST_EPOCH_MILLISECONDS: Final = 946_684_800_000
_LAST_EPOCH_SECOND: Final = 253_402_300_799

_ISO_UTC: Final = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}:\d{2}(\.\d+)?Z?)?"
_OFFSET: Final = r"[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?"
_ISO_OFFSET: Final = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?" + _OFFSET
_ISO_RARE: Final = (
    r"^\s*(\d{4})-?(\d{2})-?(\d{2})"
    r"(?:[Tt ]\s*(\d{2})(?::?(\d{2})(?::?(\d{2})([.,]\d+)?)?)?"
    rf"\s*([Zz]|{_OFFSET})?)?\s*$"
)
_NUMBER: Final = r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*"
_BLANKS: Final = r"' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)"

TRUE_WORDS: Final = ("true", "t", "1", "yes", "1.0")
FALSE_WORDS: Final = ("false", "f", "0", "no", "0.0")


def quote(name: str) -> str:
    """Return an SQL identifier for any name."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return an SQL string literal; for words of our own, values of users are bound."""
    return "'" + text.replace("'", "''") + "'"


def is_blank(text: str) -> str:
    """Return whether a text has nothing but white space, which is null in a column of no text."""
    return f"trim({text}, {_BLANKS}) = ''"


def parse(type_: Type, text: str) -> str:
    """Return the value of `type_` that the VARCHAR expression `text` spells, else null."""
    match type_:
        case "text":
            return text
        case "timestamp":
            return _timestamp(text)
        case "date":
            return _date(text)
        case "decimal" | "decimal(18,6)":
            return f"case when not contains({text}, '_') then {_cast(text, SQL_TYPES[type_])} end"
        case "integer":
            return _integer(text)
        case "boolean":
            return _boolean(text)
        case "json":
            return f"case when json_valid({text}) then json({text}) end"


def as_text(physical_type: str, cell: str) -> str:
    """Return the text of a cell of any DuckDB type, from which `parse` goes on."""
    if physical_type in ("VARCHAR", "JSON"):
        return cell
    if physical_type in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"):
        return f"(({_instant(physical_type, cell)})::VARCHAR || '+00')"
    if physical_type.endswith("]") or physical_type.startswith(("STRUCT", "MAP", "UNION", "LIST")):
        return f"to_json({cell})::VARCHAR"
    return f"({cell})::VARCHAR"


def convert(type_: Type, physical_type: str, cell: str) -> str | None:
    """Return the value of a typed cell where no text is needed in between, else None."""
    is_instant = physical_type.startswith("TIMESTAMP")
    if type_ == "timestamp" and (is_instant or physical_type == "DATE"):
        return _instant(physical_type, cell)
    if type_ == "date" and (is_instant or physical_type == "DATE"):
        return _cast(_instant(physical_type, cell), "DATE")
    if type_ == "boolean" and physical_type == "BOOLEAN":
        return cell
    if type_ == "json" and physical_type == "JSON":
        # A cell of a JSON file that is no JSON text was a string, which is JSON too.
        blank, text = is_blank(cell), parse("json", cell)
        return f"case when not ({blank}) then coalesce({text}, to_json({cell})) end"
    if physical_type in _INTEGERS and type_ in ("integer", "decimal", "decimal(18,6)"):
        return _cast(cell, SQL_TYPES[type_])
    # An engine's cast between decimals rounds as its cast from text does; binary floats go
    # through their shortest text instead, so that 1.005 is the 1.005 that was written.
    if physical_type.startswith("DECIMAL") and type_ in ("decimal", "decimal(18,6)"):
        return _cast(cell, SQL_TYPES[type_])
    return None


_INTEGERS: Final = frozenset(
    {
        *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
        *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
    }
)


def _cast(expression: str, sql_type: str) -> str:
    return f"try_cast({expression} as {sql_type})"


def _instant(physical_type: str, cell: str) -> str:
    """Return a typed date or timestamp as TIMESTAMP in UTC, cut to the microsecond."""
    if physical_type in ("TIMESTAMP_NS", "TIMESTAMPTZ_NS"):
        # A cast would round; integer division cuts towards zero, which is up before 1970.
        nanoseconds = f"epoch_ns({cell})"
        below = f"(({nanoseconds} % 1000) + 1000) % 1000"
        value = f"make_timestamp(({nanoseconds} - {below}) // 1000)"
    elif physical_type == "TIMESTAMP WITH TIME ZONE":
        value = f"make_timestamp(epoch_us({cell}))"
    else:
        value = _cast(cell, "TIMESTAMP")
    # Nanoseconds with a zone have no isfinite of their own.
    finite = f"{cell} at time zone 'UTC'" if physical_type == "TIMESTAMPTZ_NS" else cell
    return f"case when isfinite({finite}) then {value} end"


def _timestamp(text: str) -> str:
    return (
        f"case when regexp_full_match({text}, '{_ISO_UTC}') then {_cast(text, 'TIMESTAMP')} "
        f"when regexp_full_match({text}, '{_ISO_OFFSET}') "
        f"then {_cast(text, 'TIMESTAMPTZ')} at time zone 'UTC' "
        f"when regexp_full_match({text}, '{_NUMBER}') then {_epoch(text)} "
        f"when regexp_matches({text}, '{_ISO_RARE}') then {_rare_iso(text)} end"
    )


def _rare_iso(text: str) -> str:
    """Read what ISO 8601 allows besides: no separators, a comma, lower case, no seconds."""
    parts = f"regexp_extract({text}, '{_ISO_RARE}', ['y', 'm', 'd', 'h', 'i', 's', 'f', 'z'])"
    filled = "coalesce(nullif(part.{}, ''), '{}')"
    written = (
        "part.y || '-' || part.m || '-' || part.d || ' ' || "
        f"{filled.format('h', '00')} || ':' || {filled.format('i', '00')} || ':' || "
        f"{filled.format('s', '00')} || replace(part.f, ',', '.') || "
        "case when upper(part.z) in ('', 'Z') then '+00' else part.z end"
    )
    instant = f"{_cast(written, 'TIMESTAMPTZ')} at time zone 'UTC'"
    return f"list_transform([{parts}], lambda part: {instant})[1]"


def _epoch(text: str) -> str:
    # Decimals, so that no digit of a fraction passes through a binary float. The fraction is
    # cut apart from the whole, because their product would have more than 38 digits.
    microseconds = (
        "(floor(n)::BIGINT * {unit} + floor((n - floor(n))::DECIMAL(19,18) * {unit})::BIGINT)"
    )
    instant = (
        f"case when n < {FIRST_EPOCH_MILLISECONDS} and n < {_LAST_EPOCH_SECOND + 1} "
        f"and n > -{_LAST_EPOCH_SECOND} "
        f"then make_timestamp({microseconds.format(unit=1_000_000)}) "
        f"when n >= {FIRST_EPOCH_MILLISECONDS} and n < {(_LAST_EPOCH_SECOND + 1) * 1000} "
        f"then make_timestamp({microseconds.format(unit=1_000)}) end"
    )
    return f"list_transform([{_cast(text, 'DECIMAL(38,18)')}], lambda n: {instant})[1]"


def _date(text: str) -> str:
    # A birthday is a day of the calendar as it was written: an offset does not move it.
    shape = r"\s*\d{4}-\d{2}-\d{2}([Tt ].*)?"
    return (
        f"case when regexp_full_match({text}, '{shape}') and ({_timestamp(text)}) is not null "
        f"then {_cast(f'left(ltrim({text}), 10)', 'DATE')} end"
    )


def _integer(text: str) -> str:
    exact = f"list_transform([{_cast(text, 'DECIMAL(38,19)')}], lambda n: "
    whole = f"case when n = trunc(n) then {_cast('n', 'BIGINT')} end)[1]"
    return (
        f"case when regexp_full_match({text}, '-?[0-9]{{1,18}}') then {text}::BIGINT "
        f"when regexp_full_match({text}, '{_NUMBER}') then {exact}{whole} end"
    )


def _boolean(text: str) -> str:
    # The comparisons by `case`, because `in` becomes a join, and trimming is slow.
    words = {**dict.fromkeys(TRUE_WORDS, "true"), **dict.fromkeys(FALSE_WORDS, "false")}
    choices = " ".join(f"when {quote_text(word)} then {value}" for word, value in words.items())
    trimmed = f"lower(trim({text}, {_BLANKS}))"
    return f"case {text} {choices} else case {trimmed} {choices} end end"
