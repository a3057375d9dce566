"""What the doors said of a run's data."""

from dataclasses import dataclass
from datetime import datetime

import duckdb

from reports import relations

# In the order in which data comes to them.
DOORS = ("after_loading", "before_scoring", "before_delivery")


@dataclass(frozen=True)
class Finding:
    """One rule and what was found by it."""

    rule: str
    table: str
    severity: str
    passed: bool
    sentence: str

    @property
    def state(self) -> str:
        """One of passed, warned and stopped."""
        if self.passed:
            return "passed"
        return "stopped" if self.severity == "stop" else "warned"


@dataclass(frozen=True)
class Door:
    """A door and its findings, the worst first; none where the run did not come to it."""

    name: str
    findings: list[Finding]

    @property
    def state(self) -> str:
        """The state of its worst finding, or not_reached."""
        if not self.findings:
            return "not_reached"
        return self.findings[0].state

    def count(self, state: str) -> int:
        """Count the findings in a state: passed, warned or stopped."""
        return sum(finding.state == state for finding in self.findings)

    @property
    def troubles(self) -> list[Finding]:
        """Findings that stopped the run or warned."""
        return [finding for finding in self.findings if not finding.passed]


def read(connection: duckdb.DuckDBPyConnection, started_at: datetime) -> list[Door]:
    """Return the doors' last verdicts since the run started, also of doors it did not reach."""
    findings: dict[str, list[Finding]] = {door: [] for door in DOORS}
    if relations.are_there(connection, "raw.door_verdicts"):
        for door, *finding in relations.ask(
            connection,
            """
            select door, rule, table_name, severity, passed, sentence
            from raw.door_verdicts
            where judged_at >= $started_at
            qualify judged_at = max(judged_at) over (partition by door)
            order by passed, severity = 'warn', rule, table_name, severity
            """,
            {"started_at": started_at},
        ):
            findings.setdefault(door, []).append(Finding(*finding))
    return [Door(name, each) for name, each in findings.items()]
