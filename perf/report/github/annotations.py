"""Annotations of a GitHub Actions workflow: lines that GitHub shows beside the code and above the log.

The syntax is that of GitHub's workflow commands (docs.github.com, "Workflow commands for GitHub Actions"), and the
escapes are those of its own toolkit (actions/toolkit, packages/core/src/command.ts).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from perf.report.overview import Finding, Overview

# GitHub shows ten errors and ten warnings of a step: nine, and one that says how many more there are.
SHOWN = 9
# Verdicts that a warning is worth although no test failed; a case without a baseline is none.
WARNED = frozenset({"regressed", "drifted", "inconclusive", "invalid"})
Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Annotation:
    """An annotation: its `title` and its `message`, at a `file` of the checkout; "" for none."""

    title: str
    message: str
    file: str = ""


def annotation_lines(overview: Overview, failed: Mapping[str, str]) -> list[str]:
    """Return the annotations of a session: errors for what failed, warnings for what is undecided or was not run.

    `failed` holds the failed items by their pytest id, with the first line of the failure. A finding whose item did not
    fail, as with --perf-advisory, is a warning.
    """
    findings = {finding.item: finding for finding in overview.findings}
    lost = [finding for finding in overview.findings if finding.item in failed]
    rest = [Annotation(f"{item} failed", why, _file(item)) for item, why in failed.items() if item not in findings]
    doubtful = [f for f in overview.findings if f.item not in failed and f.kind in WARNED]
    failed_cases = {item.rpartition("[")[2].removesuffix("]") for item in failed}
    absent = [Annotation(f"{name}: not run", why) for name, why in overview.not_run.items() if name not in failed_cases]
    return [
        *_lines("error", [*map(_of_finding, lost), *rest]),
        *_lines("warning", [*map(_of_finding, doubtful), *absent]),
    ]


def _of_finding(finding: Finding) -> Annotation:
    changed = f"{finding.change_text} {finding.compared}: " if finding.change is not None else ""
    message = f"{changed}{finding.reason}\nalone: {finding.command}"
    return Annotation(f"{finding.case}: {finding.kind}", message, _file(finding.item))


def _file(item: str) -> str:
    return item.partition("::")[0]


def _lines(level: Level, annotations: Sequence[Annotation]) -> Iterator[str]:
    for annotation in annotations[:SHOWN]:
        properties = {"file": annotation.file, "title": annotation.title}
        stated = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
        yield f"::{level} {stated}::{_data(annotation.message)}"
    left = len(annotations) - SHOWN
    if left > 0:
        yield f"::{level}::and {left} more"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
