"""Data Docs: one static page per verdict, as Great Expectations renders its validation results.

Its own page fetches styles and scripts from seven hosts and is empty where there is no network.
So its renderer and its templates of a section are used, inside a page of ours that needs nothing
else, and the sentences of the verdict stand above them.
"""

from html import escape
from pathlib import Path
from string import Template
from tempfile import NamedTemporaryFile
from typing import Any, Final

from expectations.gate import Finding, Verdict, without_addresses

_PAGE: Final = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; --line: #8886; --bad: #c02424; --good: #1a7f37; --odd: #9a6700; }
@media (prefers-color-scheme: dark) {
  :root { --bad: #ff7b72; --good: #57ab5a; --odd: #d9a441; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; } h5, h6 { font-size: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left;
  vertical-align: top; }
td:last-child { overflow-wrap: anywhere; min-width: 20rem; }
td.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
@media (max-width: 50rem) {
  .findings, .findings tbody { display: block; }
  .findings thead { position: absolute; clip-path: inset(50%); }
  .findings tr { display: block; border-bottom: 1px solid var(--line); padding: .5rem 0; }
  .findings td { display: inline-block; border: 0; padding: 0 .5rem 0 0; text-align: left; }
  .findings td:last-child { display: block; padding-top: .2rem; min-width: 0; }
}
.stopped, .text-danger { color: var(--bad); } .warned { color: var(--odd); }
.passed, .text-success { color: var(--good); }
.ge-section { border-top: 1px solid var(--line); overflow-x: auto; }
.badge { border: 1px solid var(--line); border-radius: .3rem; padding: 0 .3rem; }
.fa-times::before { content: "✗ failed"; font-style: normal; }
.fa-check-circle::before { content: "✓ passed"; font-style: normal; }
</style>
</head>
<body>
<main>
<h1>$title</h1>
<p class="$state"><strong>$sentence</strong></p>
<p>As of $as_of UTC, judged $judged_at UTC.</p>
<h2>Findings</h2>
<div class="wide" tabindex="0" role="region" aria-label="Findings">
<table class="findings">
<thead><tr><th scope="col">Result</th><th scope="col">Rule</th><th scope="col">Table</th>
<th scope="col">Severity</th><th scope="col">Measured</th><th scope="col">Bound</th>
<th scope="col">What it says</th></tr></thead>
<tbody>
$findings
</tbody>
</table>
</div>
<h2>Validation results of Great Expectations</h2>
$sections
</main>
</body>
</html>
"""
)


def write(verdict: Verdict, folder: Path) -> Path:
    """Write the page of a verdict into a folder, which is made if need be, and return its path.

    It is named after the door and is there whole or not at all. No address is in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{verdict.door}.html"
    with NamedTemporaryFile(
        "w", encoding="utf-8", dir=folder, prefix=f".{verdict.door}-", suffix=".tmp", delete=False
    ) as file:
        try:
            file.write(render(verdict))
            file.close()
            # Temporary files are for their owner's eyes; a page is for everybody's.
            Path(file.name).chmod(0o644)
            Path(file.name).replace(page)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return page


def render(verdict: Verdict) -> str:
    """Return the page of a verdict as HTML that refers to nothing outside itself."""
    state = "stopped" if verdict.stopped else "warned" if verdict.warnings else "passed"
    order = {"stopped": 0, "warned": 1, "passed": 2}
    findings = sorted(verdict.findings, key=lambda finding: order[_name_state(finding)])
    return without_addresses(
        _PAGE.substitute(
            title=f"The door {escape(verdict.door)}",
            state=state,
            sentence=escape(verdict.sentence),
            as_of=f"{verdict.as_of:%Y-%m-%d %H:%M:%S}",
            judged_at=f"{verdict.judged_at:%Y-%m-%d %H:%M:%S}",
            findings="\n".join(map(_render_finding, findings)),
            sections=_render_sections(verdict),
        )
    )


def _render_finding(finding: Finding) -> str:
    state = _name_state(finding)
    cells = [
        f'<td class="{state}">{state}</td>',
        f"<td>{escape(finding.rule)}</td>",
        f"<td>{escape(finding.table)}</td>",
        f"<td>{finding.severity}</td>",
        f'<td class="figure">{_render_figure(finding.observed)}</td>',
        f'<td class="figure">{_render_figure(finding.threshold)}</td>',
        f"<td>{escape(finding.sentence)}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _name_state(finding: Finding) -> str:
    if finding.passed:
        return "passed"
    return "stopped" if finding.severity == "stop" else "warned"


def _render_figure(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:,.4g}" if figure % 1 else f"{figure:,.0f}"


def _render_sections(verdict: Verdict) -> str:
    """Return the sections of the page that Great Expectations makes, without what folds away."""
    if verdict.validation is None:
        return "<p>Nothing was measured.</p>"
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaSectionView

    document = ValidationResultsPageRenderer(run_info_at_end=False).render(verdict.validation)
    view: Any = DefaultJinjaSectionView()
    rendered = []
    for number, section in enumerate(document.to_json_dict()["sections"], start=1):
        # What folds away tells of batches in memory, and a header links to pages that are not made.
        section["content_blocks"] = [
            {name: value for name, value in block.items() if name != "subheader"}
            for block in section["content_blocks"]
            if block["content_block_type"] != "collapse"
        ]
        rendered.append(view.render({"section": section, "section_loop": {"index": number}}))
    return "\n".join(rendered)
