"""The table of `mxperf doctor`: what the machine's state means for measurements, and how to fix what is doubtful."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from perf.machine import Finding
from perf.report.console import say

_STYLES: Mapping[str, str] = {"fine": "green", "doubtful": "bold yellow", "unknown": "dim"}


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print the findings as a table, then the advice. Nothing is cut on a narrow terminal."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("Check", "Reading", "Verdict", "What it means"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        cells = (_title(finding), finding.reading or "-")
        table.add_row(*map(Text, cells), Text(finding.verdict, _STYLES[finding.verdict]), Text(finding.explanation))
    console.print(table)
    # Below the table, so that commands stay on one line and can be copied.
    advised = [finding for finding in findings if finding.advice is not None]
    if advised:
        say(console, "What to do:")
    for finding in advised:
        say(console, f"  {_title(finding)}: {finding.advice}")
    counts = Counter(finding.verdict for finding in findings)
    say(console, ", ".join(f"{counts[verdict]} {verdict}" for verdict in ("doubtful", "unknown", "fine")))


def _title(finding: Finding) -> str:
    return finding.check.replace("_", " ")
