"""What the proof of pinning says of workers and ranks that do not run where they were placed.

The short form proves with workers that have no MXNet; with --slow, the suite's own workers and ranks do so too.
"""

import re
from collections.abc import Sequence
from functools import reduce

import pytest

from tests.numa.guest import Guest
from tests.numa.inside import bare, controls, real

PERCENT = r"\d+\.\d %"
# Ten imports of MXNet on a machine that other programs keep busy; what hangs takes longer.
HANG_S = 1800.0
# Both proportions, in the order of the nodes, or all of it on the other node.
PAGES = (
    "at least 99 % of its anonymous memory must be on node {node}, but it is on "
    rf"(node {{other}}: 100\.0 %|node 0: {PERCENT}, node 1: {PERCENT})"
)
POLICY = r"(?P<n>\d+) of (?P=n) mappings have the memory policy {policy} instead of bind:{node}"
LAUNCH = "started on CPUs {cpus} instead of {own}"
THREADS = r"\d+ threads? \(first: \d+\) may run on CPUs {cpus}, not only on {own}"
NARROWED = r"started on CPUs {first} instead of {own}; the kernel narrows masks silently"

# What each kind of lie (lying_numactl.sh) must be found to do: each of these problems once, and no other.
LIES: dict[str, Sequence[str]] = {
    "honest": [],
    "nomem": [POLICY.replace("{policy}", "default")],
    "preferred": [POLICY.replace("{policy}", "prefer:{node}")],
    "interleave": [POLICY.replace("{policy}", "interleave:0-1"), PAGES],
    "swapmem": [POLICY.replace("{policy}", "bind:{other}"), PAGES],
    "swapcpu": [LAUNCH, THREADS],
    "swap": [LAUNCH, THREADS, POLICY.replace("{policy}", "bind:{other}"), PAGES],
    "nocpu": [LAUNCH.replace("{cpus}", "0-3"), THREADS.replace("{cpus}", "0-3")],
    "narrow": [NARROWED],
    "migrate": [PAGES],
}
# What happens to a process of instance 1 after an honest launch.
SPOILS: dict[str, str] = {
    "thread": r"1 thread \(first: \d+\) may run on CPUs 0-3, not only on 2-3",
    "pages": PAGES,
    "moved": PAGES,
}
RANKS = (["honest", "nomem", "swap", "wholenode"], ["preferred", "nocpu", "swapmem", "migrate"])
# Ranks have one core each. Intel's OpenMP binds threads to the first CPU of a mask that is too wide.
LIES_TO_RANKS = {
    **{kind: LIES[kind] for kind in ("honest", "nomem", "preferred", "swapmem", "swap", "migrate")},
    "nocpu": [LIES["nocpu"][0], THREADS.replace("{cpus}", "0"), LIES["nocpu"][1]],
    "wholenode": [
        LAUNCH.replace("{cpus}", "{node_cpus}"),
        THREADS.replace("{cpus}", "{node_first}"),
        THREADS.replace("{cpus}", "{node_cpus}"),
    ],
}
NODE_CPUS = ("0-1", "2-3")


def check(problems: Sequence[str], expected: Sequence[str], who: str, node: int, own: str, cpus: str) -> None:
    """Each pattern must fit exactly one problem. `own`: the CPUs of the placement. `cpus`: those of a swapped one."""
    facts = {
        "{node}": str(node),
        "{other}": str(1 - node),
        "{own}": own,
        "{cpus}": cpus,
        "{first}": own[0],
        "{node_cpus}": NODE_CPUS[node],
        "{node_first}": NODE_CPUS[node][0],
    }
    assert len(problems) == len(expected), problems
    for template in expected:
        pattern = re.escape(who) + reduce(lambda text, fact: text.replace(*fact), facts.items(), template)
        assert sum(re.fullmatch(pattern, problem) is not None for problem in problems) == 1, (pattern, problems)


@pytest.fixture(scope="module", params=["bare", pytest.param("real", marks=pytest.mark.slow)])
def problems(guest: Guest, request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """Problems by lie and spoil; all processes start together, since starting one takes as long as starting all."""
    proofs = bare.proofs if request.param == "bare" else real.proofs
    return guest.call(proofs, lies=list(LIES), spoils=list(SPOILS), timeout_s=HANG_S)


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


@pytest.mark.slow
@pytest.mark.parametrize("problems", ["real"], indirect=True)
def test_a_worker_for_which_its_node_has_no_memory_is_an_error(problems: dict[str, list[str]]) -> None:
    assert problems["full"] == ["the worker was ended by SIGKILL"]


@pytest.fixture(scope="module")
def ranks(guest: Guest) -> list[list[tuple[int, str, list[str]]]]:
    """Of each rank: its node, its CPUs and its problems. One job has as many ranks as cores."""
    return guest.call(real.of_ranks, jobs=list(RANKS), timeout_s=HANG_S)


@pytest.mark.slow
@pytest.mark.parametrize("job", range(len(RANKS)))
def test_lies_to_ranks_are_found_out(ranks: list[list[tuple[int, str, list[str]]]], job: int) -> None:
    """Each rank runs under its own kind of numactl."""
    for rank, (kind, (node, cpus, problems)) in enumerate(zip(RANKS[job], ranks[job], strict=True)):
        swapped = cpus.translate(str.maketrans("0123", "2301"))
        who = f"rank {rank} on this host: instance {rank}: "
        check(problems, LIES_TO_RANKS[kind], who, node, cpus, swapped)
