"""The variables and CPUs of ranks, and the clusters that jobs share."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from perf.builds import Mpi
from perf.dist.data import JobEffort, load
from perf.dist.launch.cluster import ClusterLayout, shared
from perf.dist.launch.job import Cluster, Job, RankPlacement, command, default_variables
from perf.dist.program import TrainingProgram
from perf.dist.rank_group import JobStart
from perf.machine import Numactl, Placement
from perf.measure.plan import Variant
from tests.support.fakes import PLACEMENTS, build

INTEL = Mpi("intel", "2021.18.1", Path("/opt/mpi"), bundled=False)
OPEN = Mpi("open", "4.1.4", Path("/usr"), bundled=False)
EFFORT = JobEffort(invocations=1, block_budget_s=1.0, slot_s=0.1, slot_steps=1, warm_up_steps=1, breakdown_steps=1)
MKL_DIST = build("mkl-dist", mkldnn=True, mpi=INTEL)


def job(variables: dict[str, str] | None = None, extra: dict[str, str] | None = None) -> Job:
    cluster = Cluster(variables={"FI_PROVIDER": "tcp"})
    return Job(
        build=MKL_DIST,
        cluster=cluster,
        rank_placements=(RankPlacement(None, PLACEMENTS[0]),),
        program="none",
        arguments={},
        deadline_s=1.0,
        variables=variables,
        extra_variables=extra or {},
    )


def test_a_job_has_the_variables_of_horovod_and_of_its_mpi() -> None:
    environment = job().environment
    assert environment.items() >= default_variables(INTEL).items()
    assert (environment["HOROVOD_TIMELINE"], environment["I_MPI_PIN"], environment["FI_PROVIDER"]) == (
        "DYNAMIC",
        "off",
        "tcp",
    )
    assert not [name for name in environment if name.startswith("OMPI_")]
    assert environment.items() >= INTEL.variables.items()


def test_its_own_variables_replace_the_default_ones() -> None:
    """As in a baseline's stack: a variable that it lacks is not set."""
    environment = job(variables={"HOROVOD_CYCLE_TIME": "5"}).environment
    assert environment["HOROVOD_CYCLE_TIME"] == "5"
    assert "HOROVOD_TIMELINE" not in environment
    assert "I_MPI_PIN" not in environment
    assert environment["FI_PROVIDER"] == "tcp", "needed to reach the hosts"


@pytest.mark.parametrize("variables", [None, {"HOROVOD_CYCLE_TIME": "5"}])
def test_extra_variables_come_last(variables: dict[str, str] | None) -> None:
    assert job(variables, extra={"HOROVOD_CYCLE_TIME": "0.1"}).environment["HOROVOD_CYCLE_TIME"] == "0.1"


def pinned_cpus(mpi: Mpi, rank_placements: Sequence[RankPlacement]) -> list[list[int]]:
    """The CPUs to which each rank of a job pins itself, by rank."""
    one = replace(job(), build=build("mkl-dist", mkldnn=True, mpi=mpi), rank_placements=tuple(rank_placements))
    arguments = " ".join(command(one, Path("/scratch"), {})).split(" -n 1 ")[1:]
    return [json.loads(section[section.index("{") : section.rindex("}") + 1])["cpus"] for section in arguments]


@pytest.mark.parametrize("mpi", [INTEL, OPEN])
@pytest.mark.parametrize("hosts", [(None, None), ("node1", "node2"), ("node1", "node1")])
def test_without_numactl_each_rank_pins_itself_to_its_own_cpus(mpi: Mpi, hosts: tuple[str | None, str | None]) -> None:
    """Also on two emulated hosts: each rank is the first one of its host, but both hosts are on this machine."""
    placements = [Placement(number, 0, (number,), 1, "affinity", ()) for number in range(2)]
    ranks = [RankPlacement(host, placement) for host, placement in zip(hosts, placements, strict=True)]
    assert pinned_cpus(mpi, ranks) == [[0], [1]]


def test_a_rank_that_numactl_pins_does_not_pin_itself() -> None:
    prefix = Numactl("/usr/bin/numactl").prefix(0, (0,))
    pinned = RankPlacement(None, Placement(0, 0, (0,), 1, "numactl", prefix))
    assert pinned_cpus(INTEL, [pinned]) == [[]]


def test_a_shared_cluster_is_open_from_the_first_job_to_the_last() -> None:
    there: list[str] = []

    @contextmanager
    def opened() -> Iterator[Cluster]:
        there.append("opened")
        yield Cluster(("a", "b"))
        there.append("closed")

    enter = shared(opened)
    for _ in range(2):
        there.clear()
        with enter() as one:
            with enter() as other:
                assert one is other
            assert there == ["opened"]
        assert there == ["opened", "closed"]


def test_a_cluster_that_cannot_be_opened_is_tried_again_by_the_next_job() -> None:
    attempts = iter([True, False])

    @contextmanager
    def opened() -> Iterator[Cluster]:
        if next(attempts):
            raise OSError("no namespace")
        yield Cluster(("a", "b"))

    enter = shared(opened)
    with pytest.raises(OSError, match="no namespace"), enter():
        pass
    with enter() as cluster:
        assert cluster.hosts == ("a", "b")


def test_a_variant_has_as_many_placements_as_ranks() -> None:
    rank_placements = tuple(RankPlacement(host, PLACEMENTS[0]) for host in ("node1", "node2"))
    start = JobStart(ClusterLayout("2 hosts", lambda: nullcontext(Cluster()), rank_placements), EFFORT)
    for ranks in (1, 2):
        variant = Variant(
            f"r{ranks}", MKL_DIST, TrainingProgram("resnet18_v1/b4", ranks, {}, load().variables["horovod"])
        )
        assert start.placement_of(variant) == tuple(
            rank_placement.describe() for rank_placement in rank_placements[:ranks]
        )
    assert start.placement_of(variant)[1].startswith("node2, ")
