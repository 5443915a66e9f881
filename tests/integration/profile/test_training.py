"""Time by part of a training step, in real jobs: which parts there are, which kernels they run, and plants.

No test asserts a time, or that a change is significant. Plants change a part by several times the length of a step, so
that which part changed most is a fact on any machine.
"""

from dataclasses import replace

import pytest

from perf.builds import Build
from perf.machine import find_numactl, place_instances, read_topology
from perf.measure.family import Resources
from perf.profile.explain import REST, STEP_OVERHEAD
from perf.profile.steps import ALLREDUCE, COMPUTING, WAITING
from tests.integration.profile.comparing import changed_most, compared, explain, subject

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(read_topology().physical_cores < 2, reason="needs two cores"),
]
TWO_RANKS = "train-mobilenet0.25-b1-mkl-r2"
TWO_HOSTS = "train-mobilenet0.25-b1-mkl-2hosts-r2"


@pytest.fixture(scope="module")
def training(resources: Resources, mkl_dist: Build) -> Resources:
    """What a training job needs besides: its build, and room for two ranks."""
    topology = read_topology()
    placements = place_instances(topology, instances=2, numactl=find_numactl(topology))
    return replace(resources, build={"mkl-dist": mkl_dist}.__getitem__, rank_placements=placements)


def test_the_parts_of_a_step_are_timed_and_their_kernels_named(training: Resources) -> None:
    of_case = subject(TWO_RANKS, training)
    alone = explain(training, of_case, of_case.arm)
    layers = {layer.name: layer for layer in alone.layers}
    assert layers.keys() - {REST} == {*COMPUTING, WAITING, ALLREDUCE, STEP_OVERHEAD}
    assert all(layers[name].now_ms > 0 for name in COMPUTING)
    assert [name for name in COMPUTING if any("convolution" in k for k in layers[name].kernels)] == [
        "forward",
        "backward",
    ]
    assert (alone.unit, alone.change, alone.culprits) == ("step", None, 0)
    assert 0.95 <= alone.accounted <= 1 / 0.95 or alone.notes, "what is not accounted for is said"


@pytest.mark.slow
def test_one_rank_neither_exchanges_nor_waits(training: Resources) -> None:
    of_case = subject(TWO_RANKS.replace("r2", "r1"), training)
    parts = {layer.name for layer in explain(training, of_case, of_case.arm).layers}
    assert parts - {REST} == {*COMPUTING, STEP_OVERHEAD}


@pytest.mark.slow
@pytest.mark.usefixtures("two_hosts")
def test_a_slower_link_between_hosts_is_the_first_culprit(training: Resources) -> None:
    """The stacks differ in the rate of the link only, which they do not name."""
    of_case = subject(TWO_HOSTS, training)
    slower = subject(TWO_HOSTS, replace(training, link_gbit_per_s=0.02))
    explanation = compared(training, of_case, slower.arm)
    assert changed_most(explanation) == ALLREDUCE
    assert not [layer for layer in explanation.layers if layer.facts]


@pytest.mark.slow
def test_work_that_is_injected_in_each_step_is_the_first_culprit(training: Resources) -> None:
    of_case = subject(TWO_RANKS, training)
    longer = replace(of_case.arm, variant=replace(of_case.variant, extra_work=4.0))
    assert changed_most(compared(training, of_case, longer)) == STEP_OVERHEAD
