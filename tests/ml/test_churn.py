from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml import boosting, scores
from ml.churn import CHURN
from ml.evaluation import calibration_error, roc_auc
from ml.examples import FeaturesError
from ml.fitting import train
from ml.model import NotEnoughData, TrainedModel
from ml.params import Params, TargetParams
from tests.ml.worlds import (
    AS_OF,
    CUTOFFS,
    TRAINED_AT,
    World,
    churn_world,
    day,
    instants,
    score_table,
)

NOW = (CUTOFFS[11],)
NOVEMBER = instants([CUTOFFS[10]])[0]


def _trained(table: pa.Table, params: TargetParams) -> TrainedModel:
    model = train(CHURN, table, params, as_of=AS_OF, trained_at=TRAINED_AT)
    assert isinstance(model, TrainedModel), model.sentence
    return model


def _refused(table: pa.Table, params: TargetParams) -> NotEnoughData:
    outcome = train(CHURN, table, params, as_of=AS_OF, trained_at=TRAINED_AT)
    assert isinstance(outcome, NotEnoughData)
    return outcome


def _with(table: pa.Table, **columns: object) -> pa.Table:
    for name, values in columns.items():
        if name in table.column_names:
            table = table.drop_columns([name])
        table = table.append_column(name, pa.chunked_array([values]))
    return table


def _explained(model: TrainedModel, rows: pa.Table) -> list[str]:
    explained = pa.Table.from_batches(scores.explain(model, rows), scores.REASONS_SCHEMA)
    reasons: list[str] = explained["reasons"].to_pylist()
    return reasons


@pytest.fixture(scope="module")
def shop(params: Params) -> tuple[TrainedModel, World, pa.Table]:
    """A model of 20,000 people, and the scores of 20,000 people at the next cutoff."""
    model = _trained(churn_world(20_000, seed=11).table, params.churn)
    today = churn_world(20_000, NOW, seed=12, labelled=False)
    return model, today, score_table(model, today.table)


def test_the_ranking_is_nearly_that_of_the_true_probabilities(
    shop: tuple[TrainedModel, World, pa.Table],
) -> None:
    _, today, scores = shop
    best = roc_auc(today.outcomes, today.truth)
    ours = roc_auc(today.outcomes, scores["probability"].to_numpy())
    assert ours - 0.5 >= 0.95 * (best - 0.5)


def test_three_in_ten_means_three_in_ten(shop: tuple[TrainedModel, World, pa.Table]) -> None:
    model, today, scores = shop
    said = scores["probability"].to_numpy()
    assert calibration_error(today.outcomes, said) <= 0.02
    assert ((said > 0) & (said < 1)).all()
    # The same by the card, measured on people of November whom nothing was fitted to.
    assert model.card["test_metrics"]["calibration_error"] <= 0.02


def test_a_reason_names_the_feature_its_value_and_its_direction(
    shop: tuple[TrainedModel, World, pa.Table],
) -> None:
    model, _, _ = shop
    # Ada opened nothing for 55 days and orders nothing; Bo reads everything.
    rows = pa.table(
        {
            "profile_id": ["Bo", "Ada"],
            "cutoff_at": instants(NOW * 2),
            "days_since_last_open": [0.5, 55.0],
            "emails_opened_last_30_days": [9, 0],
            "orders_last_90_days": [3, 0],
            "chatter": [0.0, 0.0],
            "never_known": pa.nulls(2, pa.float64()),
            "same_for_all": [1.0, 1.0],
        }
    )
    bo, ada = (json.loads(text) for text in _explained(model, rows))
    assert "days since last open: 55 (raises churn)" in ada
    assert "days since last open: 0.5 (lowers churn)" in bo
    probability_of_bo, probability_of_ada = score_table(model, rows)["probability"].to_pylist()
    assert probability_of_ada > 0.6 > 0.2 > probability_of_bo


def test_a_longer_silence_never_lowers_the_probability(
    shop: tuple[TrainedModel, World, pa.Table],
) -> None:
    model, _, _ = shop
    assert model.card["monotone_constraints"] == {"days_since_last_open": 1}
    people = np.zeros((60, len(model.feature_names)), dtype=np.float32)
    people[:, model.feature_names.index("days_since_last_open")] = np.arange(60)
    assert (np.diff(model.predict_probabilities(people)) >= 0).all()


