"""The fixtures that measured tests use."""

import shlex
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from perf.checks import CheckResult
from perf.errors import PerfError, UnavailableError
from perf.measure.family import Case, Resources
from perf.measure.outcome import Outcome
from perf.measure.results import Failure
from perf.plugin.hooks import ANSWERS, OPTIONS, SESSION, SETUP, STORAGE, not_run, why_not_measured
from perf.plugin.session import PerfSession
from perf.plugin.setup import Setup
from perf.report.verdicts import verdict_lines
from perf.runs.record import passes_of
from perf.runs.verdict import Verdict, fails

NS_PER_S = 1e9


class ReplayClock:
    """A timer for `@pytest.mark.benchmark(timer=clock)` that shows, in seconds, the sum of the passes replayed so far.

    pytest-benchmark reads it before and after each call of the target, so every round is one measured pass, exact to
    float rounding.
    """

    def __init__(self) -> None:
        self._now_ns = 0

    def __call__(self) -> float:
        return self._now_ns / NS_PER_S

    def replay(self, benchmark: Any, passes_ns: Sequence[int]) -> None:
        """Let `benchmark` record the given pass durations (ns), one round each."""
        durations = iter(passes_ns)
        self._now_ns = 0  # small readings keep all the digits of short passes

        def one_pass() -> None:
            self._now_ns += next(durations)

        benchmark.pedantic(one_pass, rounds=len(passes_ns), iterations=1, warmup_rounds=0)


clock = ReplayClock()


@pytest.fixture(scope="session")
def perf_session(pytestconfig: pytest.Config) -> PerfSession:
    """The machine, the builds and what has been measured with them."""
    reason = why_not_measured(pytestconfig)
    if reason:
        pytest.skip(reason)
    return pytestconfig.stash[SESSION]


@pytest.fixture(scope="session")
def setup(pytestconfig: pytest.Config) -> Setup:
    """The machine, the builds and where they run."""
    return pytestconfig.stash[SETUP]


@pytest.fixture(scope="session")
def resources(setup: Setup) -> Resources:
    """What a check of answers may use: builds, placements, cache and scratch folder."""
    return setup.resources


@pytest.fixture
def answered(request: pytest.FixtureRequest) -> Callable[[CheckResult], None]:
    """Call it with what a check of answers found: the summary shows it, and what is wrong fails the test."""

    def tell(answer: CheckResult) -> None:
        request.config.stash[ANSWERS].append(answer)
        if answer.problem:
            alone = f"alone: {reproduction(request.config, request.node.nodeid)}"
            pytest.fail(f"{answer.check}, {answer.subject}: {answer.problem}\n{alone}", pytrace=False)
        options = request.config.stash[OPTIONS]
        if answer.verdict == "not judged" and options.strict and not options.store_answers:
            pytest.fail(f"{answer.check}, {answer.subject}, was not judged: {answer.found}", pytrace=False)

    return tell


@pytest.fixture(scope="session")
def numactl(setup: Setup) -> tuple[tuple[str, ...], ...]:
    """The launch prefix of each instance, such as ("numactl", "--cpunodebind=0", ...); empty prefixes where a one-node
    machine has no numactl and workers set their own affinity.
    """
    return tuple(placement.prefix for placement in setup.placements)


@pytest.fixture
def record(
    case: Case,
    perf_session: PerfSession,
    numactl: tuple[tuple[str, ...], ...],  # noqa: ARG001 - where every measured item runs
    request: pytest.FixtureRequest,
) -> Callable[[], None]:
    """Call it to hand the case's samples and its record (`extra_info`) to pytest-benchmark. What failed fails the test,
    in a few lines.
    """

    def hand_over() -> None:
        try:
            outcome = perf_session.outcome(case)
        except UnavailableError as error:
            perf_session.refuse(case, f"not run: {error.what}")
            raise not_run(request.config, error) from None
        except PerfError as error:
            # From None: otherwise pytest tells the same twice, as the cause and as its consequence.
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        command = reproduction(request.config, request.node.nodeid)
        if outcome.failure is not None:
            if outcome.check.problem:
                perf_session.refuse(case, f"wrong answers: {outcome.check.problem.what}")
            pytest.fail(_told(outcome.case, outcome.failure, command), pytrace=False)
        # Asked for only now: pytest-benchmark warns of a fixture that a failed test never used.
        benchmark = request.getfixturevalue("benchmark")
        found, verdict = perf_session.judged(outcome)
        benchmark.group = case.workload
        benchmark.extra_info.update(msgspec.to_builtins(found))
        clock.replay(benchmark, passes_of(outcome))
        if case.variant != found.reference and found.ratio is None:
            pytest.fail(f"{case.id} has no speedup: {found.reference} failed", pytrace=False)
        _fail_as_judged(outcome, verdict, perf_session, request.node.nodeid, command)

    return hand_over


def _fail_as_judged(outcome: Outcome, verdict: Verdict | None, session: PerfSession, item: str, command: str) -> None:
    """Fail the test for its verdict, and, with --perf-strict, for answers that were not judged."""
    options = session.setup.options
    if outcome.check.unjudged and options.strict:
        reason = f"{outcome.case.id}: its answers were not judged: {outcome.check.unjudged}"
        pytest.fail(f"{reason}\nalone: {command}", pytrace=False)
    if verdict is not None and not options.advisory and fails(verdict.kind, strict=options.strict):
        session.contested.add(item)
        pytest.fail("\n".join(verdict_lines(verdict, session.judge, command)), pytrace=False)


def _told(case: Case, failure: Failure, command: str) -> str:
    lines = [f"{case.workload} {case.variant}: {failure.what}"]
    if failure.last_words:
        lines += ["last words of the worker:", failure.last_words]
    return "\n".join([*lines, f"alone: {command}"])


def reproduction(config: pytest.Config, nodeid: str) -> str:
    """The command that runs one item alone, with the options given here that change what is measured or judged."""
    words = [*config.stash[OPTIONS].words(), *config.stash[STORAGE].words]
    return shlex.join(["uv", "run", "pytest", nodeid, *words])
