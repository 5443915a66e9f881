"""What is the same for all cases of a session: what is stored with its run, and what a resumed session must share."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from perf.builds import Build
from perf.machine import Machine, Placement, State, findings, read_host_id, settings
from perf.measure.family import Case
from perf.measure.plan import Effort
from perf.plugin.options import Options
from perf.runs.document import CONTROL, SCHEMA, Context, Wheel


def context_of(
    options: Options, machine: Machine, placements: Sequence[Placement], builds: Mapping[str, Build], state: State
) -> Context:
    """The `perf` part of the session's run, before anything was measured; `state` is the machine's at that time."""
    wheels = {role: Wheel(build.requirement, build.record_sha256) for role, build in builds.items()}
    return Context(
        schema=SCHEMA,
        machine_class=machine.machine_class,
        host_id=read_host_id(),
        comparable={
            **({CONTROL: str(wheels["native"])} if "native" in wheels else {}),
            "instances": len(placements),
            "threads": placements[0].threads,
            "pretrained": options.pretrained or options.weights is not None,
            "calibration": options.calibration,
            **({"blas_kernels": options.blas_kernels} if options.blas_kernels else {}),
            **({"ranks": options.ranks} if options.ranks else {}),
            **({"mpi": str(options.mpi)} if options.mpi else {}),
            **({"hosts": options.hosts.read_text()} if options.hosts else {}),
        },
        settings=settings(state),
        wheels=wheels,
        left_out={},
        injected=dict(options.injected),
        complete=False,
    )


def journal_conditions(context: Context, selected: Sequence[Case], effort: Effort) -> dict[str, Any]:
    """What two parts of one session must agree in: the machine, the builds, the cases and how they are measured."""
    names = sorted(case.id for case in selected)
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return {
        "host": context.host_id,
        "machine class": context.machine_class,
        "cases": f"{len(names)} ({digest[:8]})",
        **{f"wheel of {role}": str(wheel) for role, wheel in context.wheels.items()},
        **context.comparable,
        "injected": context.injected,
        "effort": asdict(effort),
    }


def state_report(before: State, after: State) -> dict[str, Any]:
    """What the machine's state was before and after, and what is doubtful of it, as plain JSON values."""
    doubtful = [finding for finding in findings(before, after) if finding.verdict != "fine"]
    return {
        "before": dict(before.values),
        "after": dict(after.values),
        "findings": [msgspec.to_builtins(finding) for finding in doubtful],
    }
