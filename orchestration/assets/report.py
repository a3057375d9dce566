"""What a run came to is told on one page, also where it did not end well."""

import dagster as dg

from orchestration.assets.delivery import GROUP, RECEIPTS
from orchestration.failures import find_failures
from orchestration.resources import find_page_url
from orchestration.run_report import write_report
from orchestration.warehouse import Warehouse

REPORT = dg.AssetKey(["reports", "page"])


@dg.asset(key=REPORT, deps=[RECEIPTS], group_name=GROUP, kinds={"html"})
def report_page(warehouse: Warehouse) -> dg.MaterializeResult[None]:
    """One page for people: who may be mailed, who moved, what was sent and what was held back."""
    page = write_report(warehouse)
    return dg.MaterializeResult(
        metadata={
            "report path": dg.MetadataValue.path(str(page)),
            "report": dg.MetadataValue.url(find_page_url(page)),
        }
    )


@dg.failure_hook(required_resource_keys={"warehouse"})
def report_of_a_failure(context: dg.HookContext) -> None:
    """Write the page of a run that a door, a brake or an error ends, as far as it has come."""
    events = [entry.dagster_event for entry in context.instance.all_logs(context.run_id)]
    write_report(
        context.resources.warehouse,
        find_failures(event for event in events if event is not None),
    )
