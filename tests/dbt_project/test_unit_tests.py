"""dbt's own unit tests, as a claim of this suite: `make test` runs them too."""

from __future__ import annotations

from tests.dbt_project.building import Project
from tests.dbt_project.conftest import BuiltWarehouse


def test_models_agree_with_rows_counted_by_hand(project: Project, built: BuiltWarehouse) -> None:
    outcome = project.dbt("test", "--select", "test_type:unit", warehouse=built.file)

    statuses = {
        result.node.unique_id: result.status
        for result in outcome.result.results
        if result.node.resource_type == "unit_test"
    }
    assert statuses == dict.fromkeys(project.manifest.unit_tests, "pass")


def test_every_step_with_a_rule_has_a_unit_test(project: Project) -> None:
    tested = {test.model for test in project.manifest.unit_tests.values()}
    # Renamed and cast only, or joined by key: a unit test would say the same twice.
    without_a_rule = {
        "stg_commerce__order_lines", "stg_commerce__products", "stg_crm__contacts",
        "stg_crm__erasure_requests", "stg_email__campaigns", "stg_esp__receipts",
        "stg_ml__scores", "fct_orders", "fct_web_events", "fct_builds", "ftr_churn",
        "sync_segments",
        # What they say hangs on the build before: test_continued_builds.
        "int_email_events__arrived", "int_web_events__arrived", "int_email_events__contested",
        "int_web_events__contested", "int_email_events__touched", "int_messages__touched",
        "int_profiles__touched",
        "int_engagement_tiers__moved", "int_cutoff_profiles__due", "int_cutoff_profiles__judged",
        "int_campaigns__touched", "int_contacts__touched", "int_orders__touched",
        "int_visits__touched",
    }  # fmt: skip

    assert set(project.models) - tested == without_a_rule
