"""How much change is allowed of each case, from `baselines/tolerances.toml`."""

import math
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from perf.errors import PerfError
from perf.files import read_toml
from perf.judge.judgement import Tolerance
from perf.judge.variance_prior import VariancePrior


class ToleranceEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both are shares of a speedup, between 0 and 1; what is missing is taken from the next wider entry."""

    change: float | None = None
    resolution: float | None = None


class AssumedDeviations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Standard deviations of log ratios before enough of them were measured: between invocations of a speedup, between
    invocations side by side, and between sessions; and the degrees of freedom that they count for.
    """

    invocations: float
    side_by_side: float
    sessions: float
    degrees: float

    def prior(self, sd: float) -> VariancePrior:
        """One of these standard deviations as a prior."""
        return VariancePrior(sd**2, self.degrees)


class Tolerances(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of the file. `cases` maps names, or patterns of names, to entries; the first that matches counts. `assumed`
    maps families to what is assumed of their variances, "default" to that of all others.
    """

    default: Tolerance
    published: Tolerance
    assumed: dict[str, AssumedDeviations]
    families: dict[str, ToleranceEntry] = {}
    cases: dict[str, ToleranceEntry] = {}

    def assumed_of(self, family: str) -> AssumedDeviations:
        """What is assumed of a family's variances."""
        return self.assumed.get(family) or self.assumed["default"]

    def of(self, family: str, case: str) -> Tolerance:
        """The tolerance of a case, such as "resnet50_v1-b8-mkl-int8" of the family "cnn"."""
        entries = [entry for pattern, entry in self.cases.items() if fnmatchcase(case, pattern)][:1]
        entries += [self.families.get(family, ToleranceEntry())]
        changes = [entry.change for entry in entries if entry.change is not None]
        resolutions = [entry.resolution for entry in entries if entry.resolution is not None]
        return Tolerance(next(iter(changes), self.default.change), next(iter(resolutions), self.default.resolution))


def read_tolerances(path: Path) -> Tolerances:
    """The tolerances in a file. PerfError, naming it, when it is not what this module expects."""
    step = "correct it, or take the version in the repository: git checkout " + path.name
    found = read_toml(path, Tolerances, next_step=step)
    every: list[Tolerance | ToleranceEntry] = [
        found.default,
        found.published,
        *found.families.values(),
        *found.cases.values(),
    ]
    if "default" not in found.assumed:
        raise PerfError("assumes no default variances: it lacks [assumed.default]", subject=str(path), next_step=step)
    deviations = [(a.invocations, a.side_by_side, a.sessions, a.degrees) for a in found.assumed.values()]
    if not all(0 < number < math.inf for numbers in deviations for number in numbers):
        raise PerfError("assumes what is no positive number", subject=str(path), next_step=step)
    numbers = [number for entry in every for number in (entry.change, entry.resolution) if number is not None]
    if not all(0 < number < 1 for number in numbers):
        raise PerfError("holds a share that is not between 0 and 1", subject=str(path), next_step=step)
    return found
