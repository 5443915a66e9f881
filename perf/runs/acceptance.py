"""Store a run as a baseline, unless it hides a loss or covers less than the latest one without saying so."""

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
from perf.runs.baseline import PUBLISHED, is_copy, usable_baseline
from perf.runs.judges import judge_run, make_gate
from perf.runs.refreshing.drift import Creep, creep_of
from perf.runs.refreshing.marks import held_to_stored_marks
from perf.runs.refreshing.outliers import slow_sessions
from perf.runs.refreshing.records import AnchorDrift
from perf.runs.schema import FEW, AcceptedLosses, StoredCase, StoredRun
from perf.runs.session.slots import without_slots
from perf.runs.store import RunFiles, find_run_files, locked, save
from perf.runs.tolerances import Tolerances
from perf.stack import build_changes
from perf.wording import counted

# A case with one of these verdicts replaces the stored one only for a stated reason.
CONTESTED = frozenset({"regressed", "drifted", "inconclusive", "invalid"})
# A message names at most this number of cases: more would bury what to do next.
SHOWN = 5
# The name of a stored run is part of a file's name.
NAME = re.compile(r"[\w+-][\w.+-]{0,80}")
# How every message about a run that was refused begins.
REFUSED = "the run was not stored as a baseline"


@dataclass(frozen=True)
class Waiver:
    """What a user permits when a run is stored: `dropped` are patterns of the names of cases that it may lack, and
    `reason` says why cases may be worse than, or undecided against, the baseline; "" for no reason. Raises PerfError
    for a reason that is not one line of text.
    """

    dropped: tuple[str, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        if self.reason and not (self.reason.strip() and self.reason.isprintable()):
            step = "write one line of text"
            raise PerfError("the reason cannot be stored", subject=repr(self.reason[:60]), next_step=step)


@dataclass(frozen=True)
class StoredBaseline:
    """A run that was stored: the `path` of its file, the number of its `cases`, the items that were `left_out` with the
    reasons, the losses that were `accepted`, if any, the `drift` since the anchor, if there was one, and the patterns
    of cases to drop that matched no lacking case (`unmatched`).
    """

    path: Path
    cases: int
    left_out: Mapping[str, str]
    accepted: AcceptedLosses | None
    drift: AnchorDrift | None = None
    unmatched: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """Lines that report it to a user."""
        lines = [f"Left out of the baseline: {name}: {why}" for name, why in self.left_out.items()]
        if self.accepted:
            contested = [f"{name} ({why})" for name, why in self.accepted.verdicts.items()]
            if contested:
                lines.append(f"Accepted for the reason '{self.accepted.reason}': {', '.join(contested)}")
            if self.accepted.dropped:
                lines.append(f"Dropped from {self.accepted.baseline}: {', '.join(self.accepted.dropped)}")
        if self.unmatched:
            count = counted(len(self.unmatched), "pattern matches", "patterns match")
            lines.append(f"{count} no case that the run lacks: {_listed(self.unmatched)}")
        if self.drift:
            lines.append(self.drift.text)
        return [*lines, f"Stored as a baseline: {self.path} ({counted(self.cases, 'case')})"]


def store(
    document: Mapping[str, Any], folder: Path, name: str, waiver: Waiver, tolerances: Tolerances
) -> StoredBaseline:
    """Store a run as the latest baseline of its machine class. `document` is pytest-benchmark's JSON of the run, whose
    `perf` section says which items are left out.

    Raises PerfError when the run is unfinished, was slowed down on purpose or has no sound case; when it lacks cases of
    the latest baseline, or is worse than that, and the waiver does not permit it; and when it cannot be written.
    """
    if not NAME.fullmatch(name):
        step = "use letters, digits and . _ + - in the name"
        raise PerfError(f"{REFUSED}: {name[:60]!r} is not a valid name", subject=str(folder), next_step=step)
    kept = sound(document, folder)
    try:
        with locked(folder):
            run = msgspec.convert(kept, StoredRun)
            files = find_run_files(folder, run.perf.machine_class)
            accepted, drift = accept(run, files, folder, waiver, tolerances)
            kept["perf"] |= {"accepted": msgspec.to_builtins(accepted), "drift": msgspec.to_builtins(drift)}
            content = encoded(kept)
            if len(content) > MAX_BYTES:
                message = f"{REFUSED}: at {len(content) / 1e6:.0f} MB it would be too large to be read again"
                raise PerfError(message, subject=str(folder), next_step="store a run that a session wrote")
            path = save(folder, name, content)
            unmatched = _unmatched(waiver.dropped, accepted.dropped if accepted else ())
            return StoredBaseline(path, len(run.cases), kept["perf"]["left_out"], accepted, drift, unmatched)
    except OSError as error:
        step = "free some space or name another folder; then add --perf-resume, or run mxperf refresh again"
        raise PerfError(f"the run cannot be stored: {error.strerror}", subject=str(folder), next_step=step) from error


def encoded(document: Mapping[str, Any]) -> bytes:
    """Return a run as it is written: indented by one, so that differences can be read; paths of options as text."""
    return msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=1) + b"\n"