def test_a_feature_that_knows_only_the_newest_month_is_not_believed(params: Params) -> None:
    # `whisper` is the answer itself in November and noise before. A split by chance would let the
    # model hear it, and the measures would shine.
    world = churn_world(2_000, seed=21)
    november = pc.equal(world.table["cutoff_at"], NOVEMBER).to_numpy()
    noise = np.random.default_rng(21).random(len(november)) < 0.3
    whisper = np.where(november, world.outcomes, noise).astype(float)
    model = _trained(_with(world.table, whisper=pa.array(whisper)), params.churn)
    best = roc_auc(world.outcomes[november], world.truth[november])
    assert model.card["test_metrics"]["roc_auc"] < best + 0.01


def test_the_same_rows_and_seed_give_the_same_bytes(params: Params) -> None:
    table = churn_world(600, seed=1).table
    shuffled = table.take(pa.array(np.random.default_rng(1).permutation(table.num_rows)))
    first = _trained(table, params.churn)
    again = train(
        CHURN,
        shuffled.select(table.column_names[::-1]),
        params.churn,
        as_of=AS_OF,
        trained_at=AS_OF + timedelta(days=60),
    )
    assert isinstance(again, TrainedModel)
    assert boosting.to_bytes(again.booster) == boosting.to_bytes(first.booster)
    assert (again.version, again.calibration) == (first.version, first.calibration)


def test_another_seed_or_another_row_is_another_version(
    params: Params, small_model: TrainedModel, altered: Callable[..., TargetParams]
) -> None:
    table = churn_world(600, seed=1).table
    other_seed = _trained(table, altered(params.churn, "boosting", seed=7))
    one_row_less = _trained(table.slice(1), params.churn)
    assert len({small_model.version, other_seed.version, one_row_less.version}) == 3


def test_the_trees_end_with_the_best_round(small_model: TrainedModel) -> None:
    curve = small_model.card["learning_curve"]["validation"]
    assert small_model.card["rounds"] == int(np.argmin(curve)) + 1
    assert small_model.booster.num_boosted_rounds() == small_model.card["rounds"]


def test_progress_is_reported_round_by_round(params: Params) -> None:
    heard: list[tuple[int, int]] = []
    model = train(
        CHURN,
        churn_world(600, seed=1).table,
        params.churn,
        as_of=AS_OF,
        trained_at=TRAINED_AT,
        report_progress=lambda done, rounds: heard.append((done, rounds)),
    )
    assert isinstance(model, TrainedModel)
    most = params.churn.boosting.rounds
    assert heard == [(n + 1, most) for n in range(len(model.card["learning_curve"]["validation"]))]


def test_too_few_people_are_too_few_and_the_sentence_says_how_many(params: Params) -> None:
    outcome = _refused(churn_world(40, seed=1).table, params.churn)
    assert outcome.rows == 40 * 11
    assert "440 rows with a known is_churned" in outcome.sentence
    assert "at least 500 rows with 40 of each outcome" in outcome.sentence


@pytest.mark.parametrize("outcome", [True, False])
def test_one_outcome_alone_trains_no_model(params: Params, outcome: bool) -> None:
    table = churn_world(600, seed=1).table
    table = _with(table, is_churned=pa.array([outcome] * table.num_rows))
    assert _refused(table, params.churn).positives == (table.num_rows if outcome else 0)


def test_no_rows_at_all_train_no_model(params: Params) -> None:
    outcome = _refused(churn_world(5, seed=1).table.slice(0, 0), params.churn)
    assert (outcome.rows, outcome.positives) == (0, 0)


def test_features_that_say_nothing_do_no_harm(small_model: TrainedModel) -> None:
    assert {"never_known", "same_for_all"} <= set(small_model.feature_names)
    assert not {"never_known", "same_for_all"} & set(small_model.card["importance"])


def test_a_table_of_nothing_but_noise_still_gives_a_calibrated_model(params: Params) -> None:
    table = churn_world(600, seed=1).table.select(
        ["profile_id", "cutoff_at", "chatter", "never_known", "is_churned"]
    )
    model = _trained(table, params.churn)
    said = score_table(model, table)["probability"].to_numpy()
    assert np.ptp(said) < 0.15


def test_a_missing_feature_is_named_and_a_new_one_is_ignored(small_model: TrainedModel) -> None:
    today = churn_world(20, NOW, seed=2, labelled=False).table
    more = _with(today, weather=pa.array(np.ones(20)))
    assert score_table(small_model, more).equals(score_table(small_model, today))
    with pytest.raises(FeaturesError, match="lack chatter"):
        score_table(small_model, today.drop_columns(["chatter"]))


