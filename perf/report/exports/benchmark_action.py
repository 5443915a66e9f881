"""A run as the JSON of github-action-benchmark's tools customBiggerIsBetter and customSmallerIsBetter.

https://github.com/benchmark-action/github-action-benchmark describes it: a list of objects with `name`, `unit` and
`value`, and optionally `range` and `extra`. Charts and comments show these texts in HTML and Markdown.
"""

from typing import Any

import msgspec

from perf.runs.record import CaseRecord
from perf.runs.session.run import MeasuredRun

# What HTML or a table of Markdown would take for markup.
_MARKUP = frozenset("<>&`|\\")


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One benchmark: its `name`, the `unit` and `value` of its figure, the `range` that it lies in, and what a chart
    shows besides it (`extra`).
    """

    name: str
    unit: str
    value: float
    range: str | None = None
    extra: str = ""


def benchmark_action_files(run: MeasuredRun) -> dict[str, bytes]:
    """Return the file for each tool: speedups and scaling efficiencies, and latencies. A tool without entries has no
    file: the action fails on an empty list.
    """
    entries = {
        "bigger-is-better.json": [_ratio(record) for record in run.records if record.ratio],
        "smaller-is-better.json": [_latency(record) for record in run.records],
    }
    return {
        name: msgspec.json.format(msgspec.json.encode(listed)) + b"\n" for name, listed in entries.items() if listed
    }


def plain(text: str) -> str:
    """Return a text with an escape instead of each character of markup, of control or of direction."""
    return "".join(f"\\u{ord(c):04x}" if c in _MARKUP or not c.isprintable() else c for c in text)


def _ratio(record: CaseRecord) -> Entry:
    ratio: Any = record.ratio
    name, unit = ("speedup", "times") if record.speedup else ("scaling efficiency", "fraction")
    interval = None if ratio.low is None or ratio.high is None else f"{ratio.low} to {ratio.high}"
    return Entry(plain(f"{record.name}: {name} over {record.reference}"), unit, ratio.value, interval, _extra(record))


def _latency(record: CaseRecord) -> Entry:
    passes = f"{record.latency_p50_s} (p50) to {record.latency_p99_s} (p99)"
    return Entry(plain(f"{record.name}: latency"), "s", record.latency_s, passes, _extra(record))


def _extra(record: CaseRecord) -> str:
    """Return what a chart shows besides the figure, a line each."""
    verdict = f"{record.verdict.kind}: {record.verdict.reason}" if record.verdict else "not judged"
    facts = {
        "machine class": record.machine_class,
        "wheel": record.stack.requirement,
        "invocations": str(record.invocations),
        "verdict": verdict.removesuffix(": "),
    }
    return "\n".join(plain(f"{name}: {text}") for name, text in facts.items())
