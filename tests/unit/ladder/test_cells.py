"""Cells: side by side with the anchor and the control, once for equal stacks, and not available with a reason."""

import pytest

from perf.builds import Build
from perf.errors import PerfError
from perf.ladder.cells import Builds, Cell, cells_of
from perf.ladder.data import Rung
from perf.ladder.programs import LadderWorkload
from tests.support.fakes import PLACEMENTS, build
from tests.unit.ladder.made_ladder import release, workload

ANCHOR = release("1.5.0", "b")


def cells(builds: dict[str, Build | PerfError], *workloads: LadderWorkload) -> list[Cell]:
    """The cells of releases, which their builds stand for, and of `softmax` unless there are other workloads."""
    rungs = [Rung(name, f"mxnet-mkl=={name}") for name in builds]
    return cells_of(rungs, workloads or [workload()], Builds(build(), ANCHOR, builds), PLACEMENTS)


def variants(cell: Cell) -> dict[str, tuple[str, str | None]]:
    """The wheel of each variant, by its first digit, and what it is the baseline arm of."""
    return {v.name: (v.build.content_sha256[0], v.baseline_arm_of) for v in cell.measuring.variants}


def test_a_release_shares_its_blocks_with_the_anchor_and_the_control() -> None:
    (cell,) = cells({"1.6.0": release("1.6.0", "c")})
    assert variants(cell) == {"control": ("a", None), "anchor": ("b", "release"), "release": ("c", None)}
    assert cell.measuring.reference == "control"
    assert cell.variant.name == "release"
    assert not cell.is_anchor


def test_the_anchors_own_release_runs_with_the_control_alone() -> None:
    (cell,) = cells({"1.5.0": ANCHOR})
    assert variants(cell) == {"control": ("a", None), "anchor": ("b", None)}
    assert cell.is_anchor
    assert cell.variant.name == "anchor"


def test_a_release_of_the_same_stack_is_measured_once() -> None:
    first, other, again, anchor, copy = cells(
        {
            "1.6.0": release("1.6.0", "c"),
            "1.7.0": release("1.7.0", "d"),
            "1.8.0": release("1.8.0", "c"),
            "1.5.0": ANCHOR,
            "1.5.9": release("1.5.9", "b"),
        }
    )
    assert [first.same_as, other.same_as, anchor.same_as] == [None] * 3
    assert (again.same_as, again.plan) == ("1.6.0", None)
    assert (copy.same_as, copy.plan) == ("1.5.0", None)


def test_workloads_of_one_stack_are_not_taken_for_each_other() -> None:
    both = cells({"1.6.0": release("1.6.0", "c")}, workload("softmax"), workload("softmax_large"))
    assert [cell.plan is not None for cell in both] == [True, True]


def test_what_cannot_be_installed_or_run_is_not_available_and_all_else_is_measured() -> None:
    missing = PerfError("there is no such wheel", subject="build mkl")
    builds: dict[str, Build | PerfError] = {
        "1.3.1": release("1.3.1", "e"),
        "1.4.1": missing,
        "1.6.0": release("1.6.0", "c"),
    }
    old, absent, new = cells(builds, workload(refused_by="1.3.1"))
    assert (old.plan, old.problem) == (None, "it came with a later release")
    assert (absent.plan, absent.problem) == (None, "there is no such wheel")
    assert new.problem is None
    with pytest.raises(ValueError, match=r"1\.3\.1 softmax is not measured"):
        _ = old.variant
