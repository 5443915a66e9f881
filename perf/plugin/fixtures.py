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
    """The machine, the builds and what has been measured in this session."""
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
def outcome(case: Case, family: Family[Any], perf_session: PerfSession, request: pytest.FixtureRequest) -> Outcome:
    """What came of the item's case, measured with all selected cases of its subject when the first of them asks."""
    try:
        found = perf_session.outcome(family, case)
    except PerfError as error:
        pytest.fail(str(error), pytrace=False)
    if found.failure is not None:
        words = f"\nlast words of the worker:\n{found.failure.last_words}" if found.failure.last_words else ""
        again = reproduction(request.config, request.node.nodeid)
        message = f"{case.workload} {case.variant}: {found.failure.what}{words}\nalone: {again}"
        pytest.fail(message, pytrace=False)
    return found


@pytest.fixture
def record(
    outcome: Outcome, family: Family[Any], perf_session: PerfSession, request: pytest.FixtureRequest
) -> Callable[[], dict[str, Any]]:
    """Call it to hand the case's samples and figures to pytest-benchmark; returns the figures (`extra_info`)."""

    def hand_over() -> dict[str, Any]:
        benchmark = request.getfixturevalue("benchmark")
        figures = record_of(outcome, perf_session.machine, perf_session.placements, family.published(outcome.case))
        benchmark.group = outcome.case.workload
        benchmark.extra_info.update(figures)
        clock.replay(benchmark, passes_of(outcome))
        perf_session.records.append(figures)
        return figures

    return hand_over


def reproduction(config: pytest.Config, nodeid: str) -> str:
    """The command that runs one item alone, with the options of this session that change what is measured."""
    return shlex.join(["uv", "run", "pytest", nodeid, *config.stash[OPTIONS].words()])
