"""People whose true chances are known, as the feature tables that the models read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml import scores
from ml.model import TrainedModel


def day(month: int, day_of_month: int = 1, hour: int = 0) -> datetime:
    """Return an instant of 2025."""
    return datetime(2025, month, day_of_month, hour, tzinfo=UTC)


def instants(moments: Sequence[datetime]) -> pa.Array:
    """Return moments as the warehouse keeps them: in UTC, without a zone."""
    return pa.array(moments, pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))


CUTOFFS = tuple(day(month) for month in range(1, 13))
AS_OF = day(12, 31)
TRAINED_AT = day(12, 31, 6)


@dataclass(frozen=True)
class World:
    """A feature table, and for each of its rows the true probability and what came of it."""

    table: pa.Table
    truth: npt.NDArray[np.float64]
    outcomes: npt.NDArray[np.bool_]


def churn_world(
    people: int,
    cutoffs: tuple[datetime, ...] = CUTOFFS[:11],
    *,
    seed: int,
    labelled: bool = True,
) -> World:
    """Draw people who differ in loyalty: the longer silent and the fewer opens, the likelier gone.

    About three in ten churn. `chatter` says nothing, `never_known` is null, `same_for_all` is 1.
    """
    rng = np.random.default_rng(seed)
    loyalty = np.tile(rng.normal(size=people), len(cutoffs))
    rows = people * len(cutoffs)
    silence = rng.exponential(10 * np.exp(-0.5 * loyalty))
    opens = rng.poisson(np.exp(0.8 * loyalty))
    orders = rng.poisson(np.exp(0.4 * loyalty - 1))
    log_odds = (
        0.06 * np.minimum(silence, 60) - 0.5 * np.log1p(opens) - 0.4 * np.minimum(orders, 3) - 1.2
    )
    truth = 1 / (1 + np.exp(-log_odds))
    outcomes = rng.random(rows) < truth
    table = pa.table(
        {
            "profile_id": [f"profile-{n:06d}" for n in range(people)] * len(cutoffs),
            "cutoff_at": instants([cutoff for cutoff in cutoffs for _ in range(people)]),
            "days_since_last_open": pa.array(silence, mask=silence > 60),
            "emails_opened_last_30_days": opens,
            "orders_last_90_days": orders,
            "chatter": rng.normal(size=rows),
            "never_known": pa.nulls(rows, pa.float64()),
            "same_for_all": np.ones(rows),
            "is_churned": outcomes if labelled else pa.nulls(rows, pa.bool_()),
        }
    )
    return World(table, truth, outcomes)


def open_world(people: int, days: int, *, seed: int) -> World:
    """Draw one message per person every second day, opened by taste and by campaign.

    The table is of messages already sent; `now` makes the rows to score.
    """
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=people)
    mailings = days // 2
    rate = 1 / (1 + np.exp(-(taste - 1)))
    opened_before = rng.binomial(20, np.tile(rate, mailings))
    appeal = np.repeat(rng.normal(size=mailings) * 0.5, people)
    # What counts is how often somebody opened before; taste itself is hidden.
    truth = 1 / (1 + np.exp(-(0.25 * opened_before - 2.5 + appeal)))
    outcomes = rng.random(len(truth)) < truth
    first = day(6, 1, hour=9)
    sent_at = [first + timedelta(days=2 * mailing) for mailing in range(mailings)]
    table = pa.table(
        {
            "message_id": [f"message-{n:07d}" for n in range(len(truth))],
            "profile_id": [f"profile-{n:06d}" for n in range(people)] * mailings,
            "sent_at": instants([each for each in sent_at for _ in range(people)]),
            "emails_opened_last_90_days": opened_before,
            "days_since_last_open": rng.exponential(5, len(truth)),
            "campaign_appeal": appeal,
            "sent_hour": pa.array(np.full(len(truth), 9)),
            "is_opened": outcomes,
        }
    )
    return World(table, truth, outcomes)


def now(world: World, scored_at: datetime) -> pa.Table:
    """Return the rows to score of an open world: its newest mailing, the campaign not known."""
    table = world.table
    newest = table.filter(pa.compute.equal(table["sent_at"], pa.compute.max(table["sent_at"])))
    rows = newest.num_rows
    return pa.table(
        {
            "profile_id": newest["profile_id"],
            "scored_at": instants([scored_at] * rows),
            "emails_opened_last_90_days": newest["emails_opened_last_90_days"],
            "days_since_last_open": newest["days_since_last_open"],
            "campaign_appeal": pa.nulls(rows, pa.float64()),
            "sent_hour": pa.array(np.zeros(rows)),
        }
    )


def score_table(model: TrainedModel, rows: pa.Table | pa.RecordBatchReader) -> pa.Table:
    """Return the scores of all rows in one table."""
    return pa.Table.from_batches(scores.score(model, rows), scores.SCHEMA)