def accept(
    run: StoredRun, files: RunFiles, folder: Path, waiver: Waiver, tolerances: Tolerances
) -> tuple[AcceptedLosses | None, AnchorDrift | None]:
    """Return what is accepted of a run, compared with the stored ones (None when nothing needs to be), and its drift
    since the anchor (None for the first run of a class). Raises PerfError for what the waiver does not permit.
    """
    runs = readable_runs(files, run.perf.machine_class)
    _check_new(run, runs)
    latest = files.latest
    lacking = [name for name in (runs[latest].cases if latest else ()) if name not in run.cases]
    unnamed = [name for name in lacking if not any(fnmatchcase(name, pattern) for pattern in waiver.dropped)]
    if latest and unnamed:
        message = f"{REFUSED}: it lacks {counted(len(unnamed), 'case')} of {latest.name}: {_listed(unnamed)}"
        if unmatched := _unmatched(waiver.dropped, lacking):
            message += f". No lacking case matches {_listed(unmatched)}"
        step = "run the whole tier, or name the cases to drop: --perf-drop=PATTERN (mxperf refresh: --drop=PATTERN)"
        raise PerfError(message, subject=str(folder), next_step=step)
    run, wider = held_to_stored_marks(run, runs, tolerances)
    creep = creep_of(run, folder, runs, tolerances)
    contested = {**wider, **_contested(run, runs, creep, tolerances)}
    if contested and not waiver.reason:
        listed = _listed([f"{name} ({kind})" for name, kind in contested.items()])
        sums = f". {creep.drift.text}" if creep else ""
        message = f"{REFUSED}: {counted(len(contested), 'case')} cannot replace the stored ones: {listed}{sums}"
        step = (
            "fix the loss; or measure side by side with the baseline (--benchmark-compare); or accept it with "
            "--perf-reason=TEXT (mxperf refresh: --reason=TEXT)"
        )
        raise PerfError(message, subject=str(folder), next_step=step)
    drift = creep.drift if creep else None
    if not contested and not lacking:
        return None, drift
    return AcceptedLosses(latest.name if latest else PUBLISHED, waiver.reason, contested, tuple(lacking)), drift


def _check_new(run: StoredRun, runs: Mapping[Path, StoredRun]) -> None:
    """Raise PerfError when a run, or a session that it was built from, is stored already."""
    own = {source.datetime for source in run.perf.sources} or {run.datetime}
    for path, stored in runs.items():
        used = {source.datetime for source in stored.perf.sources}
        again = own & (used | {stored.datetime} if run.perf.sources else used)
        if again or is_copy(run, stored):
            what = f"a session of the run (ended {min(again)})" if again else "the run"
            message = f"{what} is stored already: {path.name}"
            raise PerfError(message, subject=str(path.parent), next_step="measure again")


def _contested(
    run: StoredRun, runs: Mapping[Path, StoredRun], creep: Creep | None, tolerances: Tolerances
) -> dict[str, str]:
    """Return the cases of a run that may not replace stored ones without a reason, and why.

    Each case is compared with the newest stored run that contains it, so that one that was dropped for a while does not
    come back slower; and with the oldest run of its history, so that losses do not creep in. The sum of its changes
    since the anchor is judged too (`creep`): it sees losses of one wheel after another. And so is the slowest of the
    sessions that a run was built from. Without a stored run, the announcement's tables are the baseline of their
    machine classes.
    """
    contested: dict[str, str] = {}
    for path, names in _compared_with(run, runs).items():
        _, judged = judge_run(run, path.name, runs[path], path.parent, tolerances)
        contested |= {
            verdict.case: f"{verdict.kind} against {path.name}"
            for verdict in judged.verdicts.values()
            if verdict.case in names and verdict.kind in CONTESTED
        }
        contested |= {name: why for name in names if (why := _thinner(run.cases[name], runs[path].cases[name], path))}
    contested = {**slow_sessions(run, runs, tolerances), **(creep.losses if creep else {}), **contested}
    if not runs and run.perf.machine_class in published_classes():
        families = list(dict.fromkeys(case.family for case in run.cases.values()))
        gate = make_gate(PUBLISHED, None, run.perf, list(run.cases), families, tolerances, [])
        verdicts = gate.judged(list(run.cases.values())).verdicts.values()
        contested |= {v.case: f"{v.kind} against the published tables" for v in verdicts if v.kind == "regressed"}
    return contested


