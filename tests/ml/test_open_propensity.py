from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from ml.evaluation import calibration_error, roc_auc
from ml.fitting import train
from ml.model import TrainedModel
from ml.open_propensity import OPEN_PROPENSITY
from ml.params import Params, TargetParams
from tests.ml.worlds import day, instants, now, open_world, score_table

AS_OF = day(9)


def _trained(rows: pa.Table | pa.RecordBatchReader, params: TargetParams) -> TrainedModel:
    model = train(OPEN_PROPENSITY, rows, params, as_of=AS_OF, trained_at=AS_OF)
    assert isinstance(model, TrainedModel)
    return model


@pytest.fixture(scope="module")
def model(params: Params) -> TrainedModel:
    """A model of 2,000 people with forty mails each."""
    return _trained(open_world(2_000, 80, seed=31).table, params.open_propensity)


def test_a_mail_that_nobody_has_written_yet_gets_a_calibrated_probability(
    model: TrainedModel,
) -> None:
    # Of 200 campaigns to come, none known: what is said must hold over all of them.
    future = open_world(100, 400, seed=32)
    table = future.table
    rows = table.num_rows
    to_score = pa.table(
        {
            "profile_id": table["profile_id"],
            "scored_at": instants([AS_OF] * rows),
            "emails_opened_last_90_days": table["emails_opened_last_90_days"],
            "days_since_last_open": table["days_since_last_open"],
            "campaign_appeal": pa.nulls(rows, pa.float64()),
            "sent_hour": np.zeros(rows),
        }
    )
    said = score_table(model, to_score)["probability"].to_numpy()
    assert calibration_error(future.outcomes, said) <= 0.02
    # What can be known without the campaign is how often somebody opened before.
    best = roc_auc(future.outcomes, table["emails_opened_last_90_days"].to_numpy() / 21 + 0.01)
    assert roc_auc(future.outcomes, said) - 0.5 >= 0.97 * (best - 0.5)


def test_what_only_a_written_mail_has_is_no_feature(model: TrainedModel) -> None:
    assert model.feature_names == ("days_since_last_open", "emails_opened_last_90_days")


def test_scores_are_of_opens_at_the_moment_of_scoring(model: TrainedModel) -> None:
    scores = score_table(model, now(open_world(30, 4, seed=33), AS_OF))
    assert scores.num_rows == 30
    assert set(scores["target"].to_pylist()) == {"open"}
    assert set(scores["scored_at"].to_pylist()) == {AS_OF.replace(tzinfo=None)}


def test_a_sample_of_the_messages_gives_nearly_the_same_model(
    params: Params, altered: Callable[..., TargetParams], model: TrainedModel
) -> None:
    table = open_world(2_000, 80, seed=31).table
    fewer = altered(params.open_propensity, "sample", rows=20_000)
    sampled = _trained(
        pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=8_192)),
        fewer,
    )
    assert sampled.card["rows"]["with_a_known_label"] == 80_000
    assert sampled.card["rows"]["used"] == 20_000
    today = now(open_world(500, 4, seed=34), AS_OF)
    gaps = np.abs(
        score_table(sampled, today)["probability"].to_numpy()
        - score_table(model, today)["probability"].to_numpy()
    )
    assert gaps.mean() < 0.03
