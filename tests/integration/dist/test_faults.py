"""Ranks that are killed, raise, exit, stop or are cut off: the job ends, names the rank, and leaves no process."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from perf.builds import Build
from perf.dist.launch.emulated import cut, emulated
from perf.dist.launch.job import Cluster, Job, RankPlacement
from perf.dist.launch.running import READY, run_job, running
from perf.dist.rank_group import misplaced
from perf.errors import WorkerError
from perf.machine import Placement
from tests.integration.conftest import can_emulate
from tests.integration.dist.conftest import TIMEOUTS, Launch
from tests.support.leftovers import left, states

PROGRAM = "tests.integration.dist.faulty"
ASKED = "tests.integration.dist.asked"
END_S = 30.0
LAST_LINE = "this is my last line"


def launchers() -> set[int]:
    names = {"mpiexec.hydra", "hydra_pmi_proxy", "hydra_bstrap_proxy"}
    return {process.pid for process in psutil.process_iter(["name"]) if process.info["name"] in names}


def wait_until_gone(token: str, before: set[int], limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while left(token) or launchers() - before:
        assert time.monotonic() < deadline, [process.cmdline() for process in left(token)]
        time.sleep(0.1)


def ended(job: Launch, scratch: Path, token: str, how: str, cluster: Cluster | None = None) -> WorkerError:
    """The error of a job in which rank 1 goes wrong; it is raised in time, and no process is left."""
    before, started = launchers(), time.monotonic()
    with pytest.raises(WorkerError) as caught:
        run_job(job(PROGRAM, {"rank": 1, "how": how, "token": token}, cluster), scratch)
    wait_until_gone(token, before, END_S - (time.monotonic() - started))
    return caught.value


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("killed", "was ended by SIGKILL before it had a result"),
        ("raising", "raised ValueError: the learning rate is below zero"),
        ("leaving", "exited with code 0 before it had a result"),
        ("unguarded", "ended before it had a result"),
        ("stopped", "it is stopped or cut off"),
    ],
)
def test_the_job_ends_and_names_the_rank(job: Launch, tmp_path: Path, token: str, how: str, what: str) -> None:
    """On this host and, at the same time, on two emulated hosts if possible: most of the time is waiting."""
    with emulated() if can_emulate() else nullcontext(None) as cluster, ThreadPoolExecutor(2) as pool:
        errors = {"": pool.submit(ended, job, tmp_path, f"{token}/here", how)}
        if cluster:
            errors[cluster.hosts[1]] = pool.submit(ended, job, tmp_path, f"{token}/apart", how, cluster)
    for host, ending in errors.items():
        error = ending.result()
        assert error.what.startswith(f"rank 1 of 2 on {host}"), error.last_lines
        assert what in error.what
        assert LAST_LINE in error.last_lines or "below zero" in error.last_lines


def test_training_that_diverges_is_an_error(job: Launch, tmp_path: Path) -> None:
    schedule = {"warm_up_epochs": 1, "warm_up_learning_rate": 1e29, "decay_epochs": [2], "decay": 0.1}
    arguments = {
        "network": "mobilenet0.25",
        "batch": 1,
        "seed": 1,
        "optimizer": {"learning_rate": 1e30, "momentum": 0.9, "wd": 0.0001},
        "schedule": schedule,
        "examples": 100,
        "extra_work": 0.0,
    }
    with running(job("perf.worker.rank.throughput", arguments), tmp_path) as started:
        started.answers(READY)
        with pytest.raises(
            WorkerError, match=r"rank \d of 2 on .* raised FloatingPointError: the loss is (nan|inf) after 4"
        ):
            started.ask("train", steps=4)


@pytest.mark.parametrize("where", ["here", "two hosts"])
def test_a_job_takes_turns(request: pytest.FixtureRequest, job: Launch, tmp_path: Path, token: str, where: str) -> None:
    """A job that is held for longer than a rank may be silent or stall continues when it is released."""
    if where == "two hosts":
        request.getfixturevalue("two_hosts")
    with (
        emulated() if where == "two hosts" else nullcontext(None) as cluster,
        running(job(ASKED, {"token": token}, cluster), tmp_path) as started,
    ):
        started.answers(READY)
        ranks = [rank.pid for rank in left(token) if "perf.worker.rank" in rank.cmdline() and not rank.children()]
        guards = [psutil.Process(pid).parent() for pid in ranks]
        assert len(ranks) == 2
        assert [answer["step"] for answer in started.ask("step")] == [1, 1]
        started.hold()
        assert [states(pid) for pid in ranks] == [{"T"}] * 2
        assert not any(guard and "T" in states(guard.pid) for guard in guards)
        if where == "here":
            time.sleep(max(TIMEOUTS.stall_s, TIMEOUTS.silence_s) + 1)
        assert [states(pid) for pid in ranks] == [{"T"}] * 2
        started.release()
        assert [answer["step"] for answer in started.ask("step")] == [2, 2]
        started.hold()
        assert [rank["steps"] for rank in started.results()] == [2, 2], "it is released at the end"


def test_a_rank_watches_all_cpus_that_it_is_placed_on(
    mkl_dist: Build, placements: tuple[Placement, ...], token: str, tmp_path: Path
) -> None:
    """Intel's OpenMP narrows the mask of the thread that imports MXNet; other CPUs would then go unwatched."""
    where = placements[0]
    if len(where.cpus) < 2:
        pytest.skip("one CPU cannot be narrowed")
    alone = Job(
        build=mkl_dist, cluster=Cluster(), rank_placements=(RankPlacement(None, where),), program=ASKED,
        arguments={"token": token},
        deadline_s=60.0,
    )  # fmt: skip
    with running(alone, tmp_path) as started:
        started.answers(READY)
        started.ask("step")
        (result,) = started.results()
    assert result["cpus"] == sorted(where.cpus)
    assert len(result["narrowed"]) < len(where.cpus), "otherwise this test shows nothing"


