"""Where runs are stored and looked up, in place of pytest-benchmark's own saving and comparing: baselines in a folder
of the user's, every session's own run in the cache.

pytest-benchmark would save a run whose tests failed or that was interrupted, write it in place, give two sessions the
same number, and let a case pass that its baseline does not hold. Its options keep their spelling and their meaning; the
work behind `--benchmark-save` and `--benchmark-compare` is done here, on its own JSON.
"""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.storage.file import FileStorage

from perf.cache import if_free, remove
from perf.errors import PerfError
from perf.files import ROOT, decoded, read_bytes, write_whole
from perf.judge.judgement import VerdictKind
from perf.machine import read_machine
from perf.measure.family import Case
from perf.measure.journal import LOCK
from perf.plugin.declaration import QUOTED
from perf.plugin.options import Options
from perf.plugin.values import NOT_UTF8, is_utf8, printable
from perf.published import published_classes
from perf.runs.acceptance import Waiver, encoded, store
from perf.runs.baseline import BASELINES, PUBLISHED, usable_baseline, usable_runs
from perf.runs.judges import Judge, NoBaseline, make_gate
from perf.runs.schema import RunContext, StoredRun, case_of_item, ended_at
from perf.runs.store import check_inside, find_run_files
from perf.runs.tolerances import Tolerances
from perf.runs.verdict import JudgedRun
from perf.wording import uv

# The folder of the cache that holds a folder for each session.
RUNS = "runs"
# The run of a session, in its folder.
RUN = "run.json"
# Sessions whose journals and runs stay in the cache: a nightly one takes 40 MB.
KEPT_SESSIONS = 20
# pytest-benchmark's own default.
UNSET = "file://./.benchmarks"
# What pytest-benchmark's table shows: a round is a counted pass, and passes have no calibrated iterations.
COLUMNS = ["min", "median", "iqr", "rounds"]


@dataclass(frozen=True)
class Storage:
    """What to store and what to compare with.

    folder: where runs are stored.
    save: the name of the run to store; None for none.
    compare: None for nothing, "" for the latest run, or which run, in pytest-benchmark's spelling.
    waiver: what a stored run may give up against the one before it.
    """

    folder: Path
    save: str | None
    compare: str | None
    waiver: Waiver

    @property
    def arguments(self) -> list[str]:
        """The arguments of the command line that compare with the same run; none when nothing is compared."""
        if self.compare is None:
            return []
        arguments = ["--benchmark-compare" + (f"={self.compare}" if self.compare else "")]
        if self.folder.parent == BASELINES:
            return arguments
        return [f"--benchmark-storage=file://{self.folder}", *arguments]


@dataclass(frozen=True)
class Baseline:
    """What a session is judged by.

    name: the stored run's file name, or "published".
    run: the stored run; None for the published tables.
    ignored: the files of other machine classes in its folder.
    """

    name: str
    run: StoredRun | None
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class StorageOutcome:
    """What became of a session's run.

    lines: where it is, and why it is not among the baselines if it should be.
    failed: whether it could not be stored where the user wanted it.
    """

    lines: Sequence[str]
    failed: bool = False


STORAGE = pytest.StashKey[Storage]()
STORED = pytest.StashKey[StorageOutcome]()


