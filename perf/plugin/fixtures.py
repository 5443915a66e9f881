"""The fixtures that measured tests use."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import msgspec
import pytest

from perf.checks import CheckResult
from perf.errors import PerfError, UnavailableError
from perf.measure.family import Case, Resources
from perf.measure.outcome import Outcome
from perf.measure.results import Failure
from perf.plugin.collection import why_not_measured
from perf.plugin.hooks import not_run
from perf.plugin.options import OPTIONS
from perf.plugin.session import SESSION, PerfSession
from perf.plugin.setup import SETUP, Setup
from perf.plugin.terminal import CHECKS, reproduction
from perf.profile.text import BY, explanation_lines
from perf.report.console import plain_text
from perf.report.verdicts import verdict_lines
from perf.runs.record import passes_of
from perf.runs.verdict import Verdict, fails

# What to do about a case that this CPU computes wrong by a known defect of the wheel.
OTHER_CPU = "docs/known-defects.md says which CPUs compute it right"
# What the passes of workers are counted in.
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
        """Let `benchmark` record passes of these durations, in nanoseconds, one round each."""
        durations = iter(passes_ns)
        self._now_ns = 0  # small readings keep all the digits of short passes

        def one_pass() -> None:
            self._now_ns += next(durations)

        benchmark.pedantic(one_pass, rounds=len(passes_ns), iterations=1, warmup_rounds=0)


clock = ReplayClock()


@pytest.fixture(scope="session")
def perf_session(pytestconfig: pytest.Config) -> PerfSession:
    """The session that measures, with the outcomes of its cases."""
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
    """The resources of a check of answers: builds, placements, cache and scratch folder."""
    return setup.resources


@pytest.fixture
def answered(request: pytest.FixtureRequest) -> Callable[[CheckResult], None]:
    """Call it with the result of a check of answers: the summary shows it, and a wrong one fails the test."""

    def report(result: CheckResult) -> None:
        request.config.stash[CHECKS].append(result)
        if result.problem:
            alone = f"alone: {reproduction(request.config, request.node.nodeid)}"
            _fail(f"{result.check}, {result.subject}: {result.problem}\n{alone}")
        options = request.config.stash[OPTIONS]
        if result.verdict == "not judged" and options.strict and not options.store_answers:
            _fail(f"{result.check}, {result.subject}, was not judged: {result.observed}")

    return report


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
    """Call it to hand the case's samples and its record (`extra_info`) to pytest-benchmark. It fails the test of a case
    that failed, in a few lines. However it ends, the item's properties say what is known of the case.
    """

    def hand_over() -> None:
        try:
            hand_over_outcome()
        finally:
            request.node.user_properties.extend(perf_session.properties(case))

    def hand_over_outcome() -> None:
        try:
            outcome = perf_session.outcome(case)
        except UnavailableError as error:
            perf_session.refuse(case, f"not run: {error.what}")
            raise not_run(request.config, error) from None
        except PerfError as error:
            _fail(str(error))
        command = reproduction(request.config, request.node.nodeid)
        if outcome.failure is not None:
            if outcome.check.problem and outcome.check.of_cpu:
                what = f"wrong answers on CPUs like this one: {outcome.check.problem.what}"
                perf_session.refuse(case, what)
                raise not_run(request.config, UnavailableError(what, subject=case.id, next_step=OTHER_CPU)) from None
            if outcome.check.problem:
                perf_session.refuse(case, f"wrong answers: {outcome.check.problem.what}")
            _fail(_failure_text(outcome.case, outcome.failure, command))
        # Requested only now: pytest-benchmark warns about a fixture that a failed test never used.
        benchmark = request.getfixturevalue("benchmark")
        case_record, verdict = perf_session.judged(outcome)
        benchmark.group = case.workload
        benchmark.extra_info.update(msgspec.to_builtins(case_record))
        clock.replay(benchmark, passes_of(outcome))
        if case.variant != case_record.reference and case_record.ratio is None:
            _fail(f"{case.id} has no speedup: {case_record.reference} failed")
        _fail_as_judged(outcome, verdict, perf_session, request.node.nodeid, command)

    return hand_over


def _fail_as_judged(outcome: Outcome, verdict: Verdict | None, session: PerfSession, item: str, command: str) -> None:
    """Fail the test because of its verdict and, with --perf-strict, because its answers were not judged. The verdict of
    a case in a shard fails nothing: the merged run is judged as a whole.
    """
    options = session.setup.options
    if outcome.check.unjudged and options.strict:
        reason = f"{outcome.case.id}: its answers were not judged: {outcome.check.unjudged}"
        _fail(f"{reason}\nalone: {command}")
    judged_here = not options.advisory and options.shard is None
    if verdict is not None and judged_here and fails(verdict.kind, strict=options.strict):
        session.contested.add(item)
        lines = verdict_lines(verdict, session.judge, command)
        if explanation := session.explanations.get(outcome.case.id):
            lines[-1:-1] = [f"  {BY[explanation.unit]}: {line}" for line in explanation_lines(explanation)]
        _fail("\n".join(lines))


def _fail(text: str) -> NoReturn:
    # From None: otherwise pytest prints the message of an error twice, as the cause and as its consequence.
    raise pytest.fail.Exception(plain_text(text), pytrace=False) from None


def _failure_text(case: Case, failure: Failure, command: str) -> str:
    lines = [f"{case.workload} {case.variant}: {failure.what}"]
    if failure.last_lines:
        lines += ["last lines of the worker:", failure.last_lines]
    return "\n".join([*lines, f"alone: {command}"])
