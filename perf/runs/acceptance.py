"""Which runs become baselines: none that hides a loss, none that covers less than the latest without saying so."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from perf.errors import PerfError
from perf.files import MAX_BYTES
from perf.published import published_classes
from perf.runs.baseline import PUBLISHED, usable_baseline
from perf.runs.judges import judge_run, make_gate
from perf.runs.schema import FEW, AcceptedLosses, StoredCase, StoredRun
from perf.runs.store import RunFiles, find_run_files, locked, save
from perf.runs.tolerances import Tolerances
from perf.stack import OF_THE_SUITE, differing

# A case with one of these verdicts replaces the stored one for a stated reason only.
CONTESTED = frozenset({"regressed", "drifted", "inconclusive", "invalid"})
# More cases than these are not named in a message.
SHOWN = 5
# Of a stored run: a part of a file's name.
NAME = re.compile(r"[\w+-][\w.+-]{0,80}")


@dataclass(frozen=True)
class Waiver:
    """What the user allows of a run that is stored: cases that it may lack, by patterns of their names, and the reason
    why cases may have become worse, or stay open; "" for none.
    """

    dropped: tuple[str, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        """PerfError for a reason that is no line of text."""
        if self.reason and not (self.reason.strip() and self.reason.isprintable()):
            step = "write one line of text"
            raise PerfError("the reason cannot be stored", subject=repr(self.reason[:60]), next_step=step)


@dataclass(frozen=True)
class StoredBaseline:
    """A run that was stored: where, how many cases, which items were left out and why, and what was accepted."""

    path: Path
    cases: int
    left_out: Mapping[str, str]
    accepted: AcceptedLosses | None

    @property
    def lines(self) -> list[str]:
        """It, for a user."""
        lines = [f"Left out of the baseline: {name}: {why}" for name, why in self.left_out.items()]
        if self.accepted:
            contested = [f"{name} ({why})" for name, why in self.accepted.verdicts.items()]
            if contested:
                lines.append(f"Accepted, since {self.accepted.reason}: {', '.join(contested)}")
            if self.accepted.dropped:
                lines.append(f"No longer stored, unlike {self.accepted.baseline}: {', '.join(self.accepted.dropped)}")
        return [*lines, f"Stored as a baseline: {self.path} ({self.cases} case{'s' * (self.cases != 1)})"]


def store(
    document: Mapping[str, Any], folder: Path, name: str, consent: Waiver, tolerances: Tolerances
) -> StoredBaseline:
    """Store a run as the latest baseline of its machine class. `document` is pytest-benchmark's JSON
    of it, whose part `perf` says which cases are left out.

    PerfError when it is unfinished, was slowed down on purpose, has no case that is sound, lacks cases of the latest
    baseline, or became worse than that without a reason, and when it cannot be written.
    """
    if not NAME.fullmatch(name):
        message = f"not stored as a baseline: {name[:60]!r} is no name"
        raise PerfError(message, subject=str(folder), next_step="use letters, digits, and . _ + - in it")
    sound = _sound(document, folder)
    try:
        with locked(folder):
            run = msgspec.convert(sound, StoredRun)
            shelf = find_run_files(folder, run.perf.machine_class)
            accepted = _accepted(run, shelf, folder, consent, tolerances)
            sound["perf"]["accepted"] = msgspec.to_builtins(accepted)
            content = encoded(sound)
            if len(content) > MAX_BYTES:
                message = f"not stored as a baseline: it would be too large to be read: {len(content) / 1e6:.0f} MB"
                raise PerfError(message, subject=str(folder), next_step="store a run that a session wrote")
            path = save(folder, name, content)
            return StoredBaseline(path, len(run.cases), sound["perf"]["left_out"], accepted)
    except OSError as error:
        step = "free some space or name another folder; then add --perf-resume, or run mxperf refresh again"
        raise PerfError(f"the run cannot be stored: {error.strerror}", subject=str(folder), next_step=step) from error


def encoded(document: Mapping[str, Any]) -> bytes:
    """A run as it is written: indented by one, so that differences can be read."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _accepted(
    run: StoredRun, shelf: RunFiles, folder: Path, consent: Waiver, tolerances: Tolerances
) -> AcceptedLosses | None:
    """What is accepted of a run against the stored ones; None when there is nothing to accept. PerfError where the user
    did not consent.
    """
    runs = _usable(shelf, run.perf.machine_class)
    for path, stored in runs.items():
        if (stored.datetime, stored.cases) == (run.datetime, run.cases):
            raise PerfError(f"it is stored already: {path.name}", subject=str(path.parent), next_step="measure again")
    latest = shelf.latest
    lacking = [name for name in (runs[latest].cases if latest else ()) if name not in run.cases]
    unnamed = [name for name in lacking if not any(fnmatchcase(name, pattern) for pattern in consent.dropped)]
    if unnamed:
        message = f"not stored as a baseline: it lacks {_listed(unnamed)} of {latest.name if latest else ''}"
        step = "run the whole tier, or name the cases to drop: --perf-drop=PATTERN"
        raise PerfError(message, subject=str(folder), next_step=step)
    contested = _contested(run, shelf, tolerances)
    if contested and not consent.reason:
        message = f"not stored as a baseline: {_listed([f'{name} ({kind})' for name, kind in contested.items()])}"
        step = (
            "mend it; or measure it beside the baseline (--benchmark-compare); or say why it is to be accepted: "
            "--perf-reason=TEXT"
        )
        raise PerfError(message, subject=str(folder), next_step=step)
    if not contested and not lacking:
        return None
    return AcceptedLosses(latest.name if latest else PUBLISHED, consent.reason, contested, tuple(lacking))