def take_over(config: pytest.Config, options: Options) -> Storage:
    """Take saving and comparing from pytest-benchmark, and let its table show fewer columns.

    Raises UsageError for what cannot work.
    """
    option = config.option
    if option.benchmark_columns is None:
        option.benchmark_columns = COLUMNS
    for name in ("storage", "save", "compare"):
        text = getattr(option, f"benchmark_{name}")
        if isinstance(text, str) and not is_utf8(text):
            raise pytest.UsageError(f"--benchmark-{name}={printable(text)}: {NOT_UTF8}")
    if option.benchmark_storage == UNSET:
        option.benchmark_storage = f"file://{BASELINES / read_machine().machine_class}"
    if "://" in option.benchmark_storage and not option.benchmark_storage.startswith("file://"):
        raise pytest.UsageError("--benchmark-storage: runs are stored in folders only, such as file://./runs")
    save = option.benchmark_save or option.benchmark_autosave
    if (options.drop or options.reason) and not save:
        raise pytest.UsageError("--perf-drop and --perf-reason are about a stored run: add --benchmark-save=NAME")
    if options.shard and save:
        raise pytest.UsageError(
            "--perf-shard runs a part of a night: store the whole with mxperf merge, mxperf refresh"
        )
    compare = option.benchmark_compare
    with suppress(OSError):  # a name that no folder can have
        if isinstance(compare, str) and Path(compare).is_dir():
            message = f"--benchmark-compare took {compare} for a stored run: name folders before this option"
            raise pytest.UsageError(message)
    storage = Storage(
        folder=Path(option.benchmark_storage.removeprefix("file://")).absolute(),
        save=save,
        compare="" if compare is True else compare or None,
        waiver=Waiver(options.drop, options.reason),
    )
    option.benchmark_save = option.benchmark_autosave = option.benchmark_compare = None
    return storage


def latest_stored(storage: Storage, machine_class: str) -> Path | None:
    """Return the file of the latest stored run, whatever the session compares with; None when there is none that can be
    used.
    """
    with suppress(PerfError):
        return find_run_files(storage.folder, machine_class).latest
    return None


def find_baseline(storage: Storage, machine_class: str) -> Baseline | None:
    """Return the run to compare with; the published tables for the announcement's own instance types until there is
    one; None when there is neither.

    Raises PerfError when the run cannot be used, UsageError when the user named none or several.
    """
    spelled = storage.compare or ""
    if spelled == PUBLISHED:
        if machine_class in published_classes():
            return Baseline(PUBLISHED, None)
        classes = " and ".join(published_classes())
        raise pytest.UsageError(
            f"--benchmark-compare={PUBLISHED}: the tables hold for {classes}, not for {machine_class}"
        )
    files = find_run_files(storage.folder, machine_class)
    path = _chosen(storage.folder, spelled) if spelled else files.latest
    if path is None:
        return Baseline(PUBLISHED, None, files.ignored) if machine_class in published_classes() else None
    if path.parent.absolute().is_relative_to(storage.folder):
        check_inside(path, storage.folder)
    return Baseline(path.name, usable_baseline(path, machine_class), files.ignored)


def _chosen(folder: Path, spelled: str) -> Path:
    # Without types and, since its logger is only used for files that it loads itself, without a logger.
    storage: Any = FileStorage(folder, None)  # type: ignore[no-untyped-call]
    try:
        matches = storage.query(spelled)
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise pytest.UsageError(f"--benchmark-compare={_shortened(spelled)}: {reason}") from error
    if len(matches) == 1:
        return Path(matches[0])
    problem = f"matches {', '.join(path.name for path in matches)}" if matches else "matches no stored run"
    stored = ", ".join(path.name for path in storage.query("[0-9][0-9][0-9][0-9]_")) or "none"
    raise pytest.UsageError(f"--benchmark-compare={_shortened(spelled)} {problem}; in {folder} there are: {stored}")


def _shortened(text: str) -> str:
    """How a message quotes what a user wrote: on one line, and not all of a long text."""
    return " ".join(text[:QUOTED].splitlines()) + "..." * (len(text) > QUOTED)


def choose_judge(storage: Storage, context: RunContext, selected: Sequence[Case], tolerances: Tolerances) -> Judge:
    """Return what judges a session's cases: nothing when the user compares with nothing."""
    if storage.compare is None:
        return NoBaseline()
    try:
        baseline = find_baseline(storage, context.machine_class)
    except PerfError as error:
        return NoBaseline(f"the baseline cannot be used: {error.what}", error)
    if baseline is None:
        step = f"store one with: {uv()} run pytest perf/ --benchmark-save=NAME"
        return NoBaseline(f"no run is stored for machine class {context.machine_class} ({step})")
    return make_gate(
        baseline.name,
        baseline.run,
        context,
        [*(case.id for case in selected), *context.elsewhere],
        list(dict.fromkeys(case.family.name for case in selected)),
        tolerances,
        usable_runs(storage.folder, context.machine_class),
        ignored=baseline.ignored,
    )


