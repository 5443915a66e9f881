"""What a resumed session tells of the invocations that it takes up, and of those that it drops."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from perf.measure.engine import Conditions
from perf.measure.journal import InvocationLine, Journal
from perf.measure.plan import Operator, Plan, Variant, Workload
from perf.measure.results import Invocation
from perf.measure.resuming import resumed
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


def keep(begun: Conditions, measured: Plan[Any], workload: int) -> None:
    begun.journal.record(
        InvocationLine(
            key=measured.key_of(measured.workloads[workload]),
            confirming=None,
            stacks=stacks_of(measured, PLACEMENTS),
            invocation=Invocation((), {}, {}),
            failures={},
        )
    )


def test_of_how_many_needed_how_many_are_taken_and_why_others_are_not(tmp_path: Path) -> None:
    begun = conditions(tmp_path)
    assert list(resumed([plan()], begun)) == [], "a new session resumes nothing"
    for workload in (0, 0, 0, 0, 1):
        keep(begun, plan(), workload)
    keep(begun, plan({"OMP_WAIT_POLICY": "passive"}), 1)
    begun.journal.close()
    again = conditions(tmp_path)
    taken, dropped = resumed([plan()], again)
    assert taken == f"5 of 7 invocations taken from the session of {again.journal.resumed}"
    assert dropped == (
        "net-b4: 1 earlier invocation is dropped: "
        "native ran another stack: variables OMP_WAIT_POLICY: passive -> not set"
    )
    again.journal.close()
