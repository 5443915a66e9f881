"""Which runs become baselines: none that hides a loss, none that covers less than the latest without saying so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from perf.errors import PerfError
from perf.runs.baseline import usable_baseline
from perf.runs.document import Accepted, Run
from perf.runs.judging import judge_run
from perf.runs.shelf import Shelf, held, save, shelf_of
from perf.runs.tolerances import Tolerances

# A case with one of these verdicts replaces the stored one for a stated reason only.
CONTESTED = frozenset({"regressed", "drifted", "inconclusive", "invalid"})
# More cases than these are not named in a message.
SHOWN = 5


@dataclass(frozen=True)
class Consent:
    """What the user allows of a run that is stored: cases that it may lack, by patterns of their names, and the reason
    why cases may have become worse, or stay open; "" for none.
    """

    dropped: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Stored:
    """A run that was stored: where, how many cases, which items were left out and why, and what was accepted."""

    path: Path
    cases: int
    left_out: Mapping[str, str]
    accepted: Accepted | None

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


def store(document: Mapping[str, Any], folder: Path, name: str, consent: Consent, tolerances: Tolerances) -> Stored:
    """Store a run as the latest baseline of its machine class. `document` is pytest-benchmark's JSON
    of it, whose part `perf` says which cases are left out.

    PerfError when it is unfinished, was slowed down on purpose, has no case that is sound, lacks cases of the latest
    baseline, or became worse than that without a reason, and when it cannot be written.
    """
    sound = _sound(document, folder)
    try:
        with held(folder):
            run = msgspec.convert(sound, Run)
            shelf = shelf_of(folder, run.perf.machine_class)
            accepted = _accepted(run, shelf, consent, tolerances) if shelf.paths else None
            sound["perf"]["accepted"] = msgspec.to_builtins(accepted)
            path = save(folder, name, encoded(sound))
            return Stored(path, len(run.cases), sound["perf"]["left_out"], accepted)
    except OSError as error:
        step = "free some space or name another folder with --benchmark-storage=FOLDER; then add --perf-resume"
        raise PerfError(f"the run cannot be stored: {error.strerror}", subject=str(folder), next_step=step) from error


def encoded(document: Mapping[str, Any]) -> bytes:
    """A run as it is written: indented by one, so that differences can be read."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _accepted(run: Run, shelf: Shelf, consent: Consent, tolerances: Tolerances) -> Accepted | None:
    """What is accepted of a run against the stored ones; None when there is nothing to accept. PerfError where the user
    did not consent.
    """
    latest = shelf.paths[-1]
    lacking = [name for name in usable_baseline(latest, run.perf.machine_class).cases if name not in run.cases]
    unnamed = [name for name in lacking if not any(fnmatchcase(name, pattern) for pattern in consent.dropped)]
    if unnamed:
        message = f"not stored as a baseline: it lacks {_listed(unnamed)} of {latest.name}"
        step = "run the whole tier, or name the cases to drop: --perf-drop=PATTERN"
        raise PerfError(message, subject=str(latest.parent), next_step=step)
    contested = _contested(run, shelf, tolerances)
    if contested and not consent.reason:
        message = f"not stored as a baseline: {_listed([f'{name} ({kind})' for name, kind in contested.items()])}"
        step = (
            "mend it; or measure it beside the baseline (--benchmark-compare); or say why it is to be accepted: "
            "--perf-reason=TEXT"
        )
        raise PerfError(message, subject=str(latest.parent), next_step=step)
    if not contested and not lacking:
        return None
    return Accepted(latest.name, consent.reason, contested, tuple(lacking))


def _contested(run: Run, shelf: Shelf, tolerances: Tolerances) -> dict[str, str]:
    """The cases of a run that may not replace stored ones without a reason, and why. Each is judged by the newest
    stored run that holds it: one that was dropped for a while must not come back slower.
    """
    contested: dict[str, str] = {}
    unjudged = set(run.cases)
    for path in reversed(shelf.paths):
        if not unjudged:
            break
        try:
            baseline = usable_baseline(path, run.perf.machine_class)
        except PerfError:
            if path is shelf.latest:
                raise
            continue
        _, judged = judge_run(run, path.name, baseline, path.parent, tolerances)
        contested |= {
            verdict.case: f"{verdict.kind} against {path.name}"
            for verdict in judged.verdicts.values()
            if verdict.case in unjudged and verdict.kind in CONTESTED
        }
        unjudged -= baseline.cases.keys()
    return contested


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