def _contested(run: StoredRun, shelf: RunFiles, tolerances: Tolerances) -> dict[str, str]:
    """The cases of a run that may not replace stored ones without a reason, and why. Each is judged by the newest
    stored run that holds it, since one that was dropped for a while must not come back slower; and by the oldest of its
    history, since losses must not creep in. Without a stored run the announcement's tables judge their classes.
    """
    runs = _usable(shelf, run.perf.machine_class)
    contested: dict[str, str] = {}
    for path, names in _judged_by(run, runs).items():
        _, judged = judge_run(run, path.name, runs[path], path.parent, tolerances)
        contested |= {
            verdict.case: f"{verdict.kind} against {path.name}"
            for verdict in judged.verdicts.values()
            if verdict.case in names and verdict.kind in CONTESTED
        }
        contested |= {name: why for name in names if (why := _thinner(run.cases[name], runs[path].cases[name], path))}
    if not runs and run.perf.machine_class in published_classes():
        families = list(dict.fromkeys(case.family for case in run.cases.values()))
        gate = make_gate(PUBLISHED, None, run.perf, list(run.cases), families, tolerances, [])
        verdicts = gate.judged(list(run.cases.values())).verdicts.values()
        contested |= {v.case: f"{v.kind} against the published tables" for v in verdicts if v.kind == "regressed"}
    return contested


def _usable(shelf: RunFiles, machine_class: str) -> dict[Path, StoredRun]:
    """The stored runs that others may be judged by, oldest first. PerfError when the latest is none of them."""
    runs = {}
    for path in shelf.paths:
        try:
            runs[path] = usable_baseline(path, machine_class)
        except PerfError:
            if path == shelf.latest:
                raise
    return runs


def _judged_by(run: StoredRun, runs: Mapping[Path, StoredRun]) -> dict[Path, set[str]]:
    """The stored runs that a run's cases are judged by, with those cases: for each the newest that holds it, and the
    oldest from which on it ran the same stack and nothing was accepted of it.
    """
    found: dict[Path, set[str]] = {}
    for name in run.cases:
        holding = [(path, stored) for path, stored in runs.items() if name in stored.cases]
        if not holding:
            continue
        newest = holding[-1][1].cases[name].stack
        history: list[Path] = []
        for path, stored in reversed(holding):
            if differing(stored.cases[name].stack, newest) - OF_THE_SUITE:
                break
            history.append(path)
            if stored.perf.accepted and name in stored.perf.accepted.verdicts:
                break
        for path in {history[0], history[-1]}:
            found.setdefault(path, set()).add(name)
    return found


def _thinner(now: StoredCase, then: StoredCase, path: Path) -> str | None:
    """That a case rests on fewer undisturbed invocations than three, and than the stored one; None when it does not."""
    counts = [min((len(sample.floors) for sample in case.samples.values()), default=FEW) for case in (now, then)]
    if counts[0] >= min(FEW, counts[1]):
        return None
    return f"{counts[0]} undisturbed invocation{'s' * (counts[0] != 1)}, and {path.name} has {counts[1]}"


def _sound(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The run without what must not be stored. PerfError when that is all of it."""
    perf = document["perf"]
    left_out = {**_disturbed(document), **perf["left_out"]}
    if not perf["complete"]:
        why = "not stored as a baseline: it is unfinished"
        raise PerfError(why, subject=str(folder), next_step="add --perf-resume to finish it")
    if perf["injected"]:
        why = "not stored as a baseline: it was slowed down on purpose"
        raise PerfError(why, subject=str(folder), next_step="leave out --perf-inject")
    sound = [benchmark for benchmark in document["benchmarks"] if benchmark["fullname"] not in left_out]
    fit = [{**benchmark, "stats": _without_samples(benchmark["stats"])} for benchmark in sound]
    if not fit:
        message = f"not stored as a baseline: no case is left: {next(iter(left_out.values()), 'it holds none')}"
        raise PerfError(message, subject=str(folder), next_step="mend what failed, and measure again")
    return {**document, "benchmarks": fit, "perf": {**perf, "left_out": left_out}}


def _without_samples(stats: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stats.items() if name != "data"}


def _disturbed(document: Mapping[str, Any]) -> dict[str, str]:
    return {
        benchmark["fullname"]: "every invocation was disturbed"
        for benchmark in document["benchmarks"]
        if any(not sample["floors"] for sample in benchmark["extra_info"]["samples"].values())
    }


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} case{'s' * (len(names) > 1)}: {', '.join(names[:SHOWN])}{more}"
