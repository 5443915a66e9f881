"""From a run to its history file, and from a folder to the nights that it holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from perf.errors import PerfError
from perf.files import ROOT, read_json, write_whole
from perf.history.schema import (
    SIDE_BY_SIDE,
    Comparison,
    NightFile,
    RunHeader,
    add_command,
    columns_of,
    digest,
    read_night,
    stack_digest,
)
from perf.judge.judgement import VerdictKind
from perf.judge.statistics import trimmed_mean
from perf.runs.schema import StoredCase, StoredRun, ended_at, read_run
from perf.stack import Stack

# The folder of the repository's history, a folder for each machine class.
HISTORY = ROOT / "history"
# The accepted levels of a machine class, in the folder of its history.
ACCEPTED = "accepted.toml"
# Files of a history's folder that belong to people.
_OF_PEOPLE = frozenset({ACCEPTED, "README.md"})
# Digits of log ratios: accurate to a millionth, far below any variance.
_PLACES = 6
_PLACES_OF_VARIANCE = 9


class _Judged(msgspec.Struct, frozen=True):
    kind: VerdictKind


class _Info(msgspec.Struct, frozen=True):
    workload: str
    variant: str
    verdict: _Judged | None = None


class _Benchmark(msgspec.Struct, frozen=True):
    extra_info: _Info


class _Commit(msgspec.Struct, frozen=True):
    id: str | None = None


class _Rest(msgspec.Struct, frozen=True):
    """What a history file holds of a run in addition to what verdicts need."""

    benchmarks: list[_Benchmark]
    commit_info: _Commit = _Commit()


@dataclass(frozen=True)
class Nights:
    """The `files` of one `machine_class`, oldest first. `unusable` says which files of the folder could not be used and
    why, and `repeated` which ones hold a run that another file holds too. `foreign` are the other machine classes whose
    files the folder holds.
    """

    machine_class: str
    files: tuple[NightFile, ...]
    unusable: tuple[PerfError, ...] = ()
    repeated: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


def night_of(path: Path, *, locked: bool = False) -> NightFile:
    """Return what the history keeps of the run in a file. Raises PerfError, naming the file, when it is not a stored
    run, or is unfinished, a shard, slowed down on purpose or without comparisons; and, if it must run the `locked`
    wheels, when a case of it ran another one.
    """
    run, rest = read_run(path), read_json(path, _Rest)
    if not run.perf.complete:
        raise PerfError("is an unfinished run", subject=str(path), next_step="finish it with --perf-resume")
    if run.perf.shard:
        step = "join all shards, and add what they make: mxperf merge SHARD.json... -o RUN.json"
        raise PerfError(f"is {run.perf.shard.text} of a night", subject=str(path), next_step=step)
    if run.perf.injected:
        message = "was slowed down on purpose (--perf-inject)"
        raise PerfError(message, subject=str(path), next_step="add another run")
    candidates = sorted({case.stack.requirement for case in run.cases.values() if not case.wheel_locked})
    if locked and candidates:
        message = f"ran {', '.join(candidates)}, and this history is that of the locked wheels"
        step = "keep it in a history of its own: mxperf history add RUN.json --folder FOLDER"
        raise PerfError(message, subject=str(path), next_step=step)
    infos = [benchmark.extra_info for benchmark in rest.benchmarks]
    verdicts = {f"{info.workload}-{info.variant}": info.verdict.kind for info in infos if info.verdict}
    stacks: dict[str, Stack] = {}
    missing = dict(run.perf.left_out)
    comparisons = sorted(_comparisons(run, verdicts, stacks, missing), key=lambda line: (line.case, line.over))
    if not comparisons:
        raise PerfError("holds no comparison", subject=str(path), next_step="add another run")
    fields, places = columns_of(stacks)
    header = RunHeader(
        machine_class=run.perf.machine_class,
        ended=ended_at(run.datetime),
        run=_identity(run),
        host_id=run.perf.host_id,
        commit=rest.commit_info.id,
        settings=run.perf.settings,
        tolerances=run.perf.tolerances,
        not_measured=dict(sorted(missing.items())),
        references=sorted(run.cases.keys() - {line.case for line in comparisons}),
        fields=fields,
        stacks=places,
        comparisons=len(comparisons),
    )
    return NightFile(header, tuple(comparisons))


def keep(night: NightFile, folder: Path) -> Path | None:
    """Write a history file into a folder, and return its path; None if the folder holds the run already. Raises
    PerfError when it cannot be written, or when the folder belongs to another machine class.
    """
    if folder.is_dir():
        present = read_nights(folder, night.header.machine_class)
        if any(known.header.run == night.header.run for known in present.files):
            return None
        # One misplaced file must not stop a class's own history, but nothing may make a folder that holds two of them.
        if present.foreign and not present.files:
            message = f"is the history of {', '.join(present.foreign)}, and the run is of {night.header.machine_class}"
            raise PerfError(message, subject=str(folder), next_step="name a folder of its own: --folder")
    path = folder / night.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, night.content)
    except OSError as error:
        message, step = f"cannot be written: {error.strerror}", "free some space, or name another folder: --folder"
        raise PerfError(message, subject=str(path), next_step=step) from error
    return path


def read_nights(folder: Path, machine_class: str | None = None) -> Nights:
    """Return the nights in a folder, whatever the order of its files, each run once. A file that cannot be used is
    named, and the rest is used. Raises PerfError when the folder holds no history of the machine class (by default the
    class of its files), or files of several classes and none is named.
    """
    files: dict[Path, NightFile] = {}
    unusable: list[PerfError] = []
    for path in _paths(folder):
        try:
            files[path] = read_night(path)
        except PerfError as error:
            unusable.append(error)
    classes = sorted({file.header.machine_class for file in files.values()})
    if machine_class is None and len(classes) > 1:
        message = f"holds the history of several machine classes: {', '.join(classes)}"
        raise PerfError(message, subject=str(folder), next_step="name one of them with --class")
    chosen = machine_class or next(iter(classes), "")
    kept: dict[str, NightFile] = {}
    repeated = []
    for path, file in sorted(files.items(), key=lambda entry: (entry[1].header.ended, entry[0].name)):
        if file.header.machine_class != chosen:
            message = f"belongs to machine class {file.header.machine_class}, not {chosen}"
            step = f"move it to the folder of its class, such as {folder.parent / file.header.machine_class}"
            unusable.append(PerfError(message, subject=str(path), next_step=step))
        elif file.header.run in kept:
            repeated.append(path.name)
        else:
            kept[file.header.run] = file
    foreign = tuple(name for name in classes if name != chosen)
    return Nights(chosen, tuple(kept.values()), tuple(unusable), tuple(repeated), foreign)


def folder_of(folder: Path | None, machine_class: str | None) -> Path:
    """Return the folder that a user means: the one named, or that of a machine class, or the only one. Raises PerfError
    when there is none or more than one.
    """
    if folder is not None or machine_class is not None:
        chosen = folder or HISTORY / str(machine_class)
        if chosen.is_dir():
            return chosen
        message = "is not a folder" if chosen.exists() else "does not exist"
        raise PerfError(message, subject=str(chosen), next_step=f"add a run: {add_command()}")
    folders = sorted(path for path in HISTORY.glob("*") if path.is_dir())
    if len(folders) == 1:
        return folders[0]
    if not folders:
        raise PerfError("holds no history yet", subject=str(HISTORY), next_step=f"add a run: {add_command()}")
    listed = ", ".join(path.name for path in folders)
    message = f"holds the history of several machine classes: {listed}"
    raise PerfError(message, subject=str(HISTORY), next_step="name one of them with --class")


def _paths(folder: Path) -> Iterator[Path]:
    """Yield the files of a history's folder; whatever does not belong there is one of them, so that it is named. Raises
    PerfError when it is not a folder that can be read.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        message, step = f"cannot be read as a folder: {error.strerror}", "name another folder: --folder"
        raise PerfError(message, subject=str(folder), next_step=step) from error
    for path in paths:
        if path.name.startswith(".") or path.name in _OF_PEOPLE or path.is_dir():
            continue
        yield path


