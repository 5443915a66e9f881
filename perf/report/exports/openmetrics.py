"""A run as OpenMetrics text: a gauge for each figure of a record.

https://prometheus.io/docs/specs/om/open_metrics_spec/ is the format, version 1.0.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from perf.columns import FAMILIES
from perf.report.exports.leaves import leaves_of
from perf.runs.record import CaseRecord
from perf.runs.schema import ended_at
from perf.runs.session.run import MeasuredRun
from perf.runs.verdict import GRAVITY

# The units that end a field's name, as OpenMetrics names them. It asks for base units, and these are: a rate such as
# items_per_s is not among them.
_UNITS = {"s": "seconds", "bytes": "bytes", "db": "decibels"}
# Figures of a speedup, an efficiency or a change that are ratios without saying so in their names.
_RATIOS = {"value", "low", "high", "typical", "change", "change_low", "change_high", "now", "then", "latency_ratio"}
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


@dataclass
class Family:
    """A metric family: its `name`, its `kind`, what it means (`help`), its `unit`, and its `samples`, each a text of
    labels and a value.
    """

    name: str
    kind: Literal["gauge", "info", "stateset"]
    help: str
    unit: str = ""
    samples: list[tuple[str, str]] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Yield its lines."""
        yield f"# TYPE {self.name} {self.kind}"
        if self.unit:
            yield f"# UNIT {self.name} {self.unit}"
        yield f"# HELP {self.name} {self.help.translate(_ESCAPES)}"
        name = f"{self.name}_info" if self.kind == "info" else self.name
        yield from (f"{name}{labels} {value}" for labels, value in self.samples)


def openmetrics_of(run: MeasuredRun) -> bytes:
    """Return the run in OpenMetrics' text format."""
    families = [*_of_run(run), *_of_cases(run.records), _verdicts(run.records)]
    lines = [line for family in families if family.samples for line in family.lines()]
    return "\n".join([*lines, "# EOF", ""]).encode()


def labels_of(labels: Mapping[str, Any]) -> str:
    """Return labels as text, such as {case="resnet18_v1-b1-mkl-fp32"}; "" without one."""
    pairs = ",".join(f'{name}="{str(value).translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def metric_name(path: Iterable[str]) -> tuple[str, str]:
    """Return the name of a field's metric, and its unit, which ends the name; "" if OpenMetrics has none for it."""
    *above, last = path
    stem = "_".join(["mxperf", *above, last])
    for suffix, unit in _UNITS.items():
        if re.search(f"(?<!_per)_{suffix}$", stem):
            return f"{stem.removesuffix(suffix)}{unit}", unit
    if last in _RATIOS:
        return f"{stem.removesuffix('_ratio')}_ratio", "ratio"
    return stem, ""


def _of_run(run: MeasuredRun) -> Iterator[Family]:
    """Yield what is the same for all cases, and what was not measured."""
    described = {"machine_class": run.perf.machine_class, "host": run.perf.host_id or "", "tier": run.perf.tier}
    yield Family("mxperf_run", "info", "the run", samples=[(labels_of(described), "1")])
    ended = f"{ended_at(run.datetime).timestamp():.3f}"
    yield Family("mxperf_run_end_timestamp_seconds", "gauge", "when it ended", "seconds", [("", ended)])
    complete = "1" if run.perf.complete else "0"
    yield Family("mxperf_run_complete", "gauge", "1 if every selected item was run, else 0", samples=[("", complete)])
    yield Family("mxperf_cases", "gauge", "cases with figures", samples=[("", str(len(run.benchmarks)))])
    missing = [(labels_of({"item": item, "reason": reason}), "1") for item, reason in run.perf.left_out.items()]
    yield Family("mxperf_not_run", "gauge", "1 for each selected item without figures", samples=missing)


def _of_cases(records: Iterable[CaseRecord]) -> Iterable[Family]:
    families: dict[str, Family] = {}
    leaves = [leaf for family in FAMILIES for leaf in leaves_of(family) if leaf.is_figure]
    for leaf in leaves:
        name, unit = metric_name(leaf.path)
        families.setdefault(name, Family(name, "gauge", leaf.meaning, unit))
    for record in records:
        plain, labels = msgspec.to_builtins(record), labels_of(_labels(record))
        for leaf in leaves_of(record.family):
            value = leaf.value_in(plain)
            if leaf.is_figure and value is not None:
                families[metric_name(leaf.path)[0]].samples.append((labels, repr(value)))
    return families.values()


def _verdicts(records: Iterable[CaseRecord]) -> Family:
    """Return which verdict each case has; a case that was not judged has none."""
    family = Family("mxperf_verdict", "stateset", "verdict on the case")
    for record in records:
        for kind in GRAVITY if record.verdict else ():
            labels = labels_of({**_labels(record), "mxperf_verdict": kind})
            family.samples.append((labels, "1" if record.verdict and record.verdict.kind == kind else "0"))
    return family


def _labels(record: CaseRecord) -> dict[str, str]:
    return {
        "case": record.name,
        "family": record.family,
        "workload": record.workload,
        "variant": record.variant,
        "reference": record.reference,
        "machine_class": record.machine_class,
    }