def known_latencies(storage: Storage, machine_class: str) -> dict[str, float]:
    """Return the seconds of a pass by case, each from the newest stored run of the class that has it."""
    runs = usable_runs(storage.folder, machine_class)
    return {name: case.latency_s for run in runs for name, case in run.cases.items()}


def store_run(document: Mapping[str, Any], storage: Storage, folder: Path, tolerances: Tolerances) -> StorageOutcome:
    """Write the run into the session's folder and, when asked to, among the stored runs of its machine class."""
    lines = []
    path = folder / RUN
    try:
        write_whole(path, encoded(document))
    except OSError as error:
        lines.append(f"This run could not be written: {path}: {error.strerror}")
    else:
        lines.append(f"This run: {path}")
    if storage.save is None:
        return StorageOutcome(lines)
    try:
        stored = store(document, storage.folder, storage.save, storage.waiver, tolerances)
    except PerfError as error:
        return StorageOutcome([*lines, str(error)], failed=True)
    return StorageOutcome([*lines, *stored.lines])


def baseline_path(storage: Storage, judge: Judge) -> Path:
    """Return the file of the stored run that judges a session."""
    paths = [storage.folder / judge.name, Path(storage.compare or judge.name)]
    return next((path for path in paths if path.is_file()), paths[0])


def judge_command(storage: Storage, judge: Judge, folder: Path) -> str:
    """Return the command that judges the run in a session's folder again; files of the checkout are named as in it."""
    paths = [folder / RUN, *([baseline_path(storage, judge)] if judge.baseline else [])]
    named = [str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path) for path in paths]
    return shlex.join([uv(), "run", "mxperf", "judge", *named])


def document_of(config: pytest.Config) -> dict[str, Any]:
    """Return pytest-benchmark's JSON of the session, without the samples, made by its own hooks."""
    session = config._benchmarksession  # type: ignore[attr-defined]  # noqa: SLF001 - its hooks have no other way
    commit_info = config.hook.pytest_benchmark_generate_commit_info(config=config)
    config.hook.pytest_benchmark_update_commit_info(config=config, commit_info=commit_info)
    document: dict[str, Any] = config.hook.pytest_benchmark_generate_json(
        config=config,
        benchmarks=session.benchmarks,
        include_data=False,
        machine_info=session.get_machine_info(),
        commit_info=commit_info,
    )
    config.hook.pytest_benchmark_update_json(config=config, benchmarks=session.benchmarks, output_json=document)
    return document


def last_verdicts(runs: Path, machine_class: str) -> dict[str, VerdictKind]:
    """Return the last verdict on each case, by its name, in the runs of a machine class that sessions have kept in the
    cache. What was left out of a run counts as `invalid`. Unfinished sessions do not count: resumed, they must select
    the cases that they selected before.
    """
    judged: list[tuple[float, JudgedRun]] = []
    for path in sorted(runs.glob(f"*/{RUN}")):
        with suppress(PerfError, ValueError, OverflowError):  # another schema, damaged, or an impossible time
            run = decoded(read_bytes(path), JudgedRun, path)
            if run.perf.complete and run.perf.machine_class == machine_class and any(run.kinds.values()):
                judged.append((ended_at(run.datetime).timestamp(), run))
    verdicts: dict[str, VerdictKind] = {}
    # Not by folder: that of a resumed session is named after its beginning.
    for _, run in sorted(judged, key=lambda pair: pair[0]):
        verdicts |= dict.fromkeys(map(case_of_item, run.perf.left_out), "invalid")
        verdicts |= {name: kind for name, kind in run.kinds.items() if kind is not None}
    return verdicts


def forget_old_sessions(runs: Path) -> None:
    """Remove all but the newest sessions' folders, and those of sessions that are still running."""
    folders = sorted((folder for folder in runs.iterdir() if folder.is_dir()), reverse=True)
    for folder in folders[KEPT_SESSIONS:]:
        with suppress(OSError), if_free(folder / LOCK) as free:
            if free:
                remove(folder)
