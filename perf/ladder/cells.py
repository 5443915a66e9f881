"""The cells of a ladder, a workload in a release: their plans, and which of them run the same stack."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from perf.builds import Build
from perf.errors import PerfError
from perf.ladder.data import Rung
from perf.ladder.programs import LadderWorkload
from perf.machine import Placement
from perf.measure.plan import Plan, Variant
from perf.measure.stacks import stack_of
from perf.stack import Stack, build_changes

# The family under which a ladder's measurements are recorded, and its variants.
FAMILY = "ladder"
RELEASE, ANCHOR, CONTROL = "release", "anchor", "control"


@dataclass(frozen=True)
class Cell:
    """A workload in a release.

    rung: the release.
    workload: the workload.
    plan: what measures it; None if nothing needs to be measured.
    same_as: the earlier release that runs the same stack; None if none does.
    is_anchor: whether it runs the anchor's own stack, so that its plan holds no release besides the anchor.
    problem: why it is not available; None when it may be.
    """

    rung: Rung
    workload: LadderWorkload
    plan: Plan[Any] | None = None
    same_as: str | None = None
    is_anchor: bool = False
    problem: str | None = None

    @property
    def measuring(self) -> Plan[Any]:
        """The plan. Raises ValueError when nothing is measured."""
        if self.plan is None:
            raise ValueError(f"{self.rung.release} {self.workload.name} is not measured")
        return self.plan

    @property
    def variant(self) -> Variant[Any]:
        """The variant that runs the release. Raises ValueError when nothing is measured."""
        name = ANCHOR if self.is_anchor else RELEASE
        return next(variant for variant in self.measuring.variants if variant.name == name)

    def stack(self, placements: tuple[Placement, ...]) -> Stack:
        """Return the stack that the release runs. Raises ValueError when nothing is measured."""
        return stack_of(self.measuring, self.variant, placements)


@dataclass(frozen=True)
class Builds:
    """The builds of a ladder: the `control`, the `anchor`, and `releases` by their names; an error in place of a build
    that could not be installed.
    """

    control: Build
    anchor: Build
    releases: Mapping[str, Build | PerfError]


def cells_of(
    rungs: Sequence[Rung], workloads: Sequence[LadderWorkload], builds: Builds, placements: tuple[Placement, ...]
) -> list[Cell]:
    """Return the cells of a ladder, release by release."""
    cells: list[Cell] = []
    for rung in rungs:
        earlier = list(cells)
        for workload in workloads:
            same = [cell for cell in earlier if cell.workload is workload and cell.plan is not None]
            cells.append(_cell(rung, workload, builds, placements, same))
    return cells


def _cell(
    rung: Rung,
    workload: LadderWorkload,
    builds: Builds,
    placements: tuple[Placement, ...],
    earlier: Sequence[Cell],
) -> Cell:
    """The cell of a workload in a release; `earlier` are its cells in the releases before that are measured."""
    build = builds.releases[rung.release]
    if isinstance(build, PerfError):
        return Cell(rung, workload, problem=build.what)
    try:
        release = Variant(RELEASE, build, workload.program(build))
        anchor = Variant(ANCHOR, builds.anchor, workload.program(builds.anchor), baseline_arm_of=RELEASE)
    except PerfError as error:
        return Cell(rung, workload, problem=error.what)
    control = Variant(CONTROL, builds.control, workload.control)
    # The release is in the name too: progress shows nothing else of a plan.
    measured = replace(workload.measured, name=f"{rung.release} {workload.name}")
    plan = Plan(rung.release, (control, anchor, release), (measured,), CONTROL, family=FAMILY)
    stack = stack_of(plan, release, placements)
    for cell in earlier:
        if not build_changes(stack, cell.stack(placements)):
            return Cell(rung, workload, same_as=cell.rung.release)
    if build_changes(stack, stack_of(plan, anchor, placements)):
        return Cell(rung, workload, plan=plan)
    alone = (control, replace(anchor, baseline_arm_of=None))
    return Cell(rung, workload, plan=replace(plan, variants=alone), is_anchor=True)
