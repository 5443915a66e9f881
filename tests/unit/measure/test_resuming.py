"""What a resumed session reports of the invocations that it reuses and drops."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from perf.measure.cases import reuse_of
from perf.measure.engine import Conditions
from perf.measure.journal import InvocationLine, Journal
from perf.measure.plan import Operator, Plan, Variant, Workload
from perf.measure.results import Invocation
from perf.measure.stacks import stacks_of
from perf.measure.tiers import effort_of
from tests.support.fakes import PLACEMENTS, build

EFFORT = replace(effort_of("smoke"), min_invocations=3, max_invocations=9)
VARIANT = Variant("native", build(), Operator("relu", {}, ("data",)))


def plan(variables: dict[str, str] | None = None) -> Plan[Any]:
    variant = replace(VARIANT, build=build(variables=variables))
    workloads = tuple(Workload(name, {}, 1, 1.0) for name in ("net-b1", "net-b4"))
    return Plan("net", (variant,), workloads, "native", family="made")


def conditions(folder: Path) -> Conditions:
    return Conditions(
        placements=PLACEMENTS, effort=EFFORT, timeout_s=1, scratch=folder, journal=Journal(folder / "journal", {})
    )


def record(begun: Conditions, measured: Plan[Any], workload: int) -> None:
    begun.journal.record(
        InvocationLine(
            key=measured.key_of(measured.workloads[workload]),
            confirming=None,
            stacks=stacks_of(measured, PLACEMENTS),
            invocation=Invocation((), {}, {}),
            failures={},
        )
    )


def test_reused_and_dropped_invocations_are_reported(tmp_path: Path) -> None:
    begun = conditions(tmp_path)
    assert list(reuse_of([plan()], begun)) == [], "a new session resumes nothing"
    for workload in (0, 0, 0, 0, 1):
        record(begun, plan(), workload)
    record(begun, plan({"OMP_WAIT_POLICY": "passive"}), 1)
    begun.journal.close()
    continued = conditions(tmp_path)
    reused, dropped = reuse_of([plan()], continued)
    assert reused == f"Reusing 5 of 7 invocations from the session of {continued.journal.resumed}"
    assert dropped == (
        "net-b4: dropped 1 earlier invocation: "
        "native ran a different stack: variables OMP_WAIT_POLICY: passive -> not set"
    )
    continued.journal.close()
