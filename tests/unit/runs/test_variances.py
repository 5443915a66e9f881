"""The variances between sessions: estimated from at least three stored runs of the same stacks, else assumed."""

import math
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import digamma

from perf.judge.judgement import Tolerance
from perf.judge.variance_prior import MAX_DEGREES, VariancePrior, fit_common, variance_of
from perf.runs.schema import StoredRun
from perf.runs.tolerances import AssumedDeviations, Tolerances
from perf.runs.variances import LEAST_RUNS, MOST_OF_ASSUMED, SessionVariances, session_variances
from tests.support.factories import CASE, LOG_SPEEDUPS, as_run, benchmark, document, sample, stack

DEFAULT = VariancePrior(0.025**2, 6)
WORKLOADS = tuple(f"net{number}-b1" for number in range(40))
KEY = (CASE, "native-fp32")


def assuming(sd: float, degrees: float, **families: AssumedDeviations) -> Tolerances:
    """Return tolerances that assume this standard deviation between sessions."""
    default = AssumedDeviations(invocations=0.03, side_by_side=0.01, sessions=sd, degrees=degrees)
    return Tolerances(Tolerance(0.01, 0.05), Tolerance(0.25, 0.5), {"default": default, **families})


def known_from(runs: Sequence[StoredRun], tolerances: Tolerances | None = None) -> SessionVariances:
    return session_variances(runs, {"cnn"}, tolerances or assuming(0.025, 6))


def run_of(*moved_by: float, over: dict[str, Any] | None = None, family: str = "cnn", **fields: Any) -> StoredRun:
    """Return a stored run with a case for each number, by which its log speedups change; `fields` change its stack."""
    entries = [
        benchmark(
            workload,
            family=family,
            stack=stack(**fields),
            samples={"native-fp32": sample([value + by for value in LOG_SPEEDUPS], **(over or {}))},
        )
        for workload, by in zip(("resnet50_v1-b1", *WORKLOADS), moved_by, strict=False)
    ]
    return as_run(document(*entries))


def varied(sd: float, count: int, cases: int = 40, family: str = "cnn") -> list[StoredRun]:
    """Return stored runs whose sessions change every case by its own normally distributed amount."""
    draw = random.Random(1)
    return [run_of(*(draw.gauss(0, sd) for _ in range(cases)), family=family) for _ in range(count)]


@given(st.integers(0, LEAST_RUNS - 1), st.floats(0, 1))
def test_fewer_than_three_runs_leave_the_default(count: int, sd: float) -> None:
    known = known_from(varied(sd, count, cases=2))
    assert (dict(known.speedups), known.runs) == ({}, 0)
    for prior in (known.priors["cnn"], known.of("cnn", *KEY)):
        assert prior.variance == pytest.approx(DEFAULT.variance)
        assert prior.degrees == DEFAULT.degrees


def test_noisy_sessions_widen_the_default_and_quiet_ones_narrow_it() -> None:
    noisy, quiet = (known_from(varied(sd, 4)) for sd in (0.10, 0.002))
    assert quiet.priors["cnn"].variance < DEFAULT.variance < noisy.priors["cnn"].variance
    assert noisy.priors["cnn"].degrees == quiet.priors["cnn"].degrees == MAX_DEGREES
    assert noisy.runs == quiet.runs == 4


def test_the_variance_of_the_sessions_is_weighted_with_the_default() -> None:
    """These ratios vary equally. Taken for different ones, their common variance is smaller: more of them vary more."""
    known = known_from(varied(0.04, 12))
    alone = fit_common([variance_of(values) for values in known.speedups.values()], alike=6)
    assert alone.variance == pytest.approx(0.04**2 * math.exp(digamma(3)) / 3, rel=0.2)
    weighed = (6 * DEFAULT.variance + MAX_DEGREES * alone.variance) / (6 + MAX_DEGREES)
    assert known.priors["cnn"].variance == pytest.approx(weighed)


def test_few_sessions_do_not_show_that_ratios_are_alike() -> None:
    """The family's variance is well known, that of a single ratio only from the assumption and its own sessions."""
    known = known_from(varied(0.02, 3, cases=8))
    assert known.priors["cnn"].degrees == MAX_DEGREES
    assert known.of("cnn", *KEY).degrees == 6 + 2


def test_no_sessions_show_more_than_twice_the_default() -> None:
    known = known_from(varied(0.3, 12))
    assert known.priors["cnn"].variance == pytest.approx(DEFAULT.variance * MOST_OF_ASSUMED**2)
    (key, _), *_ = known.speedups.items()
    assert known.of("cnn", *key).variance <= DEFAULT.variance * MOST_OF_ASSUMED**2


