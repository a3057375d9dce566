"""What a run came to is told on one page."""

import dagster as dg

from orchestration.assets.delivery import GROUP, RECEIPTS
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
            "report": dg.MetadataValue.url(page.as_uri()),
        }
    )
