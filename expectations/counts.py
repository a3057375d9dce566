"""Rows that should not be, counted against the bounds of a rule: what most rules measure."""

from collections.abc import Iterator

from expectations.gate import Measure
from expectations.settings import RowsBound, Rule


def measure_rows(
    name: str,
    table: str,
    rule: Rule[RowsBound],
    rows: int,
    *,
    bad: str,
    good: str,
    way_out: str,
) -> Iterator[Measure]:
    """Yield a measure per severity of the rule `name`: so many rows of a table, at most as it says.

    `bad` says what was found where there are such rows, `good` where there are none.
    """
    for severity, bound in rule.bounds():
        yield Measure(
            rule=name,
            table=table,
            severity=severity,
            observed=float(rows),
            at_most=float(bound.rows_at_most),
            fact=bad if rows else good,
            way_out=way_out,
        )
