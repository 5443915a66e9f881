"""The tolerances of cases and the assumed variances, from `baselines/tolerances.toml`."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from perf.errors import PerfError
from perf.files import read_toml
from perf.judge.judgement import Tolerance
from perf.judge.variance_prior import VariancePrior

# No standard deviation of log ratios, and no number of degrees of freedom, is outside: squares of numbers far outside
# are no numbers.
LEAST_ASSUMED, MOST_ASSUMED = 1e-9, 1e9


class ToleranceEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tolerance of some cases, as fractions of a speedup between 0 and 1. What is null is taken from the next wider
    entry.
    """

    change: Annotated[float | None, Meta(description="loss that raises no alarm")] = None
    resolution: Annotated[float | None, Meta(description="change that `ok` excludes")] = None

    @property
    def text(self) -> str:
        """What it sets, such as "change 3.0%, resolution 8.0%"."""
        parts = {"change": self.change, "resolution": self.resolution}
        return ", ".join(f"{name} {value:.1%}" for name, value in parts.items() if value is not None)

    @property
    def possible(self) -> bool:
        """Whether all that it sets lies between 0 and 1."""
        return all(0 < number < 1 for number in (self.change, self.resolution) if number is not None)


class AssumedDeviations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Standard deviations of log ratios that are assumed until enough are measured: of speedups between `invocations`,
    of `side_by_side` ratios between invocations, and of speedups between `sessions`. `degrees` are the degrees of
    freedom that each counts for.
    """

    invocations: float
    side_by_side: float
    sessions: float
    degrees: float

    def prior(self, sd: float) -> VariancePrior:
        """Return one of these standard deviations as a prior."""
        return VariancePrior(sd**2, self.degrees)


class Tolerances(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the file. `default` is the tolerance of a case without an entry, `published` the one against the
    announcement's tables. `assumed` maps families to their assumed deviations, and "default" to those of the rest.
    `families` maps families to entries. `cases` maps names of cases, or patterns of names, to entries; the first match
    counts.
    """

    default: Tolerance
    published: Tolerance
    assumed: dict[str, AssumedDeviations]
    families: dict[str, ToleranceEntry] = {}
    cases: dict[str, ToleranceEntry] = {}

    def assumed_of(self, family: str) -> AssumedDeviations:
        """Return the assumed deviations of a family."""
        return self.assumed.get(family) or self.assumed["default"]

    def of(self, family: str, case: str, marked: ToleranceEntry | None = None) -> Tolerance:
        """Return the tolerance of a case, such as "resnet50_v1-b8-mkl-int8" of the family "cnn": from what its item is
        `marked` with, else from the first pattern that matches its name, else from its family, else the default.
        """
        entries = [marked] if marked else []
        entries += [entry for pattern, entry in self.cases.items() if fnmatchcase(case, pattern)][:1]
        entries += [self.families.get(family, ToleranceEntry())]
        changes = [entry.change for entry in entries if entry.change is not None]
        resolutions = [entry.resolution for entry in entries if entry.resolution is not None]
        return Tolerance(next(iter(changes), self.default.change), next(iter(resolutions), self.default.resolution))


def check_marked(marked: ToleranceEntry, tolerance: Tolerance, item: str) -> None:
    """Raise PerfError when what an item is marked with is no tolerance, or makes `ok` impossible for changes that raise
    no alarm. `tolerance` is what applies to the item with it.
    """
    if not marked.possible:
        step = "write fractions, such as perf(tolerance=0.03) for 3 %"
        raise PerfError("its marker perf has a value that is not between 0 and 1", subject=item, next_step=step)
    if tolerance.resolution <= tolerance.change:
        message = f"its marker perf allows a change of {tolerance.change:g}, but `ok` excludes {tolerance.resolution:g}"
        larger = min(2.5 * tolerance.change, (1 + tolerance.change) / 2)  # below 1, whatever the tolerance
        step = f"add a larger resolution: perf(tolerance={tolerance.change:g}, resolution={larger:g})"
        raise PerfError(message, subject=item, next_step=step)


def read_tolerances(path: Path) -> Tolerances:
    """Return the tolerances in a file. Raises PerfError, naming the file, when its content is not valid."""
    step = f"correct it, or restore the version in the repository: git checkout {path}"
    tolerances = read_toml(path, Tolerances, next_step=step)
    every: list[Tolerance | ToleranceEntry] = [
        tolerances.default,
        tolerances.published,
        *tolerances.families.values(),
        *tolerances.cases.values(),
    ]
    if "default" not in tolerances.assumed:
        raise PerfError("has no default variances: [assumed.default] is missing", subject=str(path), next_step=step)
    deviations = [(a.invocations, a.side_by_side, a.sessions, a.degrees) for a in tolerances.assumed.values()]
    if not all(LEAST_ASSUMED <= number <= MOST_ASSUMED for numbers in deviations for number in numbers):
        message = f"has an assumed deviation that is not between {LEAST_ASSUMED:g} and {MOST_ASSUMED:g}"
        raise PerfError(message, subject=str(path), next_step=step)
    numbers = [number for entry in every for number in (entry.change, entry.resolution) if number is not None]
    if not all(0 < number < 1 for number in numbers):
        raise PerfError("has a tolerance that is not between 0 and 1", subject=str(path), next_step=step)
    return tolerances
