"""What is told of a failed invocation of dbt."""

from __future__ import annotations

from orchestration.invocation import DbtError


def test_of_many_failures_the_first_is_told_with_its_place_and_reason() -> None:
    error = DbtError(
        "Encountered an error\n\n"
        "Failure in model dim_profiles (models/marts/dim_profiles.sql)\n"
        "  Runtime Error in model dim_profiles\n"
        "    null value in column email\n"
        "  compiled code at target/dim_profiles.sql\n"
        "Failure in model fct_orders (models/marts/fct_orders.sql)\n"
    )

    assert error.first == (
        "Failure in model dim_profiles (models/marts/dim_profiles.sql) "
        "Runtime Error in model dim_profiles null value in column email"
    )


def test_where_no_model_failed_the_first_lines_are_told() -> None:
    assert DbtError("the profile has no target\n").first == "the profile has no target"
