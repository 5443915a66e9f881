"""What is the same for all cases of a session: what its run stores, and what a resumed session must share."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from perf.builds import Build
from perf.machine import Machine, State, findings, read_host_id, settings
from perf.measure.family import Case
from perf.measure.stacks import deciding_code, measuring_code
from perf.measure.tiers import Effort
from perf.plugin.options import Options
from perf.runs.schema import SCHEMA, RunContext, Shard


def context_of(
    options: Options, machine: Machine, state: State, shard: Shard | None, arguments: tuple[str, ...]
) -> RunContext:
    """Return the `perf` part of the session's run before anything is measured; `state` is the machine's state then, and
    `arguments` are the options that reproduce a case.
    """
    return RunContext(
        schema=SCHEMA,
        machine_class=machine.machine_class,
        host_id=read_host_id(),
        settings={**settings(state), "cpu": machine.cpu_version},
        left_out={},
        injected=dict(options.injected),
        complete=False,
        shard=shard,
        arguments=arguments,
        tier=options.tier,
    )


def journal_conditions(
    context: RunContext,
    options: Options,
    builds: Mapping[str, Build],
    selected: Sequence[Case],
    effort: Effort,
    baseline: str | None,
) -> dict[str, Any]:
    """Return what two parts of one session must agree in: the machine and its settings, the builds, the cases, the
    code, the options, the effort, and the `baseline` whose stacks may run side by side, None without one.

    What each variant runs is compared for each invocation (perf.measure.journal).
    """
    names = sorted(case.id for case in selected)
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return {
        "host": context.host_id,
        "machine class": context.machine_class,
        **{f"setting {name}": value for name, value in context.settings.items()},
        "cases": f"{len(names)} ({digest[:8]})",
        **{f"build {role}": f"{b.requirement} ({b.content_sha256[:12]})" for role, b in builds.items()},
        **{f"variables of {role}": dict(b.variables) for role, b in builds.items()},
        **options.conditions(),
        "baseline": baseline,
        "measuring": measuring_code(),
        "code": deciding_code(),
        "effort": asdict(effort),
    }


def state_report(before: State, after: State) -> dict[str, Any]:
    """Return the machine's state before and after, and what is doubtful about it, as plain JSON values."""
    doubtful = [finding for finding in findings(before, after) if finding.verdict != "fine"]
    return {
        "before": dict(before.values),
        "after": dict(after.values),
        "findings": [msgspec.to_builtins(finding) for finding in doubtful],
    }
