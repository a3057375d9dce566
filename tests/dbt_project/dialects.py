"""What Snowflake, BigQuery and Databricks know of SQL, as far as the models use it.

A list of all that DuckDB alone knows would never be complete, so the functions and the types that a
query may use are listed, and whatever is not listed is foreign until somebody has looked it up in
the warehouse's own reference. Grammar is read by sqlglot, which is generous: it parses what one
dialect knows in all of them. The clauses on which the dialects differ are therefore asked for by
name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Written alike, and meant alike, in all three. Of `least` and `greatest` that is so only for
# arguments that are never null.
COMMON_FUNCTIONS = _words(
    "cast coalesce concat count cume_dist extract first_value floor greatest lag last_value lead"
    " least length ln lower max min nullif octet_length power rank replace round row_number sum"
    " trim"
)

# What may be sorted by without a word about nulls, which the dialects put at different ends: never
# null, by the raw contract or by how the model makes it.
NEVER_NULL = _words(
    "changed_at churn_probability contact_id country cutoff_at email event_type first_seen_at"
    " known_from occurred_at ordered_at product_id quantity received_us recorded_at total_amount"
    " unit_price updated_at valid_from"
)


@dataclass(frozen=True)
class Dialect:
    """What one warehouse knows beside what all of them do."""

    name: str
    functions: frozenset[str]
    types: frozenset[str]
    strategies: frozenset[str]
    """How dbt can bring an incremental model up to date."""
    reserved: frozenset[str]
    """Words that are no name of a column or a CTE unless they are quoted."""
    ignores_nulls_inside: bool
    """Whether `ignore nulls` stands within the parentheses of the function, or behind them."""
    has_named_windows: bool
    quotes_strings_twice: bool
    """Whether a text in double quotes is a string, not a name."""
    filters_only_tables: bool
    """Whether a select without `from` may have no `where`."""


DIALECTS = {
    "snowflake": Dialect(
        name="snowflake",
        functions=_words(
            "convert_timezone date_part date_trunc dateadd dayofweekiso hash md5 mod regexp_instr"
        ),
        types=_words("bigint boolean date decimal double text timestamp varchar"),
        strategies=_words("append delete+insert insert_overwrite merge microbatch"),
        reserved=_words(
            "account all alter and any as between by case cast check column connect connection"
            " constraint create cross current current_date current_time current_timestamp"
            " current_user database delete distinct drop else exists false following for from full"
            " grant group gscluster having ilike in increment inner insert intersect into is issue"
            " join lateral left like localtime localtimestamp minus natural not null of on or order"
            " organization qualify regexp revoke right rlike row rows sample schema select set some"
            " start table tablesample then to trigger true try_cast union unique update using"
            " values view when whenever where with"
        ),
        ignores_nulls_inside=False,
        has_named_windows=False,
        quotes_strings_twice=False,
        filters_only_tables=False,
    ),
    "bigquery": Dialect(
        name="bigquery",
        functions=_words(
            "date_add farm_fingerprint md5 regexp_contains struct timestamp_add timestamp_trunc"
            " to_hex to_json_string unix_micros"
        ),
        types=_words("bigint boolean date decimal float64 string timestamp"),
        strategies=_words("insert_overwrite merge microbatch"),
        reserved=_words(
            "all and any array as asc assert_rows_modified at between by case cast collate contains"
            " create cross cube current default define desc distinct else end enum escape except"
            " exclude exists extract false fetch following for from full group grouping groups hash"
            " having if ignore in inner intersect interval into is join lateral left like limit"
            " lookup merge natural new no not null nulls of on or order outer over partition"
            " preceding proto qualify range recursive respect right rollup rows select set some"
            " struct tablesample then to treat true unbounded union unnest using when where window"
            " with within"
        ),
        ignores_nulls_inside=True,
        has_named_windows=True,
        quotes_strings_twice=True,
        filters_only_tables=True,
    ),
    "databricks": Dialect(
        name="databricks",
        functions=_words(
            "add_months btrim date_add date_trunc from_utc_timestamp md5 regexp_like timestampadd"
            " unix_micros xxhash64"
        ),
        types=_words("bigint boolean date decimal double int string timestamp"),
        strategies=_words("append delete+insert insert_overwrite merge microbatch replace_where"),
        reserved=_words(
            "anti cross except full inner intersect join lateral left minus natural on right semi"
            " union using"
        ),
        ignores_nulls_inside=False,
        has_named_windows=True,
        quotes_strings_twice=True,
        filters_only_tables=False,
    ),
}

# Words that stand before a parenthesis and call nothing.
_SYNTAX = _words(
    "all and any as between by case distinct else exists from having in interval into is join not"
    " on or over select then union using values when where with"
)
_DECLARES = _words("into exists table")
_SHORTHAND = {
    TokenType.DCOLON: "a cast by ::",
    TokenType.TILDE: "a match by ~",
    TokenType.DSTAR: "a power by **",
    TokenType.CARET: "a power by ^",
    TokenType.ARROW: "a lambda or a path by ->",
    TokenType.DARROW: "a path by ->>",
    TokenType.L_BRACKET: "a list or an index by [",
    TokenType.L_BRACE: "a struct by {",
    TokenType.PLACEHOLDER: "a placeholder",
    TokenType.PARAMETER: "a parameter",
}
_FOREIGN_NODES: dict[type[exp.Expression], str] = {
    exp.Command: "a statement that sqlglot cannot read",
    exp.Filter: "filter (where …)",
    exp.ILike: "ilike",
    exp.Lambda: "a lambda",
    exp.Lateral: "lateral",
    exp.Pivot: "pivot",
    exp.SimilarTo: "similar to",
    exp.TableSample: "tablesample",
    exp.Unnest: "unnest",
    exp.JSONExtract: "a path into JSON",
    exp.Aliases: "several aliases of one column",
}


def foreign_to(
    dialect: Dialect, sql: str, functions_of_ours: frozenset[str] = frozenset()
) -> list[str]:
    """Return what the dialect does not know, or reads otherwise than DuckDB does.

    `functions_of_ours` are those that an operator has made in the warehouse.
    """
    try:
        tokens = sqlglot.tokenize(sql, read=dialect.name)
        statements = sqlglot.parse(sql, read=dialect.name)
    except SqlglotError as error:
        return [f"does not parse: {str(error).splitlines()[0]}"]
    found = [
        *_foreign_functions(dialect, tokens, functions_of_ours),
        *_foreign_types(dialect, tokens),
        *_foreign_words(dialect, sql, tokens),
        *_unsaid_nulls(tokens),
    ]
    for statement in statements:
        if not isinstance(statement, exp.Query | exp.DDL | exp.DML):
            found.append("no query, and nothing that makes or fills a table")
        else:
            found += _foreign_clauses(dialect, statement)
    return sorted(set(found))


def _word(token: Token) -> str:
    """Return an unquoted word in lower case, and nothing for any other token."""
    is_word = token.text[:1].isalpha() or token.text[:1] == "_"
    if token.token_type in (TokenType.STRING, TokenType.IDENTIFIER) or not is_word:
        return ""
    return token.text.lower()


def _foreign_functions(
    dialect: Dialect, tokens: list[Token], functions_of_ours: frozenset[str]
) -> Iterator[str]:
    known = COMMON_FUNCTIONS | dialect.functions | functions_of_ours
    for place, token in enumerate(tokens[:-1]):
        name = _word(token)
        if not name or tokens[place + 1].token_type != TokenType.L_PAREN:
            continue
        first = place
        while first >= 2 and tokens[first - 1].token_type == TokenType.DOT:
            first -= 2
            name = f"{tokens[first].text.lower()}.{name}"
        before = _word(tokens[first - 1]) if first else ""
        if name in _SYNTAX or name in dialect.types or before in _DECLARES:
            continue
        if name not in known:
            yield f"function {name}"
        elif tokens[place + 2].token_type == TokenType.R_PAREN and name == "count":
            yield "count of nothing"


def _foreign_types(dialect: Dialect, tokens: list[Token]) -> Iterator[str]:
    for place, token in enumerate(tokens):
        if _word(token) == "cast" and tokens[place + 1].token_type == TokenType.L_PAREN:
            inside = _within(tokens, place + 1)
            (as_at,) = [at for depth, at in inside if depth == 1 and _word(tokens[at]) == "as"]
            named = [tokens[as_at + 1]]
        elif _word(token) == "table" and _word(tokens[place - 1]) == "create":
            opens = next(
                at for at in range(place, len(tokens)) if tokens[at].token_type == TokenType.L_PAREN
            )
            named = [
                tokens[at + 2]
                for depth, at in [(1, opens), *_within(tokens, opens)]
                if depth == 1 and tokens[at].token_type in (TokenType.L_PAREN, TokenType.COMMA)
            ]
        else:
            continue
        for one in named:
            if one.text.lower() not in dialect.types:
                yield f"type {one.text.lower()}"


def _within(tokens: list[Token], opens: int) -> list[tuple[int, int]]:
    """Return depth and place of the tokens up to the parenthesis that closes the one at `opens`."""
    found, depth = [], 1
    for at in range(opens + 1, len(tokens)):
        if tokens[at].token_type == TokenType.L_PAREN:
            depth += 1
        elif tokens[at].token_type == TokenType.R_PAREN:
            depth -= 1
        if depth == 0:
            break
        found.append((depth, at))
    return found


def _foreign_words(dialect: Dialect, sql: str, tokens: list[Token]) -> Iterator[str]:
    for place, token in enumerate(tokens):
        word = _word(token)
        following = _word(tokens[place + 1]) if place + 1 < len(tokens) else ""
        before = tokens[place - 1] if place else None
        if token.token_type in _SHORTHAND:
            yield _SHORTHAND[token.token_type]
        if sql[token.start] == '"' and dialect.quotes_strings_twice:
            yield f"the name {token.text} in double quotes, a string"
        if word == "from" and (before is None or before.token_type == TokenType.L_PAREN):
            yield "from before select"
        if word in {"positional", "asof"} and following in {"join", "left"}:
            yield f"{word} join"
        if word == "at" and following == "time" and dialect.name != "bigquery":
            yield "at time zone"
        if word == "ignore" and following == "nulls":
            is_inside = tokens[place + 2].token_type == TokenType.R_PAREN
            if is_inside != dialect.ignores_nulls_inside:
                yield f"ignore nulls {'inside' if is_inside else 'behind'} the parentheses"


def _unsaid_nulls(tokens: list[Token]) -> Iterator[str]:
    for place, token in enumerate(tokens):
        if token.token_type != TokenType.ORDER_BY:
            continue
        for item in _items(tokens, place + 1):
            words = [_word(one) for one in item]
            is_certain = words[0] == "case" or all(
                word in NEVER_NULL
                for at, word in enumerate(words)
                if word and word not in {"asc", "desc"} and [*words[at + 1 :], "-"][0] != ""
            )
            if "nulls" not in words and not is_certain:
                yield f"order by {' '.join(one.text for one in item)} without a word about nulls"


def _items(tokens: list[Token], begins: int) -> Iterator[list[Token]]:
    """Yield the items of a list, parted by commas, up to where it ends."""
    depth, item = 0, list[Token]()
    for token in tokens[begins:]:
        if token.token_type == TokenType.L_PAREN:
            depth += 1
        elif token.token_type == TokenType.R_PAREN:
            depth -= 1
        if depth < 0 or (depth == 0 and _word(token) in {"rows", "range", "groups", "limit"}):
            break
        if depth == 0 and token.token_type == TokenType.COMMA:
            yield item
            item = []
        else:
            item.append(token)
    yield item


def _foreign_clauses(dialect: Dialect, statement: exp.Expression) -> Iterator[str]:
    for node in statement.walk():
        for kind, said in _FOREIGN_NODES.items():
            if isinstance(node, kind):
                yield said
        rule = _RULES.get(type(node))
        if rule:
            yield from rule(dialect, node)
        if isinstance(node, exp.Alias | exp.TableAlias):
            name = node.args["alias"] if isinstance(node, exp.Alias) else node.this
            if name and not name.args.get("quoted") and name.name.lower() in dialect.reserved:
                yield f"the reserved word {name.name.lower()} as a name"


def _of_select(dialect: Dialect, select: Any) -> Iterator[str]:
    if select.args.get("windows") and not dialect.has_named_windows:
        yield "a named window"
    if select.args.get("where") and not select.args.get("from_") and dialect.filters_only_tables:
        yield "where without from"
    distinct = select.args.get("distinct")
    if distinct and distinct.args.get("on"):
        yield "distinct on"
    # Where an alias has the name of a column, some mean the column by it and some the alias.
    aliased = {
        one.alias.lower(): one.this
        for one in select.expressions
        if isinstance(one, exp.Alias) and one.this.name.lower() != one.alias.lower()
    }
    made_of_itself = {
        alias
        for alias, made in aliased.items()
        if any(c.name.lower() == alias and not c.table for c in made.find_all(exp.Column))
    }
    for clause in ("group", "having"):
        for column in _columns(select.args.get(clause)):
            if not column.table and column.name.lower() in made_of_itself:
                yield f"{column.name.lower()} in {clause} by is a column and an alias"


def _of_join(dialect: Dialect, join: Any) -> Iterator[str]:
    if join.args.get("method"):
        yield f"{join.args['method'].lower()} join"
    if join.kind in ("SEMI", "ANTI"):
        yield f"{join.kind.lower()} join"


def _of_star(dialect: Dialect, star: Any) -> Iterator[str]:
    if any(star.args.get(name) for name in ("except_", "except", "replace", "rename")):
        yield "a star with exceptions"


def _of_interval(dialect: Dialect, interval: Any) -> Iterator[str]:
    if not isinstance(interval.parent, exp.TimestampAdd | exp.DateAdd):
        yield "an interval outside of a function"


def _of_values(dialect: Dialect, values: Any) -> Iterator[str]:
    if not isinstance(values.parent, exp.Insert):
        yield "values as a table"


def _columns(clause: Any) -> Iterator[Any]:
    return clause.find_all(exp.Column) if clause else iter(())


_RULES: dict[type[exp.Expression], Callable[[Dialect, Any], Iterator[str]]] = {
    exp.Select: _of_select,
    exp.Join: _of_join,
    exp.Star: _of_star,
    exp.Interval: _of_interval,
    exp.Values: _of_values,
}
