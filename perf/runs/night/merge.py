"""Join the shards of a night into one run, and refuse what was not measured under the same conditions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec

from perf.errors import PerfError
from perf.files import read_json
from perf.runs.night.shards import MOST_SHARDS
from perf.runs.schema import Shard, StoredRun, ended_at, read_run
from perf.runs.session.run import Accuracy, MeasuredContext, StateFinding, StateReport
from perf.stack import Stack, differing
from perf.wording import counted

# Shards of one night end within this time: a killed one may have been resumed on the next morning.
LONGEST_NIGHT = timedelta(hours=24)
# A message names at most this number of items.
SHOWN = 3
# What differs between the subjects of one variant.
OF_A_SUBJECT = frozenset({"program", "job", "injected"})
STEP = "merge the shards of one night: the same commit, options, baseline and machine class"


class _Commit(msgspec.Struct, frozen=True):
    id: str | None = None


class _Session(msgspec.Struct, frozen=True):
    perf: MeasuredContext
    commit_info: _Commit | None = None


@dataclass(frozen=True)
class ShardFile:
    """A shard in a file: its `path`, its `run`, the whole `document`, which `shard` of the night it is, what its
    `session` added, the `commit` of the suite, and when it `ended`.
    """

    path: Path
    run: StoredRun
    document: Mapping[str, Any]
    shard: Shard
    session: MeasuredContext
    commit: str | None
    ended: datetime


def read_shards(paths: Sequence[Path]) -> list[ShardFile]:
    """Return the shards in files, by number. Raises PerfError for a file that is not a stored run, or not a shard."""
    shards = []
    for path in paths:
        run, session = read_run(path), read_json(path, _Session, next_step=STEP)
        shard = run.perf.shard
        if shard is None:
            what = "is no shard of a night: it was measured without --perf-shard"
            raise PerfError(what, subject=str(path), next_step=STEP)
        if not 0 < shard.number <= shard.of <= MOST_SHARDS:
            raise PerfError(f"cannot be {shard.text} of a night", subject=str(path), next_step=STEP)
        foreign = [each.fullname for each in run.benchmarks if shard.items.get(each.fullname) != shard.number]
        if foreign:
            raise PerfError(f"holds what is not in {shard.text}: {_listed(foreign)}", subject=str(path), next_step=STEP)
        commit = session.commit_info.id if session.commit_info else None
        document, ended = read_json(path, dict), ended_at(run.datetime)
        shards.append(ShardFile(path, run, document, shard, session.perf, commit, ended))
    return sorted(shards, key=lambda each: each.shard.number)


def merged(shards: Sequence[ShardFile], *, allow_missing: bool) -> dict[str, Any]:
    """Return the run of a whole night from its shards. What no shard has run is left out of it with the reason, and it
    is then unfinished; that a whole shard is missing must be allowed (`allow_missing`).

    Raises PerfError, naming both files, for shards that do not belong together; and for missing ones.
    """
    first = shards[0]
    for one, another in combinations(shards, 2):
        for problem in _conflicts(one, another):
            raise PerfError(problem, subject=f"{one.path} and {another.path}", next_step=STEP)
    _check_stacks(shards)
    present = {each.shard.number for each in shards}
    missing = sorted(set(range(1, first.shard.of + 1)) - present)
    if missing and not allow_missing:
        listed = ", ".join(map(str, missing))
        step = "add their files, or merge the rest with --allow-missing"
        names = ", ".join(str(each.path) for each in shards)
        what = f"{counted(len(missing), 'shard')} of {first.shard.of} missing: {listed}"
        raise PerfError(what, subject=names, next_step=step)
    left_out = {item: why for each in shards for item, why in each.run.perf.left_out.items()}
    measured = {benchmark.fullname for each in shards for benchmark in each.run.benchmarks}
    not_run = {
        item: f"not run: shard {number} of {first.shard.of} is {'unfinished' if number in present else 'missing'}"
        for item, number in first.shard.items.items()
        if item not in measured and item not in left_out
    }
    # A run holds no results of checks, so nothing else would show that they are missing.
    not_run |= {
        f"checks of answers of shard {number}": f"not run: shard {number} of {first.shard.of} is missing"
        for number in missing
    }
    last = max(shards, key=lambda each: each.ended)
    hosts = {each.run.perf.host_id for each in shards}
    context = {
        **last.document["perf"],
        "shard": None,
        "shards": [_origin(each) for each in shards],
        "host_id": hosts.pop() if len(hosts) == 1 else None,
        "left_out": {**left_out, **not_run},
        "complete": not missing and not not_run and all(each.run.perf.complete for each in shards),
        "state": msgspec.to_builtins(_state([each.session.state for each in shards if each.session.state])),
        "tolerances": {name: entry for each in shards for name, entry in _marked(each).items()},
        "limits_gflop_per_s": _fastest([each.session for each in shards]),
        "wall_time_s": _total([each.session for each in shards]),
        "curves": _curves([each.session for each in shards]),
    }
    benchmarks = [benchmark for each in shards for benchmark in each.document["benchmarks"]]
    order = {item: place for place, item in enumerate(first.shard.items)}
    benchmarks.sort(key=lambda benchmark: order[benchmark["fullname"]])
    return {**last.document, "benchmarks": benchmarks, "perf": context}


def _conflicts(one: ShardFile, another: ShardFile) -> Iterator[str]:
    """Yield why two shards do not belong together."""
    for name, (a, b) in _conditions(one, another).items():
        if a != b:
            yield f"differ in {name}: {a} and {b}"
    if one.shard.items != another.shard.items:
        changed = dict(one.shard.items.items() ^ another.shard.items.items())
        balanced = {one.shard.balanced_by, another.shard.balanced_by}
        cause = f"; they were balanced by {' and '.join(sorted(balanced))}" if len(balanced) > 1 else ""
        yield f"divide the night differently, such as {_listed(sorted(changed))}{cause}"
    if one.shard.number == another.shard.number:
        yield f"overlap: both are {one.shard.text}"
    if abs(one.ended - another.ended) > LONGEST_NIGHT:
        yield f"ended more than a day apart, at {one.run.datetime[:16]} and {another.run.datetime[:16]}"


def _conditions(one: ShardFile, another: ShardFile) -> dict[str, tuple[Any, Any]]:
    """What two shards must agree in, by name: the values of both."""
    settings = one.run.perf.settings, another.run.perf.settings
    return {
        "the machine class": (one.run.perf.machine_class, another.run.perf.machine_class),
        "the number of shards": (one.shard.of, another.shard.of),
        "the night (--perf-session)": (one.shard.night, another.shard.night),
        "the commit": (one.commit, another.commit),
        "the tier": (one.run.perf.tier, another.run.perf.tier),
        "the baseline": (one.session.compared_with, another.session.compared_with),
        "the options": (one.run.perf.arguments, another.run.perf.arguments),
        "slowdowns on purpose": (one.run.perf.injected, another.run.perf.injected),
        **{
            f"the setting {name}": (settings[0].get(name), settings[1].get(name))
            for name in sorted({*settings[0], *settings[1]})
        },
    }


def _check_stacks(shards: Sequence[ShardFile]) -> None:
    """Raise PerfError, naming both files, where a variant ran other stacks in two shards."""
    seen: dict[tuple[str, str], tuple[Stack, ShardFile]] = {}
    for each in shards:
        for name, stack in _stacks(each.run):
            then, where = seen.setdefault(name, (stack, each))
            changed = sorted(key for key in differing(then, stack) if key.partition(" ")[0] not in OF_A_SUBJECT)
            if changed and where is not each:
                what = f"ran another stack of {name[1]} ({name[0]}): {', '.join(changed)} differs"
                raise PerfError(what, subject=f"{where.path} and {each.path}", next_step=STEP)


def _stacks(run: StoredRun) -> Iterator[tuple[tuple[str, str], Stack]]:
    """Yield the stacks of a run by family and variant, those of references and baseline arms too."""
    for case in run.cases.values():
        yield (case.family, case.variant), case.stack
        yield from (((case.family, name), sample.over) for name, sample in case.samples.items())
        if case.side_by_side and not case.side_by_side.problem:
            yield (case.family, f"{case.variant}@baseline"), case.side_by_side.stack


def _marked(each: ShardFile) -> dict[str, Any]:
    """The tolerances that the items of a shard were marked with: a session knows those of its own items only."""
    marked: dict[str, Any] = msgspec.to_builtins(each.run.perf.tolerances)
    return marked


def _origin(each: ShardFile) -> dict[str, Any]:
    """Where a part of the merged run comes from."""
    return {
        "number": each.shard.number,
        "host_id": each.run.perf.host_id,
        "datetime": each.run.datetime,
        "cases": len(each.run.benchmarks),
        "complete": each.run.perf.complete,
        "state": msgspec.to_builtins(each.session.state),
    }


def _state(states: Sequence[StateReport]) -> StateReport | None:
    """The machine's state before the first and after the last shard, with the findings of all."""
    if not states:
        return None
    findings: list[StateFinding] = []
    for state in states:
        findings += [finding for finding in state.findings if finding not in findings]
    return StateReport(states[0].before, states[-1].after, findings)


def _fastest(sessions: Sequence[MeasuredContext]) -> dict[str, float]:
    """The largest peak of each build in any shard."""
    peaks: dict[str, float] = {}
    for session in sessions:
        for role, rate in session.limits_gflop_per_s.items():
            peaks[role] = max(rate, peaks.get(role, 0.0))
    return peaks


def _total(sessions: Sequence[MeasuredContext]) -> dict[str, float]:
    """The wall time of all shards by stage, in seconds."""
    total: dict[str, float] = {}
    for session in sessions:
        for stage, spent_s in session.wall_time_s.items():
            total[stage] = total.get(stage, 0.0) + spent_s
    return total


def _curves(sessions: Sequence[MeasuredContext]) -> dict[str, dict[int, Accuracy]]:
    """The curves of the trainings of all shards: each is trained in one shard, whichever ends last."""
    curves: dict[str, dict[int, Accuracy]] = {}
    for session in sessions:
        for title, by_ranks in session.curves.items():
            curves.setdefault(title, {}).update(by_ranks)
    return curves


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
