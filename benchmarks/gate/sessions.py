"""Draw whole sessions of one machine class in which nothing changes, as documents that the gate itself reads."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.gate.recording import RecordedInvocation
from benchmarks.gate.runs import QUIET, family_of
from benchmarks.gate.samples import Recordings, floors_s
from perf.runs.refreshing.sessions import Session, combined
from perf.runs.schema import StoredRun
from perf.runs.tolerances import Tolerances
from perf.runs.variances import RatioKey

# Invocations of a session.
INVOCATIONS = 4
START = datetime(2026, 11, 27, tzinfo=UTC)
# By how much each log speedup of a session differs from what the class delivers.
Effects = Mapping[RatioKey, float]
# What draws the effects of one session.
DrawEffects = Callable[[random.Random], Effects]


def template_of(runs: Sequence[StoredRun], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `document` of the last of some runs, with those of its cases that all of them measured."""
    common = set.intersection(*(set(run.cases) for run in runs))
    kept = [entry for entry in document["benchmarks"] if _name(entry) in common]
    return {**document, "benchmarks": kept}


def recorded_effects(runs: Sequence[StoredRun]) -> DrawEffects:
    """Return what draws the effects of a session as the stored runs of a class differ: normal, with the covariance of
    these runs, so that ratios that moved together do so again. The stored speedups contain the noise between their
    invocations, so a session that draws invocations besides is a little noisier than a real one.
    """
    moved: dict[RatioKey, list[float]] = {}
    for name, case in runs[-1].cases.items():
        for over in case.samples:
            samples = [run.cases[name].samples.get(over) for run in runs if name in run.cases]
            values = [sample.observed.log_ratio for sample in samples if sample and sample.observed]
            if len(values) == len(runs):
                moved[name, over] = [value - math.fsum(values) / len(values) for value in values]

    def draw_effects(draw: random.Random) -> Effects:
        weights = [draw.gauss(0, 1) / math.sqrt(len(runs) - 1) for _ in runs]
        return {
            key: math.fsum(w * value for w, value in zip(weights, values, strict=True)) for key, values in moved.items()
        }

    return draw_effects


def assumed_effects(like: StoredRun, tolerances: Tolerances, draw: random.Random) -> DrawEffects:
    """Return what draws the effects of a session of a class whose ratios vary as `tolerances` assume: each ratio has a
    variance of its own, and moves for itself.
    """
    deviations = {}
    for name, case in like.cases.items():
        assumed = tolerances.assumed_of(case.family)
        for over in case.samples:
            spread = draw.gammavariate(assumed.degrees / 2, 2) / assumed.degrees
            deviations[name, over] = assumed.sessions / math.sqrt(spread)
    return lambda source: {key: source.gauss(0, sd) for key, sd in deviations.items()}


@dataclass
class MadeClass:
    """A machine class in which nothing changes. `template` is a stored run of it, `recordings` are the invocations that
    its sessions consist of, and `effects` draws what moves a session. `shared` says whether the sessions of a night
    move together.
    """

    template: Mapping[str, Any]
    recordings: Recordings
    effects: DrawEffects
    shared: bool
    draw: random.Random
    _sessions: int = 0

    def night(self, sessions: int) -> StoredRun:
        """Return a baseline from a night of these sessions: one session as it is, or several combined."""
        effects = self.effects(self.draw)
        every = [self.session(effects if self.shared else self.effects(self.draw)) for _ in range(sessions)]
        return every[0].run if sessions == 1 else msgspec.convert(combined(every), StoredRun)

    def session(self, effects: Effects | None = None) -> Session:
        """Return a session; with effects of its own, unless they are those of its night."""
        moved = self.effects(self.draw) if effects is None else effects
        self._sessions += 1
        drawn = {name: self.draw.sample(_quiet(every), INVOCATIONS) for name, every in self.recordings.items()}
        content = {
            **self.template,
            "datetime": (START + timedelta(hours=self._sessions)).isoformat(timespec="microseconds"),
            "benchmarks": [_moved(entry, moved, drawn) for entry in self.template["benchmarks"]],
        }
        run = msgspec.convert(content, StoredRun)
        return Session(Path(f"session-{self._sessions}.json"), str(self._sessions), content, run)


def _moved(
    entry: Mapping[str, Any], moved: Effects, drawn: Mapping[str, Sequence[RecordedInvocation]]
) -> dict[str, Any]:
    """Return a case with the floors of the drawn invocations, its speedups moved by the effects."""
    info = entry["extra_info"]
    samples = {}
    for over, sample in info["samples"].items():
        invocations = drawn[_recorded_as(info["workload"], drawn)]
        by = math.exp(moved.get((_name(entry), over), 0.0))
        floors = [(first * by, second) for first, second in floors_s(invocations, over, info["variant"])]
        samples[over] = {"floors": floors, "typical": [], "over": sample["over"]}
    return {**entry, "extra_info": {**info, "samples": samples}}


def _name(entry: Mapping[str, Any]) -> str:
    return f"{entry['extra_info']['workload']}-{entry['extra_info']['variant']}"


def _recorded_as(workload: str, drawn: Mapping[str, Sequence[RecordedInvocation]]) -> str:
    """Return the recorded workload that stands for a workload: itself, or one of its family."""
    if workload in drawn:
        return workload
    alike = [name for name in drawn if family_of((name, "")) == family_of((workload, ""))]
    return alike[sum(workload.encode()) % len(alike)]


def _quiet(every: Sequence[RecordedInvocation]) -> list[RecordedInvocation]:
    return [invocation for invocation in every if invocation.kind in QUIET]