@given(st.floats(0, 0.001), st.integers(LEAST_RUNS, 6))
def test_quiet_sessions_never_rule_out_the_default(sd: float, count: int) -> None:
    prior = known_from(varied(sd, count, cases=8)).priors["cnn"]
    assert prior.variance >= DEFAULT.variance * 6 / (6 + MAX_DEGREES)


def test_sessions_of_one_family_do_not_affect_another() -> None:
    tolerances = assuming(0.025, 6, dist=AssumedDeviations(0.1, 0.2, 0.06, 4))
    cnn, rnn = varied(0.10, 4), varied(0.002, 4, family="rnn")
    both = [as_run(document_of(a, b)) for a, b in zip(cnn, rnn, strict=True)]
    known = session_variances(both, {"cnn", "rnn", "dist"}, tolerances)
    assert known.priors["cnn"].variance == pytest.approx(known_from(cnn).priors["cnn"].variance)
    assert known.priors["rnn"].variance < DEFAULT.variance < known.priors["cnn"].variance
    assert known.priors["dist"].variance == pytest.approx(0.06**2)
    assert set(known.priors) == {"cnn", "rnn", "dist"}


def document_of(cnn: StoredRun, rnn: StoredRun) -> dict[str, Any]:
    """Return one run with the cases of both, those of the second under other names."""
    entries = [msgspec.to_builtins(benchmark) for run in (cnn, rnn) for benchmark in run.benchmarks]
    for entry in entries[len(cnn.benchmarks) :]:
        entry["extra_info"]["workload"] = "rnn-" + entry["extra_info"]["workload"]
    return document(*entries)


@pytest.mark.parametrize(
    "different",
    [{"threads": 1}, {"wheel": "d" * 64}, {"over": {"wheel": "d" * 64}}],
    ids=str,
)
def test_runs_of_another_stack_than_the_last_ones_are_ignored(different: dict[str, Any]) -> None:
    same = varied(0.01, 3, cases=8)
    known = known_from([run_of(*[0.9] * 8, **different), *same])
    assert known.speedups == known_from(same).speedups
    assert known.priors == known_from(same).priors
    assert known.runs == len(same)


@pytest.mark.parametrize("different", [{"measuring": "ba9876543210"}, {"over": {"measuring": "ba9876543210"}}], ids=str)
def test_runs_by_other_measuring_code_count(different: dict[str, Any]) -> None:
    known = known_from([run_of(*[0.9] * 8, **different), *varied(0.01, 3, cases=8)])
    assert known.runs == len(known.speedups[KEY]) == 4


def test_the_last_run_decides_which_stack_counts() -> None:
    known = known_from([*varied(0.01, 5, cases=8), run_of(*[0.9] * 8, threads=1)])
    assert (dict(known.speedups), known.runs, known.priors["cnn"].degrees) == ({}, 0, DEFAULT.degrees)
    assert known.priors["cnn"].variance == pytest.approx(DEFAULT.variance)


def test_another_requirement_for_the_same_wheel_is_the_same_stack() -> None:
    renamed = [run_of(0, 0, requirement="./mxnet_mkl-1.5.0.whl"), run_of(0.01, 0.01), run_of(0.02, 0.03)]
    assert len(known_from(renamed).speedups[KEY]) == 3


def test_sessions_that_were_entirely_disturbed_do_not_count() -> None:
    empty = as_run(document(benchmark(samples={"native-fp32": sample([])})))
    runs = [empty, *varied(0.01, 3, cases=2)]
    assert len(known_from(runs).speedups[KEY]) == 3
    assert KEY not in known_from(runs[:3]).speedups


def test_each_session_counts_with_the_speedup_that_is_judged() -> None:
    known = known_from([run_of(by, 0.0) for by in (0.0, 0.02, -0.01)])
    assert known.speedups[KEY] == pytest.approx([1.61, 1.63, 1.60])


def test_the_sessions_of_a_ratio_are_pooled_with_those_of_its_family() -> None:
    known = SessionVariances({"cnn": DEFAULT, "rnn": VariancePrior(1.0, 4)}, {KEY: [0.0, 0.2, -0.2]}, 3)
    own = known.of("cnn", *KEY)
    assert own.variance == pytest.approx((6 * DEFAULT.variance + 0.08) / 8)
    assert own.degrees == 8
    assert known.of("cnn", CASE, "mkl-fp32").variance == pytest.approx(DEFAULT.variance)


@given(st.lists(st.floats(-1, 1), max_size=40), st.floats(0.5, 10))
def test_no_history_counts_for_more_than_the_most_degrees_of_freedom(speedups: list[float], degrees: float) -> None:
    own = SessionVariances({"cnn": VariancePrior(1e-4, degrees)}, {KEY: speedups}, 3).of("cnn", *KEY)
    assert degrees <= own.degrees <= MAX_DEGREES
    assert own.variance >= 0
