"""The gate: a verdict from measures, and what of Great Expectations it leans on."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import great_expectations
import pandas as pd
import pytest

from expectations import gate
from expectations.gate import GateError, Measure, Verdict, without_addresses
from tests.expectations.world import AS_OF, TUESDAY

ORDERS = Measure(
    rule="share",
    table="orders",
    severity="stop",
    observed=0.5,
    at_most=0.5,
    fact="half of it",
    way_out="mend it",
)


def judge(*measures: Measure) -> Verdict:
    return gate.judge("a_door", measures, as_of=AS_OF, judged_at=TUESDAY)


def passed(measures: Sequence[Measure]) -> list[bool]:
    return [finding.passed for finding in judge(*measures).findings]


def test_a_figure_on_its_bound_passes_and_one_beyond_it_does_not() -> None:
    at_least = replace(ORDERS, rule="number", at_most=None, at_least=2)

    assert passed(
        [
            replace(ORDERS, table="below", observed=0.49),
            replace(ORDERS, table="on", observed=0.5),
            replace(ORDERS, table="beyond", observed=0.500001),
            replace(at_least, table="below", observed=1),
            replace(at_least, table="on", observed=2),
            replace(at_least, table="beyond", observed=3),
        ]
    ) == [True, True, False, False, True, True]


def test_findings_keep_the_order_and_the_figures_of_their_measures() -> None:
    verdict = judge(
        replace(ORDERS, table="visits", observed=9),
        replace(ORDERS, severity="warn", at_most=0.25),
        ORDERS,
    )

    assert [(f.table, f.severity, f.passed, f.observed, f.threshold) for f in verdict.findings] == [
        ("visits", "stop", False, 9, 0.5),
        ("orders", "warn", False, 0.5, 0.25),
        ("orders", "stop", True, 0.5, 0.5),
    ]


def test_two_tables_may_have_bounds_of_their_own() -> None:
    assert passed([ORDERS, replace(ORDERS, table="visits", at_most=0.4)]) == [True, False]


def test_bounds_that_look_alike_are_not_the_same() -> None:
    number = replace(ORDERS, observed=10_000_001, at_most=10_000_001)

    assert passed([number, replace(number, table="visits", at_most=10_000_000)]) == [True, False]


def test_what_is_not_there_or_too_little_to_judge_passes() -> None:
    verdict = judge(
        replace(ORDERS, table="nothing", observed=None),
        replace(ORDERS, table="little", observed=9, is_judged=False),
        replace(ORDERS, table="enough", observed=9),
    )

    assert [(f.passed, f.observed) for f in verdict.findings] == [
        (True, None),
        (True, 9),
        (False, 9),
    ]


def test_a_door_without_rules_lets_everything_through() -> None:
    assert judge().sentence == "the door a_door let the batch through: rules judged: 0."


def test_a_stop_hides_the_warning_that_says_the_same() -> None:
    verdict = judge(
        replace(ORDERS, severity="warn", observed=0.6, at_most=0.1),
        replace(ORDERS, observed=0.6),
        replace(ORDERS, table="visits", severity="warn", observed=0.6),
    )

    assert verdict.stopped
    assert [f.table for f in verdict.warnings] == ["visits"]
    assert verdict.sentence == "the door a_door stopped the batch: share: half of it; mend it."


def test_a_warning_stops_nobody() -> None:
    verdict = judge(replace(ORDERS, severity="warn", observed=0.6))

    assert not verdict.stopped
    assert verdict.sentence.endswith("rules judged: 1, 1 with a warning.")


@pytest.mark.parametrize("observed", [float("nan"), float("inf")])
def test_a_figure_that_is_no_number_is_an_error_not_a_pass(observed: float) -> None:
    with pytest.raises(GateError, match="share of orders measured"):
        judge(replace(ORDERS, observed=observed))


def test_one_rule_of_one_table_is_measured_once() -> None:
    with pytest.raises(GateError, match="twice"):
        judge(ORDERS, ORDERS)


def test_a_table_may_be_called_anything() -> None:
    odd = replace(ORDERS, table='Robert"); drop table orders; --', observed=9)

    assert passed([odd, replace(ORDERS, table="name@example")]) == [False, True]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("row 3 of ada@example.com.csv", "row 3 of ***"),
        ("files/ada.l+x@example.com/day.csv", "files/***/day.csv"),
        ("no address at 10:00", "no address at 10:00"),
    ],
)
def test_addresses_are_blotted_out(text: str, shown: str) -> None:
    assert without_addresses(text) == shown


def test_a_room_that_only_imports_the_gate_does_not_wait_for_great_expectations() -> None:
    code = (
        "import sys, expectations.after_loading, expectations.before_delivery; "
        "print('great_expectations' in sys.modules, 'pandas' in sys.modules)"
    )

    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )

    assert printed.stdout.split() == ["False", "False"]


# What the gate leans on; an upgrade that changes it should fail here first.


def test_great_expectations_takes_a_missing_value_for_a_good_one_and_names_the_bad_rows() -> None:
    from great_expectations.expectations.core.expect_column_values_to_be_between import (
        ExpectColumnValuesToBeBetween,
    )

    context = great_expectations.get_context(mode="ephemeral")
    batch = (
        context.data_sources.add_pandas("frames")
        .add_dataframe_asset("frame")
        .add_batch_definition_whole_dataframe("whole")
        .get_batch({"dataframe": pd.DataFrame({"table": ["a", "b", "c"], "x": [0.5, None, 9.0]})})
    )
    wanted = {"result_format": "COMPLETE", "unexpected_index_column_names": ["table"]}

    bad = batch.validate(
        ExpectColumnValuesToBeBetween(column="x", max_value=1), result_format=wanted
    )
    good = batch.validate(
        ExpectColumnValuesToBeBetween(column="x", max_value=9), result_format=wanted
    )
    broken = batch.validate(
        ExpectColumnValuesToBeBetween(column="y", max_value=9), result_format=wanted
    )

    assert not bad.success
    assert bad.result["unexpected_index_list"] == [{"table": "c", "x": 9.0}]
    assert good.success
    assert good.result["unexpected_index_list"] == []
    assert not broken.success
    assert "unexpected_index_list" not in broken.result
