"""Judging the cases of a session by the baseline that the user named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from perf.errors import PerfError
from perf.measure.family import Case
from perf.plugin.storage import Storage, find_baseline
from perf.runs import document
from perf.runs.baseline import TOLERANCES
from perf.runs.document import Context, Wheel
from perf.runs.gate import Gate, Verdict, comparisons_of
from perf.runs.tolerances import read_tolerances


@dataclass(frozen=True)
class Judging:
    """The gate of a session; without one, every case is `no-baseline`, for the reason in `why_none`. `problem` is the
    error of a baseline that is there and cannot be used.
    """

    gate: Gate | None
    why_none: str = ""
    problem: PerfError | None = None

    def unsettled(self, figures: Mapping[str, Any]) -> float | None:
        """How much slower a case, by its `extra_info`, seems that must be measured (once more) again before it is
        judged, as a log ratio; None when it need not be.
        """
        return self.gate.unsettled(msgspec.convert(figures, document.Case)) if self.gate else None

    def wheel(self, role: str) -> Wheel | None:
        """What the baseline was measured with in a role, if that is known."""
        baseline = self.gate.baseline if self.gate else None
        return baseline.perf.wheels.get(role) if baseline else None

    def verdict(self, figures: Mapping[str, Any]) -> Verdict | None:
        """The verdict on a case, by its `extra_info`; None for a reference, by which others are judged."""
        case = msgspec.convert(figures, document.Case)
        if not case.samples:
            return None
        return self.gate.verdict(case) if self.gate else Verdict(case.name, "no-baseline", self.why_none)


def start_judging(storage: Storage, context: Context, selected: Sequence[Case]) -> Judging | None:
    """The session's judging; None when the user compares with nothing. PerfError when the tolerances are unusable."""
    if storage.compare is None:
        return None
    tolerances = read_tolerances(TOLERANCES)
    try:
        baseline = find_baseline(storage, context.machine_class)
    except PerfError as error:
        return Judging(None, f"the baseline cannot be used: {error.what}", error)
    if baseline is None:
        step = "store one with: uv run pytest perf/ --benchmark-save=NAME"
        return Judging(None, f"no run is stored for machine class {context.machine_class} ({step})")
    comparisons = comparisons_of([case.id for case in selected], baseline.run)
    return Judging(Gate(baseline.name, baseline.run, context, tolerances, comparisons))
