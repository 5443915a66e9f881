"""From what the engine measured to the ladder that is stored: nothing that failed passes for measured."""

import math
from collections.abc import Mapping

import pytest

from perf.errors import PerfError
from perf.ladder.cells import ANCHOR, CONTROL, RELEASE, Builds, cells_of
from perf.ladder.climb import Climb, Climbed
from perf.ladder.data import Rung
from perf.ladder.result import ladder_of
from perf.ladder.schema import StoredCell, StoredLadder
from perf.ladder.setup import Place
from perf.ladder.traces import Trace
from perf.machine import Machine
from perf.measure.results import Block, Failure, Invocation, Slot, WorkloadResult
from tests.support.factories import TOLERANCES
from tests.support.fakes import PLACEMENTS, build
from tests.unit.ladder.made_ladder import release, workload

PLACE = Place(Machine("made", 2, 2, 1, "avx2", 2**33, "6.1.0"), {}, PLACEMENTS)
LATENCIES = {CONTROL: 4000, ANCHOR: 2000, RELEASE: 1000}


def result(
    latencies: Mapping[str, int] = LATENCIES, failures: Mapping[str, str] | None = None, disturbed: int = 0
) -> WorkloadResult:
    """Three invocations of two blocks with these latencies in ns, of which some were disturbed."""
    block = Block({name: Slot(((ns,),), 0.0) for name, ns in latencies.items()})
    invocations = [Invocation((block, block), {}, {}, disturbed=number < disturbed) for number in range(3)]
    return WorkloadResult(tuple(invocations), {name: Failure(what, "") for name, what in (failures or {}).items()})


def made(*results: WorkloadResult | None) -> StoredLadder:
    """The ladder of a workload in releases of these results: the first is 1.5.0, the anchor's own; None stands for one
    that cannot be installed. The last two have the same wheel.
    """
    names = ["1.5.0", "1.6.0", "1.7.0", "1.8.0"][: len(results)]
    missing = PerfError("there is no such wheel")
    contents = dict(zip(names, "bcdd", strict=False))
    builds = {
        name: missing if one is None else release(name, contents[name])
        for name, one in zip(names, results, strict=True)
    }
    rungs = [Rung(name, f"mxnet-mkl=={name}") for name in names]
    cells = cells_of(rungs, [workload()], Builds(build(), release("1.5.0", "b"), builds), PLACEMENTS)
    measured = {
        cell.plan.key_of(cell.plan.workloads[0]): one
        for cell, one in zip(cells, results, strict=True)
        if cell.plan is not None and one is not None
    }
    traces = {(name, "softmax"): Trace("", {"softmax jit": 2}) for name in names}
    climb = Climb(rungs, ["softmax"], "smoke", 1.0, PLACE)
    climbed = Climbed(cells, measured, traces, Builds(build(), release("1.5.0", "b"), builds), {"installing": 1.04})
    return ladder_of(climb, climbed, TOLERANCES)


def cells(*results: WorkloadResult | None) -> list[StoredCell]:
    return made(*results).cells


ALONE = {name: LATENCIES[name] for name in (CONTROL, ANCHOR)}


def test_a_release_is_stored_with_its_ratios_over_the_anchor_and_the_control_beside_it() -> None:
    anchor, newer = cells(result(ALONE), result())
    assert (anchor.is_anchor, anchor.values, anchor.speed) == (True, [], 1.0)
    assert newer.values == pytest.approx([math.log(2)] * 3, abs=1e-5)
    assert newer.control == pytest.approx([math.log(2)] * 3, abs=1e-5)
    assert newer.speed == pytest.approx(2)
    assert newer.latency_s == pytest.approx(1e-6)
    assert newer.kernels == {"softmax jit": 2}


def test_disturbed_invocations_do_not_count_and_are_reported() -> None:
    _, newer = cells(result(ALONE), result(disturbed=2))
    assert (len(newer.values), newer.disturbed) == (1, 2)


@pytest.mark.parametrize("variant", [RELEASE, ANCHOR])
def test_a_cell_in_which_the_release_or_the_anchor_failed_is_not_available(variant: str) -> None:
    _, newer = cells(result(ALONE), result(failures={variant: "while being timed: it died"}))
    assert (newer.status, newer.reason) == ("not available", "while being timed: it died")
    assert newer.values == []


def test_a_control_that_failed_is_reported_and_the_release_is_compared() -> None:
    measured = {name: LATENCIES[name] for name in (ANCHOR, RELEASE)}
    _, newer = cells(result(ALONE), result(measured, failures={CONTROL: "while starting: it died"}))
    assert (newer.status, newer.reason) == ("measured", "the control failed while starting: it died")
    assert (len(newer.values), newer.control) == (3, [])


def test_the_same_stack_as_a_release_that_failed_is_not_available_either() -> None:
    failed = result(failures={RELEASE: "while being timed: it died"})
    *_, first, again = cells(result(ALONE), result(), failed, result())
    assert (first.status, again.status) == ("not available", "not available")
    assert again.reason == first.reason


def test_what_cannot_be_installed_is_stored_without_a_wheel() -> None:
    ladder = made(result(ALONE), None)
    assert [(rung.version, rung.wheel is None) for rung in ladder.rungs] == [("1.5.0", False), (None, True)]
    assert ladder.cells[1].reason == "there is no such wheel"
    assert ladder.wall_time_s == {"installing": 1.0}
    assert (ladder.machine_class, ladder.tier) == (PLACE.machine.machine_class, "smoke")
