"""What ranks inherit, and where they run in words."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from perf.builds import Mpi
from perf.dist.data import JobEffort, load
from perf.dist.launch.cluster import ClusterLayout, shared
from perf.dist.launch.job import Cluster, Job, RankPlacement, command, settings_of
from perf.dist.rank_group import JobStart, TrainingJob
from perf.machine import Numactl, Placement
from perf.measure.plan import Variant
from tests.support.fakes import PLACEMENTS, build

INTEL = Mpi("intel", "2021.18.1", Path("/opt/mpi"), bundled=False)
OPEN = Mpi("open", "4.1.4", Path("/usr"), bundled=False)
EFFORT = JobEffort(invocations=1, block_budget_s=1.0, slot_s=0.1, steps=1, warm_up_steps=1, profile_steps=1)
MKL_DIST = build("mkl-dist", mkldnn=True, mpi=INTEL)


def job(variables: dict[str, str] | None = None, extra: dict[str, str] | None = None) -> Job:
    cluster = Cluster(variables={"FI_PROVIDER": "tcp"})
    return Job(
        build=MKL_DIST,
        cluster=cluster,
        rank_placements=(RankPlacement(None, PLACEMENTS[0]),),
        program="none",
        task={},
        deadline_s=1.0,
        variables=variables,
        extra=extra or {},
    )


def test_a_job_has_the_settings_of_horovod_and_of_its_mpi() -> None:
    found = job().environment
    assert found.items() >= settings_of(INTEL).items()
    assert (found["HOROVOD_TIMELINE"], found["I_MPI_PIN"], found["FI_PROVIDER"]) == ("DYNAMIC", "off", "tcp")
    assert not [name for name in found if name.startswith("OMPI_")]
    assert found.items() >= INTEL.variables.items()


def test_its_own_settings_take_their_place() -> None:
    """As a baseline's stack has them: a setting that is no longer there stays away."""
    found = job(variables={"HOROVOD_CYCLE_TIME": "5"}).environment
    assert found["HOROVOD_CYCLE_TIME"] == "5"
    assert "HOROVOD_TIMELINE" not in found
    assert "I_MPI_PIN" not in found
    assert found["FI_PROVIDER"] == "tcp", "reaching the hosts is no setting"


@pytest.mark.parametrize("variables", [None, {"HOROVOD_CYCLE_TIME": "5"}])
def test_what_one_program_adds_comes_last(variables: dict[str, str] | None) -> None:
    assert job(variables, extra={"HOROVOD_CYCLE_TIME": "0.1"}).environment["HOROVOD_CYCLE_TIME"] == "0.1"


def affinities(mpi: Mpi, rank_placements: Sequence[RankPlacement]) -> list[list[int]]:
    """The CPUs that each rank of a job is ordered to set for itself, by rank."""
    one = replace(job(), build=build("mkl-dist", mkldnn=True, mpi=mpi), rank_placements=tuple(rank_placements))
    arguments = " ".join(command(one, Path("/scratch"), {})).split(" -n 1 ")[1:]
    return [json.loads(section[section.index("{") : section.rindex("}") + 1])["affinity"] for section in arguments]


@pytest.mark.parametrize("mpi", [INTEL, OPEN])
@pytest.mark.parametrize("hosts", [(None, None), ("node1", "node2"), ("node1", "node1")])
def test_without_numactl_each_rank_sets_its_own_cpus(mpi: Mpi, hosts: tuple[str | None, str | None]) -> None:
    """Also on two emulated hosts, which share this machine's cores: both ranks are the first ones of their host."""
    placements = [Placement(number, 0, (number,), 1, "affinity", ()) for number in range(2)]
    ranks = [RankPlacement(host, placement) for host, placement in zip(hosts, placements, strict=True)]
    assert affinities(mpi, ranks) == [[0], [1]]


def test_ranks_that_numactl_pins_set_no_cpus() -> None:
    prefix = Numactl("/usr/bin/numactl").prefix(0, (0,))
    pinned = RankPlacement(None, Placement(0, 0, (0,), 1, "numactl", prefix))
    assert affinities(INTEL, [pinned]) == [[]]


def test_a_cluster_that_jobs_share_is_there_from_the_first_to_the_last_of_them() -> None:
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


def test_a_cluster_that_cannot_be_made_is_tried_again_by_the_next_job() -> None:
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


def test_a_variant_is_placed_on_as_many_seats_as_it_has_ranks() -> None:
    rank_placements = tuple(RankPlacement(host, PLACEMENTS[0]) for host in ("node1", "node2"))
    start = JobStart(ClusterLayout("2 hosts", lambda: nullcontext(Cluster()), rank_placements), EFFORT)
    for ranks in (1, 2):
        variant = Variant(f"r{ranks}", MKL_DIST, TrainingJob("resnet18_v1/b4", ranks, {}, load().variables["horovod"]))
        assert start.placement_of(variant) == tuple(rank_placement.words for rank_placement in rank_placements[:ranks])
    assert start.placement_of(variant)[1].startswith("node2, ")
