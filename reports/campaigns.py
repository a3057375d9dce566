"""How the newest campaigns did, by people's opens and clicks."""

from dataclasses import dataclass
from datetime import datetime

import duckdb

from reports import relations

NEWEST = 20


@dataclass(frozen=True)
class Campaign:
    """One campaign. Opens and clicks are of distinct mails, so that rates stay below one."""

    campaign_id: str
    name: str
    subject: str | None
    sent_at: datetime | None
    sent: int
    delivered: int
    opened: int
    opened_by_people: int
    clicked_by_people: int
    bounces: int
    unsubscribes: int
    complaints: int

    @property
    def arrived(self) -> int:
        """Mails that rates are shares of: delivered, else sent where deliveries are not told."""
        return self.delivered or self.sent

    @property
    def open_rate_as_reported(self) -> float | None:
        """Mails with any open, machines too, per mail that arrived; None where none did."""
        return self._rate(self.opened)

    @property
    def open_rate(self) -> float | None:
        """Mails opened by people per mail that arrived; None where none did."""
        return self._rate(self.opened_by_people)

    @property
    def click_rate(self) -> float | None:
        """Mails clicked by people per mail that arrived; None where none did."""
        return self._rate(self.clicked_by_people)

    def _rate(self, mails: int) -> float | None:
        return mails / self.arrived if self.arrived else None


def read(connection: duckdb.DuckDBPyConnection) -> list[Campaign]:
    """Return the newest campaigns of which anything was heard, the newest first."""
    if not relations.are_there(connection, "marts.rpt_campaign_performance"):
        return []
    return [
        Campaign(*row)
        for row in relations.ask(
            connection,
            """
            select
                campaign_id,
                coalesce(name, campaign_id) as name,
                subject,
                sent_at,
                sent,
                delivered,
                opens_unique,
                opens_human_unique,
                clicks_human_unique,
                bounces,
                unsubscribes,
                complaints
            from marts.rpt_campaign_performance
            where sent + delivered + opens_total + clicks_total > 0
            order by sent_at desc nulls last, campaign_id desc
            limit $newest
            """,
            {"newest": NEWEST},
        )
    ]
