"""Cases of training, their plan, and what is published of them."""

from pathlib import Path

import pytest

from perf.builds import Mpi
from perf.dist.data import load
from perf.dist.family import DistFamily
from perf.dist.launch.cluster import layout_of
from perf.dist.launch.job import default_variables
from perf.dist.program import TrainingProgram
from perf.dist.rank_group import JobStart
from perf.errors import PerfError
from perf.machine import Placement
from perf.measure.family import Resources
from tests.support.fakes import build, resources

INTEL = Mpi("intel", "2021.18.1", Path("/opt/mpi"), bundled=False)
TWO = tuple(Placement(rank, 0, (rank,), 1, "affinity", ()) for rank in range(2))


def test_every_rank_count_is_a_case() -> None:
    cases = DistFamily("quick").cases([1, 2, 4])
    assert [case.id for case in cases] == [f"train-resnet18_v1-b1-mkl-r{ranks}" for ranks in (1, 2, 4)]


def test_networks_that_cannot_be_trained_are_left_out() -> None:
    assert DistFamily("quick").cases([1], ["squeezenet1.0"]) == []
    assert {case.network for case in DistFamily("quick").cases([1], ["squeezenet1.0", "resnet50_v1"])} == {
        "resnet50_v1"
    }


def test_emulated_hosts_are_two_whatever_the_machine() -> None:
    cases = [case for case in DistFamily("nightly").cases([1, 2, 4, 8]) if case.place == "emulated"]
    assert {case.variant for case in cases} == {"r1", "r2"}
    assert all(case.subject.endswith("-2hosts") for case in cases)


def test_the_announcement_is_of_the_optimised_build() -> None:
    cases = DistFamily("nightly").cases([1, 2, 4, 32], ["resnet50_v1"])
    published = {case.id: case.family.published(case) for case in cases if case.place == "host"}
    assert published["train-resnet50_v1-b8-mkl-r1"] is None
    assert published["train-resnet50_v1-b8-mkl-r2"] == pytest.approx(0.9886)
    assert published["train-resnet50_v1-b8-mkl-r32"] == pytest.approx(0.9298)
    assert published["train-resnet50_v1-b8-native-r2"] is None


def test_a_plan_is_measured_over_one_rank(tmp_path: Path) -> None:
    family = DistFamily("quick", invocations=5)
    mkl_dist = build("mkl-dist", mpi=INTEL)
    lent = resources(tmp_path, builds=lambda _: mkl_dist, rank_placements=TWO)
    cases = [case for case in family.cases([1, 2]) if case.ranks == 2]
    plan = family.plan(cases[0].subject, cases, lent)
    assert [variant.name for variant in plan.variants] == ["r1", "r2"]
    assert [variant.over for variant in plan.variants] == [(), ("r1",)]
    jobs = [variant.program for variant in plan.variants if isinstance(variant.program, TrainingProgram)]
    assert [job.ranks for job in jobs] == [1, 2]
    assert [job.variables for job in jobs] == [default_variables(INTEL)] * 2
    assert isinstance(plan.start, JobStart)
    assert [plan.start.placement_of(variant) for variant in plan.variants] == [
        tuple(rank_placement.describe() for rank_placement in plan.start.layout.first(ranks)) for ranks in (1, 2)
    ]
    assert plan.effort is not None
    assert plan.effort.min_invocations == 5
    assert plan.effort.block_budget_s == load().efforts["quick"].block_budget_s
    assert plan.effort.slot_s == load().efforts["quick"].slot_s


def on_hosts(folder: Path, hosts: str) -> Resources:
    """The resources of a session whose hosts file holds these lines."""
    path = folder / "hosts"
    path.write_text(hosts)
    return resources(folder, rank_placements=TWO, hosts_file=path)


def test_ranks_fill_host_by_host(tmp_path: Path) -> None:
    layout = layout_of("host", on_hosts(tmp_path, "node1:2\nnode2:1\n"))
    assert [(where.host, where.placement.instance) for where in layout.first(3)] == [
        ("node1", 0),
        ("node1", 1),
        ("node2", 0),
    ]
    with pytest.raises(ValueError, match="4 ranks do not fit, only 3 do"):
        layout.first(4)


def test_a_host_with_more_slots_than_this_one_has_placements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="node1 has 3 slots") as caught:
        layout_of("host", on_hosts(tmp_path, "node1:3\n"))
    assert caught.value.next_step == "add --perf-ranks=3"
