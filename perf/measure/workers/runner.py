"""What runs a variant, as those who measure and profile it see it: a worker group, or the ranks of a training job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from perf.machine import Placement
from perf.measure.results import Slot, WarmUp
from perf.measure.tiers import Effort
from perf.measure.workers.turns import Held

VariantT_contra = TypeVar("VariantT_contra", contravariant=True)


class Prepared(Held, Protocol):
    """What runs a variant of a plan. Any method may raise WorkerError; it can then only be closed."""

    def close(self) -> None:
        """End all processes, and everything that they started."""

    def prepare(self, workload: Any) -> None:
        """Load the variant's program and the inputs of a `perf.measure.plan.Workload`."""

    def warm_up(self, effort: Effort) -> WarmUp:
        """Run untimed passes, and check that everything runs where it was placed."""


class Runner(Prepared, Protocol):
    """The same, timed for a verdict."""

    def run(self, effort: Effort) -> Slot:
        """Time the passes of one slot."""

    def finish(self) -> int:
        """Free the workload; return the peak memory of all processes since it was prepared, summed, in bytes."""


@dataclass(frozen=True)
class StepTimes:
    """The times of some training steps, in ns. Each kind of step was taken as often as every other one, in turns.

    whole_ns: plain steps; the slowest rank's.
    slowest_ns: steps without communication; the slowest rank's.
    alone_ns: the same, mean over ranks.
    parts_ns: (forward, backward, update) of steps without communication whose parts ran one after the other, mean over
        ranks.
    overhead_ns: the time of each of those in which no part ran, mean over ranks.
    """

    whole_ns: tuple[float, ...]
    slowest_ns: tuple[float, ...]
    alone_ns: tuple[float, ...]
    parts_ns: tuple[tuple[float, float, float], ...]
    overhead_ns: tuple[float, ...]


class ProfiledSteps(Prepared, Protocol):
    """The ranks of a training job, whose steps are profiled."""

    @property
    def ranks(self) -> int:
        """How many there are."""

    def profile(self, steps: int) -> StepTimes:
        """Take this number of steps of each kind."""

    def mark(self, steps: int) -> str:
        """Take steps that mark in MKL-DNN's trace where each of their parts ends; end the job, and return what its
        first rank wrote.
        """


class Start(Protocol[VariantT_contra]):
    """Starts what runs a variant. Called with the placements, a folder for temporary files, and how long a process may
    take to answer. Raises WorkerError when it cannot be started.
    """

    def placement_of(self, variant: VariantT_contra) -> tuple[str, ...]:
        """Return where each process of a variant runs, as text."""

    def prefixes_of(self, variant: VariantT_contra) -> Sequence[Sequence[str]]:
        """Return what stands before the command of each process."""

    def __call__(
        self, variant: VariantT_contra, placements: Sequence[Placement], scratch: Path, *, timeout_s: float
    ) -> Runner: ...

    def profiled(
        self, variant: VariantT_contra, scratch: Path, *, timeout_s: float, variables: Mapping[str, str] | None = None
    ) -> ProfiledSteps:
        """Start it to be profiled, with more environment variables. Raises WorkerError when that fails."""
