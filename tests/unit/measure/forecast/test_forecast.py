"""The first estimate of the remaining time, against sessions that were measured on class intel-xeon-6.207-2c-1n-amx.

sessions.json holds of each session its tier, the seconds from its first check to its end, the latencies of the run that
it was compared with, how many checks of answers followed, and the wall time of each invocation by workload.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.dist.data import load
from perf.dist.family import _effort
from perf.measure.forecast import ITEM_S, Forecast, check_s, confirming_s, invocation_s, invocations
from perf.measure.plan import Operator, Plan, Variant, Workload, WorkloadKey
from perf.measure.stacks import OF_BASELINE
from perf.measure.tiers import effort_of
from tests.support.fakes import build

SESSIONS = json.loads(Path(__file__).with_name("sessions.json").read_text())
QUICK, THREADS = effort_of("quick"), 2
# The largest error that a first estimate may have, as a factor.
FACTOR = 2.0


class Job(Operator):
    """Stands in for what ranks run."""

    distributed = True


def plans_of(session: Mapping[str, Any]) -> list[Plan[Any]]:
    """Return the plans that a session measured."""
    plans: dict[str, Plan[Any]] = {}
    for entry in session["workloads"]:
        training = entry["family"] == "dist"
        program = (Job if training else Operator)("relu", {}, ("data",))
        variants = tuple(
            Variant(name, build(), program, baseline_arm_of=name.removesuffix(OF_BASELINE) if "@" in name else None)
            for name in entry["variants"]
        )
        effort = load().efforts[session["tier"]] if training else None
        workload = Workload(entry["workload"], {}, 1, entry["weight"])
        plan = Plan(
            entry["subject"],
            variants,
            (workload,),
            entry["variants"][0],
            effort=_effort(session["tier"], effort, effort.invocations) if effort else None,
            family=entry["family"],
        )
        earlier = plans.setdefault(plan.subject, replace(plan, workloads=()))
        plans[plan.subject] = replace(earlier, workloads=(*earlier.workloads, workload))
    return list(plans.values())


def first_estimate_s(session: Mapping[str, Any], latencies: Mapping[str, float]) -> float:
    """Return the estimate that a session shows first: while it checks the answers of its first subject."""
    plans, effort = plans_of(session), effort_of(session["tier"])
    screening_s = Forecast(plans, effort, latencies, THREADS).whole_s
    checks_s = sum(check_s(plan, avx512=True) for plan in plans) + float(session["checks"]) * ITEM_S
    return checks_s + screening_s + confirming_s(plans, effort)


def elapsed(session: Mapping[str, Any]) -> dict[WorkloadKey, list[float]]:
    return {WorkloadKey(w["family"], w["subject"], w["workload"]): w["elapsed_s"] for w in session["workloads"]}


def test_checks_of_int8_take_longer_without_avx512() -> None:
    plans = [plan for session in SESSIONS for plan in plans_of(session)]
    longer = [plan for plan in plans if check_s(plan, avx512=False) > check_s(plan, avx512=True)]
    assert longer
    assert longer == [plan for plan in plans if any("int8" in variant.name for variant in plan.variants)]


IDS = [session["name"] for session in SESSIONS]


@pytest.mark.parametrize("known", [True, False], ids=["with a stored run", "without"])
@pytest.mark.parametrize("session", SESSIONS, ids=IDS)
def test_the_first_estimate_is_within_a_factor_of_two(session: dict[str, Any], *, known: bool) -> None:
    estimate_s = first_estimate_s(session, session["latencies"] if known else {})
    assert session["session_s"] / FACTOR <= estimate_s <= session["session_s"] * FACTOR


@pytest.mark.parametrize("session", SESSIONS, ids=IDS)
def test_what_was_measured_corrects_what_is_left(session: dict[str, Any]) -> None:
    """After the first invocation of each workload the rest of screening is known, but for how soon it is precise."""
    forecast = Forecast(plans_of(session), effort_of(session["tier"]), {}, THREADS)
    first = {key: seconds[:1] for key, seconds in elapsed(session).items()}
    left_s = sum(sum(seconds[1:]) for seconds in elapsed(session).values())
    if left_s:
        assert left_s / 1.6 <= forecast.left_s(first, set(first)) <= left_s * 1.6
    assert forecast.left_s(elapsed(session), set()) == 0


def plan(*latencies: str, weight: float = 0.0, arms: bool = False) -> Plan[Any]:
    names = [*latencies, *(f"{latencies[-1]}{OF_BASELINE}" for _ in range(arms))]
    variants = tuple(
        Variant(n, build(), Operator("relu", {}, ("data",)), baseline_arm_of=latencies[-1] if "@" in n else None)
        for n in names
    )
    return Plan("net", variants, (Workload("net-b1", {}, 1, weight),), names[0], family="made")


def each_s(of: Plan[Any], latencies: Mapping[str, float]) -> float:
    return invocation_s(of, of.workloads[0], QUICK, latencies, THREADS)


def test_slow_passes_take_the_least_number_of_blocks_and_quick_ones_the_budget() -> None:
    slow = each_s(plan("a", "b"), {"net-b1-a": 20.0, "net-b1-b": 5.0})
    assert slow == pytest.approx(QUICK.min_blocks * 25 + 25, abs=2)
    quick = each_s(plan("a", "b"), {"net-b1-a": 0.01, "net-b1-b": 0.001})
    assert quick == pytest.approx(QUICK.block_budget_s, abs=1.2)


def test_a_large_batch_without_a_stored_run_is_not_taken_for_a_small_one() -> None:
    assert each_s(plan("a", "b", weight=1500.0), {}) > 100


def test_a_baseline_arm_takes_time_and_may_need_confirmations() -> None:
    known = {"net-b1-a": 0.01, "net-b1-b": 0.01}
    assert each_s(plan("a", "b", arms=True), known) > each_s(plan("a", "b"), known) + 1
    assert confirming_s([plan("a", "b")], QUICK) == 0
    assert 0 < confirming_s([plan("a", "b", arms=True)], QUICK) < QUICK.confirm_budget_s / 10
    assert confirming_s([plan("a", "b", arms=True)] * 100, QUICK) == QUICK.confirm_budget_s


@given(st.floats(1e-3, 1e4))
def test_the_number_of_invocations_lies_between_the_tiers_limits(seconds: float) -> None:
    assert QUICK.min_invocations <= invocations(QUICK, seconds) <= QUICK.max_invocations


@given(st.dictionaries(st.sampled_from(["net-b1-a", "net-b1-b"]), st.floats(1e-6, 1e3)), st.floats(0, 1e4))
def test_every_forecast_is_a_positive_time(latencies: dict[str, float], weight: float) -> None:
    assert 0 < each_s(plan("a", "b", weight=weight), latencies) < 1e6