def readable_runs(files: RunFiles, machine_class: str) -> dict[Path, StoredRun]:
    """Return the stored runs that can be baselines, oldest first. Raises PerfError when the latest cannot."""
    runs = {}
    for path in files.paths:
        try:
            runs[path] = usable_baseline(path, machine_class)
        except PerfError:
            if path == files.latest:
                raise
    return runs


def _compared_with(run: StoredRun, runs: Mapping[Path, StoredRun]) -> dict[Path, set[str]]:
    """Return the stored runs that a run is compared with, oldest first, and for which cases: for each case the newest
    run that contains it, and the oldest since which it ran the same stack and nothing was accepted of it.
    """
    compared: dict[Path, set[str]] = {}
    for name in run.cases:
        containing = [(path, stored) for path, stored in runs.items() if name in stored.cases]
        if not containing:
            continue
        newest = containing[-1][1].cases[name].stack
        history: list[Path] = []
        for path, stored in reversed(containing):
            if build_changes(stored.cases[name].stack, newest):
                break
            history.append(path)
            if stored.perf.accepted and name in stored.perf.accepted.verdicts:
                break
        for path in (history[0], history[-1]):
            compared.setdefault(path, set()).add(name)
    return {path: compared[path] for path in runs if path in compared}


def _thinner(now: StoredCase, then: StoredCase, path: Path) -> str | None:
    """Return that a case has fewer undisturbed invocations than `FEW` and than the stored one, else None."""
    counts = [min((len(sample.floors) for sample in case.samples.values()), default=FEW) for case in (now, then)]
    if counts[0] >= min(FEW, counts[1]):
        return None
    return f"{counted(counts[0], 'undisturbed invocation')}, {path.name} has {counts[1]}"


def sound(document: Mapping[str, Any], subject: Path) -> dict[str, Any]:
    """Return the run without the items that must not be stored, and without slots and what layers cost, which judge
    nothing: the size of stored runs matters. Raises PerfError, naming the `subject`, when nothing may be stored.
    """
    perf = document["perf"]
    left_out = {**_disturbed(document), **perf["left_out"]}
    if not perf["complete"]:
        message, step = f"{REFUSED}: it is unfinished", "repeat the command with --perf-resume to finish it"
        raise PerfError(message, subject=str(subject), next_step=step)
    if perf.get("shard"):
        message = f"{REFUSED}: it is shard {perf['shard']['number']} of a night"
        step = "join all shards: mxperf merge SHARD.json... -o RUN.json"
        raise PerfError(message, subject=str(subject), next_step=step)
    if perf["injected"]:
        message, step = f"{REFUSED}: it was slowed down on purpose", "measure again without --perf-inject"
        raise PerfError(message, subject=str(subject), next_step=step)
    kept = [_without_layers(without_slots(each)) for each in document["benchmarks"] if each["fullname"] not in left_out]
    if not kept:
        message = f"{REFUSED}: no case is left: {next(iter(left_out.values()), 'it contains none')}"
        raise PerfError(message, subject=str(subject), next_step="fix what failed, then measure again")
    return without_samples({**document, "benchmarks": kept, "perf": {**perf, "left_out": left_out}})


def without_samples(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run without the durations of its passes."""
    benchmarks = [
        {**benchmark, "stats": {name: value for name, value in benchmark["stats"].items() if name != "data"}}
        for benchmark in document["benchmarks"]
    ]
    return {**document, "benchmarks": benchmarks}


def _without_layers(benchmark: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry of `benchmarks` without what each layer of its network costs."""
    info = benchmark["extra_info"]
    match info.get("facts"):
        case {"check": {"layers": [_, *_]} as check} as facts:
            return {**benchmark, "extra_info": {**info, "facts": {**facts, "check": {**check, "layers": []}}}}
        case _:
            return dict(benchmark)


def _disturbed(document: Mapping[str, Any]) -> dict[str, str]:
    return {
        benchmark["fullname"]: "every invocation was disturbed"
        for benchmark in document["benchmarks"]
        if any(not sample["floors"] for sample in benchmark["extra_info"]["samples"].values())
    }


def _unmatched(patterns: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the patterns that match none of the names."""
    return tuple(pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
