"""Build a baseline from several sessions of one machine class: for each case, the session in the middle.

Each case of the result is what one session measured, so every stored figure can be traced to its file. The log speedups
of all sessions stand beside it. docs/explanation/gate.md says why this keeps the gate's error rates.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec

from perf.errors import PerfError
from perf.files import decoded, read_bytes
from perf.judge.statistics import median
from perf.runs.acceptance import REFUSED, sound
from perf.runs.baseline import is_copy
from perf.runs.refreshing.records import SourceSession
from perf.runs.schema import SideBySide, StoredCase, StoredRun, case_of_item, ended_at, read_run
from perf.stack import build_changes, differences
from perf.wording import counted

# With two sessions, none is in the middle.
LEAST_SESSIONS = 3
# Distances of log speedups that differ by less are equal: speedups are stored with six digits.
DIGITS = 9
# What to do about sessions that do not belong together.
STEP = "name sessions that measured the same stacks on machines of one class, with the same settings"


@dataclass(frozen=True)
class Session:
    """A session that a baseline is built from: the `path` of its file, the `sha256` of the file's content, the
    `document` without what must not be stored, and the same as a `run`.
    """

    path: Path
    sha256: str
    document: Mapping[str, Any]
    run: StoredRun

    @property
    def entries(self) -> dict[str, Any]:
        """The entries of `benchmarks` by case name."""
        names = [benchmark.extra_info.name for benchmark in self.run.benchmarks]
        return dict(zip(names, self.document["benchmarks"], strict=True))


def read_session(path: Path) -> Session:
    """Return the session in a file. Raises PerfError, naming the file, when it is not a stored run, is unfinished, was
    slowed down on purpose, or has no sound case.
    """
    read_run(path)
    content = read_bytes(path)
    document = sound(decoded(content, dict, path), path)
    return Session(path, hashlib.sha256(content).hexdigest(), document, msgspec.convert(document, StoredRun))


def combined(sessions: Sequence[Session]) -> dict[str, Any]:
    """Return the run that is built from sessions, as pytest-benchmark's JSON.

    Each case comes from the session whose log speedups are nearest to the median of all sessions, the newest one of
    equals; a case without a speedup goes by its latency. A case that a session lacks is left out. Side-by-side
    measurements of all sessions count, if they were measured against the same stack. Everything that is not about one
    case comes from the newest session.

    Raises PerfError when there are fewer than `LEAST_SESSIONS`, when one is named twice, or when they differ in the
    machine class, the tier, the machine's settings, the tolerances of the marker perf or a stack.
    """
    ordered = sorted(sessions, key=lambda session: ended_at(session.run.datetime))
    _check_together(ordered)
    newest = ordered[-1]
    taken: dict[Path, list[str]] = {session.path: [] for session in ordered}
    entries, left_out = [], dict(newest.document["perf"]["left_out"])
    for name, entry in {name: entry for session in ordered for name, entry in session.entries.items()}.items():
        lacking = [session.path.name for session in ordered if name not in session.entries]
        if lacking:
            left_out[entry["fullname"]] = _why_lacking(name, ordered, lacking)
            continue
        cases = [session.run.cases[name] for session in ordered]
        middle = _middle(cases)
        taken[ordered[middle].path].append(name)
        entries.append(_merged(ordered[middle].entries[name], cases))
    if not entries:
        message = f"{REFUSED}: no case is in all {counted(len(ordered), 'session')}"
        raise PerfError(message, subject=str(newest.path), next_step=STEP)
    sources = [SourceSession(s.path.name, s.run.datetime, s.sha256, tuple(taken[s.path])) for s in ordered]
    hosts = {session.run.perf.host_id for session in ordered}
    context = {
        "host_id": hosts.pop() if len(hosts) == 1 else None,
        "left_out": left_out,
        "sources": msgspec.to_builtins(sources),
    }
    return {**newest.document, "benchmarks": entries, "perf": {**newest.document["perf"], **context}}


def _check_together(ordered: Sequence[Session]) -> None:
    """Raise PerfError, naming the file, unless the sessions can be combined."""
    newest = ordered[-1] if ordered else None
    if newest is None or len(ordered) < LEAST_SESSIONS:
        message = f"{REFUSED}: {counted(len(ordered), 'session')}, but a baseline needs {LEAST_SESSIONS} or more"
        step = "measure more sessions, or store a single run without --from"
        raise PerfError(message, subject=str(newest.path) if newest else None, next_step=step)
    for before, after in combinations(ordered, 2):
        if before.run.datetime == after.run.datetime or is_copy(after.run, before.run):
            message = f"{REFUSED}: it is the same session as {before.path}"
            raise PerfError(message, subject=str(after.path), next_step="name each session once")
    for session in ordered:
        _check_alike(session, newest)


def _changed_settings(one: Mapping[str, object], another: Mapping[str, object]) -> list[str]:
    """Return the names of the settings that differ. One that a version of the suite did not read counts as None."""
    return [name for name in sorted({*one, *another}) if one.get(name) != another.get(name)]


def _check_alike(session: Session, newest: Session) -> None:
    """Raise PerfError when a session was measured on another class, under other settings, or with other stacks."""
    one, another = session.run.perf, newest.run.perf
    problem = None
    if one.machine_class != another.machine_class:
        problem = f"machine class {one.machine_class}, {newest.path.name} has {another.machine_class}"
    elif one.tier != another.tier:
        problem = f"tier {one.tier or 'unknown'}, {newest.path.name} has {another.tier or 'unknown'}"
    elif one.sources:
        problem = "it is a baseline that was built from sessions, not a session"
    elif changed := _changed_settings(one.settings, another.settings):
        shown = [f"{n}: {one.settings.get(n)} -> {another.settings.get(n)}" for n in changed]
        problem = f"the machine's settings differ from those of {newest.path.name}: {'; '.join(shown)}"
    elif marked := _marked_differently(session.run, newest.run):
        problem = f"the marker perf sets other tolerances than in {newest.path.name}: {', '.join(marked)}"
    else:
        for name, case in session.run.cases.items():
            changes = _differences(case, newest.run.cases[name]) if name in newest.run.cases else []
            if changes:
                problem = f"{name} ran another stack than in {newest.path.name}: {'; '.join(changes)}"
                break
    if problem:
        raise PerfError(f"{REFUSED}: {problem}", subject=str(session.path), next_step=STEP)


def _marked_differently(one: StoredRun, another: StoredRun) -> list[str]:
    """Return the cases of both sessions that are marked with different tolerances."""
    marks = one.perf.tolerances, another.perf.tolerances
    return [name for name in one.cases if name in another.cases and marks[0].get(name) != marks[1].get(name)]


def _differences(one: StoredCase, another: StoredCase) -> list[str]:
    """Return how the stacks of a case and of its references differ between two sessions."""
    if one.samples.keys() != another.samples.keys():
        return [f"measured over {', '.join(one.samples) or 'nothing'} -> {', '.join(another.samples) or 'nothing'}"]
    pairs = [(one.stack, another.stack)]
    pairs += [(sample.over, another.samples[reference].over) for reference, sample in one.samples.items()]
    return [text for pair in pairs if build_changes(*pair) for text in differences(*pair)]


def _why_lacking(name: str, ordered: Sequence[Session], lacking: Sequence[str]) -> str:
    """Return why a case is left out: which sessions lack it, and their reasons."""
    reasons = [
        f"{session.path.name}: {why}"
        for session in ordered
        for item, why in session.run.perf.left_out.items()
        if case_of_item(item) == name
    ]
    text = f"{counted(len(lacking), 'session')} of {len(ordered)} lack it: {', '.join(lacking)}"
    return f"{text} ({'; '.join(reasons)})" if reasons else text


def _middle(cases: Sequence[StoredCase]) -> int:
    """Return the place of the session whose ratios are nearest to the medians of all: by the sum of their distances."""
    figures = list(_log_speedups(cases).values()) or [[math.log(case.latency_s) for case in cases]]
    distances = [sum(abs(values[n] - median(values)) for values in figures) for n in range(len(cases))]
    return min(range(len(cases)), key=lambda n: (round(distances[n], DIGITS), -n))


def _log_speedups(cases: Sequence[StoredCase]) -> dict[str, list[float]]:
    """Return the log speedups of a case by reference, one for each session."""
    ratios = {name: [case.samples[name].observed for case in cases] for name in cases[-1].samples}
    return {name: [observed.log_ratio for observed in values if observed] for name, values in ratios.items()}


def _merged(entry: Mapping[str, Any], cases: Sequence[StoredCase]) -> dict[str, Any]:
    """Return the entry of the session in the middle, with the log speedups of all sessions, and with all that they
    measured side by side with the stack that the newest of them was compared with.
    """
    info, logs = entry["extra_info"], _log_speedups(cases)
    samples = {name: {**sample, "sessions": logs[name]} for name, sample in info["samples"].items()}
    measured = [
        c.side_by_side for c in cases if c.side_by_side and c.side_by_side.values and not c.side_by_side.problem
    ]
    side_by_side = info.get("beside")
    if measured:
        stack = measured[-1].stack
        values = [v for one in measured if not build_changes(one.stack, stack) for v in one.values]
        side_by_side = msgspec.to_builtins(SideBySide(values, stack))
    return {**entry, "extra_info": {**info, "samples": samples, "beside": side_by_side}}