def _comparisons(
    run: StoredRun, verdicts: Mapping[str, VerdictKind], stacks: dict[str, Stack], missing: dict[str, str]
) -> Iterator[Comparison]:
    """Yield the comparisons of a run; their stacks go into `stacks`, and what has no figure into `missing`."""

    def digest_of(stack: Stack) -> str:
        name = stack_digest(stack)
        stacks.setdefault(name, stack)
        return name

    for name, case in run.cases.items():
        for over, value, variance, invocations, stack in _ratios(case):
            reference = f"{case.workload}-{over}"
            if not invocations:
                problem = case.side_by_side.problem if case.side_by_side and over == SIDE_BY_SIDE else None
                missing[f"{name} over {over}"] = problem or "no undisturbed measurement"
                continue
            yield Comparison(
                case=name,
                over=over,
                family=case.family,
                verdict=verdicts.get(name),
                log_ratio=round(value, _PLACES),
                variance=round(variance, _PLACES_OF_VARIANCE),
                invocations=invocations,
                stack=digest_of(case.stack),
                over_stack=digest_of(stack),
                over_latency_s=run.cases[reference].latency_s if reference in run.cases else None,
            )


def _ratios(case: StoredCase) -> Iterator[tuple[str, float, float, int, Stack]]:
    """Yield the ratios of a case: what it is over, the log ratio, its variance, its invocations, and the stack.

    Side by side, a night is the trimmed mean of its invocations: the mean of six of which one lies 20 % off is 3 % off,
    so that steps were noticed late on a machine with load (docs/explanation/history.md). The gate has confirmations for
    that.
    """
    for over, sample in case.samples.items():
        observed = sample.observed
        figures = (observed.log_ratio, observed.variance, observed.invocations) if observed else (0.0, 0.0, 0)
        yield (over, *figures, sample.over)
    if case.side_by_side is not None:
        values: Sequence[float] = [] if case.side_by_side.problem else case.side_by_side.values
        yield (SIDE_BY_SIDE, *(trimmed_mean(values) if values else (0.0, 0.0)), len(values), case.side_by_side.stack)


def _identity(run: StoredRun) -> str:
    """Return the digest of what a run measured, whatever was judged of it and however it was written."""
    cases = {name: (case.samples, case.side_by_side) for name, case in run.cases.items()}
    return digest(msgspec.json.encode((run.datetime, run.perf.machine_class, run.perf.host_id, cases), order="sorted"))