@pytest.mark.usefixtures("two_hosts")
def test_ranks_on_emulated_hosts_are_pinned_without_numactl(
    job: Launch, two_rank_placements: tuple[Placement, ...], token: str, tmp_path: Path
) -> None:
    """Each is the first rank of its host, but their CPUs differ: both hosts are on this machine."""
    with emulated() as cluster:
        unpinned = [replace(placement, method="affinity", prefix=()) for placement in two_rank_placements]
        where = [RankPlacement(host, placement) for host, placement in zip(cluster.hosts, unpinned, strict=True)]
        apart = replace(job(ASKED, {"token": token}, cluster), rank_placements=tuple(where))
        with running(apart, tmp_path) as started:
            started.answers(READY)
            started.ask("step")
            ranks = started.results()
    assert misplaced(ranks, where) == []


def test_a_held_job_that_is_ended_leaves_no_process(job: Launch, tmp_path: Path, token: str) -> None:
    before = launchers()
    with running(job(ASKED, {"token": token}), tmp_path) as started:
        started.answers(READY)
        started.hold()
    wait_until_gone(token, before, END_S)


def test_a_rank_that_is_killed_between_its_turns_is_named(job: Launch, tmp_path: Path, token: str) -> None:
    with running(job(ASKED, {"token": token}), tmp_path) as started:
        started.answers(READY)
        started.ask("step")
        started.hold()
        next(rank for rank in left(token) if "perf.worker.rank" in rank.cmdline() and not rank.children()).kill()
        started.release()
        with pytest.raises(WorkerError, match=r"^rank \d of 2 on .* was ended by SIGKILL before it had a result"):
            started.ask("step")


def test_a_rank_that_stalls_terminates_itself(job: Launch, tmp_path: Path, token: str) -> None:
    error = ended(job, tmp_path, token, "slow")
    assert "stalled: no step for" in error.what


@pytest.mark.usefixtures("two_hosts")
def test_a_host_that_is_cut_off(job: Launch, tmp_path: Path, token: str) -> None:
    before = launchers()
    with emulated() as cluster:

        def cut_at_a_step(message: Mapping[str, Any]) -> None:
            if "step" in message:
                cut(cluster.hosts[1])

        with pytest.raises(WorkerError) as caught:
            run_job(job(PROGRAM, {"rank": 1, "how": "healthy", "token": token}, cluster), tmp_path, cut_at_a_step)
        # The launcher cannot reach the other host: its rank terminates itself and its proxy.
        wait_until_gone(token, before, END_S)
    assert caught.value.what.startswith(f"rank 1 of 2 on {cluster.hosts[1]} sent nothing for")


@pytest.mark.usefixtures("two_hosts")
def test_a_guard_that_is_cut_off_between_turns_ends_its_rank(job: Launch, tmp_path: Path, token: str) -> None:
    """The launcher cannot reach it; its guard ends a rank that would wait without a limit."""
    with emulated() as cluster, running(job(ASKED, {"token": token}, cluster), tmp_path) as started:
        started.answers(READY)
        started.hold()
        there = {process.pid for process in left(token) if on_host(process.pid, cluster.hosts[1])}
        assert len(there) >= 2, "a guard and its rank"
        cut(cluster.hosts[1])
        deadline = time.monotonic() + TIMEOUTS.launcher_silence_s + 10
        while there & {process.pid for process in left(token)}:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def on_host(pid: int, host: str) -> bool:
    """Whether a process is in the network namespace of an emulated host."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino == Path(f"/run/netns/{host}").stat().st_ino
    except OSError:
        return False


def test_a_healthy_job_may_take_its_time(job: Launch, tmp_path: Path, token: str) -> None:
    messages: list[object] = []
    arguments = {"rank": 1, "how": "healthy", "token": token, "steps": 100}
    results = run_job(job(PROGRAM, arguments), tmp_path, messages.append)
    assert len(results) == 2
    ranks = [message["rank"] for message in messages if isinstance(message, dict) and "rank" in message]
    assert ranks == [0]


# Longer than a rank that has started may be silent.
SLEEP = ("sh", "-c", f'sleep {TIMEOUTS.silence_s + 1}; exec "$@"', "sh")


@pytest.mark.parametrize("start_s", [60.0, 2.0])
def test_a_rank_that_sleeps_before_its_first_word(job: Launch, tmp_path: Path, token: str, start_s: float) -> None:
    before = launchers()
    healthy = job(PROGRAM, {"rank": 1, "how": "healthy", "token": token, "steps": 3})
    late = healthy.rank_placements[1].placement
    late = replace(late, prefix=(*SLEEP, *late.prefix))
    slow = replace(
        healthy,
        rank_placements=(healthy.rank_placements[0], RankPlacement(None, late)),
        timeouts=msgspec.structs.replace(TIMEOUTS, start_s=start_s),
    )
    if start_s > TIMEOUTS.silence_s:
        assert len(run_job(slow, tmp_path)) == 2
    else:
        with pytest.raises(WorkerError, match=r"^rank 1 of 2 on this host had not started, and sent nothing for 2 s"):
            run_job(slow, tmp_path)
        wait_until_gone(token, before, END_S)


def test_a_deadline_ends_a_healthy_job(job: Launch, tmp_path: Path, token: str) -> None:
    with pytest.raises(WorkerError, match="had not finished after 2 s"):
        run_job(job(PROGRAM, {"rank": 1, "how": "healthy", "token": token}, deadline_s=2.0), tmp_path)
    assert not left(token)
