"""The fixtures that measured tests use."""

import shlex
from collections.abc import Callable
from typing import Any

import pytest

from perf.errors import PerfError
from perf.measure.family import Case, Family
from perf.plugin.hooks import OPTIONS, SESSION, why_not_measured
from perf.plugin.record import passes_of, record_of
from perf.plugin.replay import clock
from perf.plugin.session import Outcome, PerfSession


@pytest.fixture(scope="session")
def perf_session(pytestconfig: pytest.Config) -> PerfSession:
    """The machine, the builds and what has been measured with them."""
    reason = why_not_measured(pytestconfig)
    if reason:
        pytest.skip(reason)
    return pytestconfig.stash[SESSION]


@pytest.fixture(scope="session")
def numactl(perf_session: PerfSession) -> tuple[tuple[str, ...], ...]:
    """The launch prefix of each instance, such as ("numactl", "--cpunodebind=0", ...); empty prefixes where a one-node
    machine has no numactl and workers set their own affinity.
    """
    return tuple(placement.prefix for placement in perf_session.placements)


@pytest.fixture
def record(
    case: Case,
    family: Family[Any],
    perf_session: PerfSession,
    numactl: tuple[tuple[str, ...], ...],
    request: pytest.FixtureRequest,
) -> Callable[[], dict[str, Any]]:
    """Call it to measure the item's case, with all selected cases of its subject when it is the first of them, and to
    hand samples and figures to pytest-benchmark; returns the figures (`extra_info`). What failed fails the test, told
    in a few lines.
    """

    def hand_over() -> dict[str, Any]:
        try:
            outcome = perf_session.outcome(family, case)
        except PerfError as error:
            # From None: otherwise pytest tells the same twice, as the cause and as its consequence.
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        if outcome.failure is not None:
            pytest.fail(_told(outcome, reproduction(request.config, request.node.nodeid)), pytrace=False)
        # Asked for only now: pytest-benchmark warns of a fixture that a failed test never used.
        benchmark = request.getfixturevalue("benchmark")
        figures = record_of(outcome, perf_session.machine, perf_session.placements, family.published(case))
        figures["launch_prefixes"] = [shlex.join(prefix) for prefix in numactl]
        benchmark.group = case.workload
        benchmark.extra_info.update(figures)
        clock.replay(benchmark, passes_of(outcome))
        perf_session.records.append(figures)
        return figures

    return hand_over


def _told(outcome: Outcome, command: str) -> str:
    lines = [f"{outcome.case.workload} {outcome.case.variant}: {outcome.failure.what}"] if outcome.failure else []
    if outcome.failure and outcome.failure.last_words:
        lines += ["last words of the worker:", outcome.failure.last_words]
    return "\n".join([*lines, f"alone: {command}"])


def reproduction(config: pytest.Config, nodeid: str) -> str:
    """The command that runs one item alone, with the options given here that change what is measured."""
    return shlex.join(["uv", "run", "pytest", nodeid, *config.stash[OPTIONS].words()])
