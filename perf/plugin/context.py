"""What is the same for all cases of a session: what its run stores, and what a resumed session must share."""

import calendar
import hashlib
import os
import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from perf.builds import Build
from perf.cache import unusable
from perf.machine import Machine, State, findings, read_host_id, settings
from perf.measure.family import Case
from perf.measure.journal import Journal, NotResumableError, resume_journal
from perf.measure.stacks import deciding_code, measuring_code
from perf.measure.tiers import Effort
from perf.plugin.options import Options
from perf.plugin.storage import forget_old_sessions
from perf.runs.judges import Judge
from perf.runs.schema import SCHEMA, RunContext, Shard, StoredRun
from perf.runs.tolerances import ToleranceEntry

# The start of a session in the name of its folder, in UTC.
STAMP = "%Y%m%dT%H%M%S"
SESSION_NAME = re.compile(r"(\d{8}T\d{6})Z-\d+")


def context_of(
    options: Options,
    machine: Machine,
    state: State,
    tolerances: Mapping[str, ToleranceEntry],
    shard: Shard | None,
    arguments: tuple[str, ...],
) -> RunContext:
    """Return the `perf` part of the session's run before anything is measured; `state` is the machine's state then,
    `tolerances` are those that items are marked with, and `arguments` the options that reproduce a case.
    """
    return RunContext(
        schema=SCHEMA,
        machine_class=machine.machine_class,
        host_id=read_host_id(),
        settings={**settings(state), "cpu": machine.cpu_version},
        left_out={},
        injected=dict(options.injected),
        complete=False,
        tolerances=dict(tolerances),
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


def compared_with(judge: Judge) -> str | None:
    """Return what identifies the stored run that a session is judged by; None without one."""
    return f"{judge.name}, {judge.baseline.datetime}" if judge.baseline else None


def open_journal(runs: Path, conditions: Mapping[str, Any], options: Options) -> Journal:
    """Return the journal of the unfinished session or, unless the user insists on one, that of a new session. The name
    of a session is among the conditions.

    Raises PerfError when there is nothing to resume, or the journal cannot be written.
    """
    with suppress(NotResumableError) if options.session and not options.resume else nullcontext():
        if options.resume or options.session:
            return resume_journal(runs, conditions)
    try:
        runs.mkdir(exist_ok=True)
        forget_old_sessions(runs)
        return Journal(
            runs / session_name((path.name for path in runs.iterdir()), time.time(), os.getpid()), conditions
        )
    except OSError as error:
        raise unusable(runs, error) from error


def session_name(earlier: Iterable[str], now_s: float, process: int) -> str:
    """Return the name of a new session's folder: when it began (`now_s`, seconds since 1970) and its `process`.

    The newest session is the last one by name, whatever happens to the clock: where it was set back, the session is
    named as if it had begun a second after the newest of the `earlier` ones.
    """
    began = time.strftime(STAMP, time.gmtime(now_s))
    newest = max((match[1] for name in earlier if (match := SESSION_NAME.fullmatch(name))), default="")
    if newest >= began:
        with suppress(ValueError):  # no date: not a session's folder
            began = time.strftime(STAMP, time.gmtime(calendar.timegm(time.strptime(newest, STAMP)) + 1))
    return f"{began}Z-{process}"


def deselected_of(
    baseline: StoredRun | None, options: Options, collected: Sequence[Case], selected: Collection[str]
) -> tuple[str, ...]:
    """Return the baseline's cases that a command does not ask for: those that it collected and did not select, as with
    -k; all of a family that it did not collect; and all that it did not collect where it names networks or sizes.
    `selected` holds the names of the cases that are measured, in other shards too.
    """
    families, known = {case.family.name for case in collected}, {case.id for case in collected}
    named = any((options.models, options.symbols, options.batches, options.cells, options.shapes, options.layers))
    lacking = {name: case for name, case in baseline.cases.items() if name not in selected} if baseline else {}
    return tuple(name for name, case in lacking.items() if named or name in known or case.family not in families)