def test_each_row_is_scored_alone_in_any_order_and_number(small_model: TrainedModel) -> None:
    today = churn_world(50, NOW, seed=2, labelled=False).table
    alone = {}
    for row in range(50):
        score = score_table(small_model, today.slice(row, 1)).to_pylist()[0]
        alone[score["profile_id"]] = score["probability"]
    backwards = pa.RecordBatchReader.from_batches(
        today.schema, today.take(list(range(49, -1, -1))).to_batches(max_chunksize=7)
    )
    together = score_table(small_model, backwards)
    assert together["profile_id"].to_pylist() == today["profile_id"].to_pylist()[::-1]
    assert alone == dict(
        zip(together["profile_id"].to_pylist(), together["probability"].to_pylist(), strict=True)
    )


def test_nobody_to_score_gives_no_scores(small_model: TrainedModel) -> None:
    nobody = churn_world(5, NOW, seed=2, labelled=False).table.slice(0, 0)
    assert score_table(small_model, nobody).num_rows == 0
    assert _explained(small_model, nobody) == []


def test_scores_say_whose_what_when_and_by_which_model(small_model: TrainedModel) -> None:
    today = churn_world(3, NOW, seed=2, labelled=False).table
    scores = score_table(small_model, today)
    assert scores["profile_id"].to_pylist() == [f"profile-{n:06d}" for n in range(3)]
    assert set(scores["target"].to_pylist()) == {"churn"}
    assert set(scores["model_version"].to_pylist()) == {small_model.version}
    assert set(scores["scored_at"].to_pylist()) == {NOW[0].replace(tzinfo=None)}


def test_a_champion_is_tested_on_the_same_newest_rows(
    params: Params, small_model: TrainedModel
) -> None:
    # Trained by June it has seen nothing of November.
    world = churn_world(600, seed=1)
    june = train(CHURN, world.table, params.churn, as_of=day(7), trained_at=TRAINED_AT)
    assert isinstance(june, TrainedModel)
    challenger = train(
        CHURN, world.table, params.churn, as_of=AS_OF, trained_at=TRAINED_AT, champion=june
    )
    assert isinstance(challenger, TrainedModel)
    assert challenger.version == small_model.version
    newest = pc.field("cutoff_at") == NOVEMBER
    in_november = world.table.filter(newest)
    said = score_table(june, in_november)["probability"].to_numpy()
    churned = in_november["is_churned"].to_numpy()
    by_hand = -np.log(np.where(churned, said, 1 - said)).mean()
    assert challenger.card["champion"]["log_loss"] == pytest.approx(by_hand)
    assert challenger.card["champion"]["rows"] == challenger.card["test_metrics"]["rows"] == 600


def test_a_champion_trained_on_the_same_rows_gets_its_own_figures_again(
    params: Params, small_model: TrainedModel
) -> None:
    again = train(
        CHURN,
        churn_world(600, seed=1).table,
        params.churn,
        as_of=AS_OF,
        trained_at=TRAINED_AT,
        champion=small_model,
    )
    assert isinstance(again, TrainedModel)
    measures = again.card["test_metrics"]
    assert again.card["champion"]["log_loss"] == measures["log_loss"]


def test_a_champion_whose_feature_is_gone_cannot_be_tested(
    params: Params, small_model: TrainedModel
) -> None:
    challenger = train(
        CHURN,
        churn_world(600, seed=1).table.drop_columns(["chatter"]),
        params.churn,
        as_of=AS_OF,
        trained_at=TRAINED_AT,
        champion=small_model,
    )
    assert isinstance(challenger, TrainedModel)
    assert challenger.card["champion"]["cannot_be_tested"] == "it needs chatter, which is gone"


def test_the_card_holds_what_the_plots_of_a_model_need(small_model: TrainedModel) -> None:
    card = json.loads(json.dumps(small_model.card))
    curve = card["learning_curve"]
    assert len(curve["training"]) == len(curve["validation"]) >= card["rounds"]
    # 600 people in November, the newest cutoff whose labels are known, in ten bins.
    bins = card["test_metrics"]["calibration_bins"]
    assert [each["rows"] for each in bins] == [60] * 10
    said = [each["mean_probability"] for each in bins]
    assert said == sorted(said)
    churned = sum(each["rows"] * each["observed_share"] for each in bins)
    assert round(churned) == card["split"]["parts"]["test"]["positives"]
    assert {"roc_auc", "pr_auc", "log_loss", "calibration_error"} < set(card["test_metrics"])
    tenths = [each["top_share"] for each in card["test_metrics"]["deciles"]]
    assert tenths == [tenth / 10 for tenth in range(1, 11)]
    assert {"precision", "recall", "lift"} < set(card["test_metrics"]["deciles"][0])
