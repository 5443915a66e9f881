"""What the proof of pinning says of processes that do not run where they were placed, with workers without MXNet."""

import pytest

from tests.numa.guest import Guest
from tests.numa.inside import bare, controls
from tests.numa.lies import LIES, NODE_CPUS, SPOILS, check


@pytest.fixture(scope="module")
def problems(guest: Guest) -> dict[str, list[str]]:
    """Problems by lie and spoil; all processes start together, since starting one takes as long as starting all."""
    return guest.call(bare.proofs, lies=list(LIES), spoils=list(SPOILS))


@pytest.mark.parametrize("kind", LIES)
def test_a_lying_numactl_is_found_out(problems: dict[str, list[str]], kind: str) -> None:
    node = list(LIES).index(kind) % 2
    check(problems[kind], LIES[kind], f"instance {node}: ", node, NODE_CPUS[node], NODE_CPUS[1 - node])


@pytest.mark.parametrize("what", SPOILS)
def test_what_happens_to_a_process_after_its_launch_is_found(problems: dict[str, list[str]], what: str) -> None:
    check(problems[what], [SPOILS[what]], "instance 1: ", 1, NODE_CPUS[1], NODE_CPUS[0])


def test_a_mask_that_the_kernel_narrows_is_found(guest: Guest) -> None:
    assert guest.call(controls.narrowed) == [
        "instance 0: node 0, CPUs 0-1, 2 threads, numactl",
        "instance 1: node 1, CPUs 2-3, 2 threads, numactl",
        "instance 0: started on CPUs 0 instead of 0-1; the kernel narrows masks silently",
    ]


def test_a_cpu_that_goes_offline_is_found(guest: Guest) -> None:
    assert guest.call(controls.offline) == [
        "instance 0: node 0, CPUs 0-1, 2 threads, numactl",
        "instance 1: node 1, CPUs 2-3, 2 threads, numactl",
        "instance 0: 1 CPU of its placement went offline: 1",
    ]


def test_a_frequency_that_is_capped_meanwhile_is_doubtful(guest: Guest) -> None:
    assert guest.call(controls.capped, kilohertz=2_000_000) == [
        "none; later 2000 of 3000 MHz",
        "doubtful",
        "do not change the machine's settings while measuring, then measure again",
    ]
