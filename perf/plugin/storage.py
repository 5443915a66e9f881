"""Where runs are kept and found, in place of pytest-benchmark's own saving and comparing.

pytest-benchmark would save a run whose tests failed or that was interrupted, write it in place, give two sessions one
number, and let a case pass that its baseline does not hold. Its options keep their spelling and their meaning; the
work behind `--benchmark-save` and `--benchmark-compare` is done here, on its own JSON.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.storage.file import FileStorage

from perf.machine import read_machine
from perf.runs.baseline import BASELINES, PUBLISHED, published_classes, usable_baseline
from perf.runs.document import Run
from perf.runs.shelf import check_inside, next_number

UNSET = "file://./.benchmarks"  # pytest-benchmark's own default
COLUMNS = ["min", "median", "iqr", "rounds"]


@dataclass(frozen=True)
class Storage:
    """What the user wants kept and compared. `folder` holds the runs of one machine class; `save` is a run's name or
    None; `compare` is None, "" for the latest run, or which one in pytest-benchmark's spelling.
    """

    folder: Path
    save: str | None
    compare: str | None

    @property
    def words(self) -> list[str]:
        """The command-line words that compare with the same run; none when nothing is compared."""
        if self.compare is None:
            return []
        words = ["--benchmark-compare" + (f"={self.compare}" if self.compare else "")]
        return words if self.folder.parent == BASELINES else [f"--benchmark-storage=file://{self.folder}", *words]


@dataclass(frozen=True)
class Baseline:
    """What a session is judged by: a stored run, or the published tables, when `run` is None."""

    name: str
    run: Run | None


def take_over(config: pytest.Config) -> Storage:
    """Take saving and comparing from pytest-benchmark, and show fewer columns. UsageError for what cannot work."""
    option = config.option
    if option.benchmark_columns is None:
        option.benchmark_columns = COLUMNS
    if option.benchmark_compare_fail:
        raise pytest.UsageError(
            "--benchmark-compare-fail would judge absolute times, which move with the machine; --benchmark-compare "
            "judges speedups, by the tolerances in baselines/tolerances.toml"
        )
    if option.benchmark_storage == UNSET:
        option.benchmark_storage = f"file://{BASELINES / read_machine().machine_class}"
    if "://" in option.benchmark_storage and not option.benchmark_storage.startswith("file://"):
        raise pytest.UsageError("--benchmark-storage: runs are kept in folders only, such as file://./runs")
    compare = option.benchmark_compare
    if isinstance(compare, str) and Path(compare).is_dir():
        raise pytest.UsageError(f"--benchmark-compare took {compare} for a stored run: name folders before this option")
    storage = Storage(
        folder=Path(option.benchmark_storage.removeprefix("file://")).absolute(),
        save=option.benchmark_save or option.benchmark_autosave,
        compare="" if compare is True else compare or None,
    )
    option.benchmark_save = option.benchmark_autosave = option.benchmark_compare = None
    return storage


def find_baseline(storage: Storage, machine_class: str) -> Baseline | None:
    """The run to compare with; the published tables for the announcement's own instance types until there is one; None
    when there is neither. PerfError when the run cannot be used, UsageError when the user named none or several.
    """
    spelled = storage.compare or ""
    if spelled == PUBLISHED:
        if machine_class in published_classes():
            return Baseline(PUBLISHED, None)
        classes = " and ".join(published_classes())
        raise pytest.UsageError(
            f"--benchmark-compare={PUBLISHED}: the tables hold for {classes}, not for {machine_class}"
        )
    path = _chosen(storage.folder, spelled) if spelled else _latest(storage.folder)
    if path is None:
        return Baseline(PUBLISHED, None) if machine_class in published_classes() else None
    if path.parent.absolute().is_relative_to(storage.folder):
        check_inside(path, storage.folder)
    return Baseline(path.name, usable_baseline(path, machine_class))


def _latest(folder: Path) -> Path | None:
    number = next_number(folder) - 1
    return max((path for pattern in ("", "*/") for path in folder.glob(f"{pattern}{number:04}_*.json")), default=None)


def _chosen(folder: Path, spelled: str) -> Path:
    # Without types and, since its logger is only used for files that it loads itself, without a logger.
    storage: Any = FileStorage(folder, None)  # type: ignore[no-untyped-call]
    try:
        found = storage.query(spelled)
    except ValueError as error:
        raise pytest.UsageError(f"--benchmark-compare={spelled}: {error}") from error
    if len(found) == 1:
        return Path(found[0])
    problem = f"matches {', '.join(path.name for path in found)}" if found else "matches no stored run"
    there = ", ".join(path.name for path in storage.query("[0-9][0-9][0-9][0-9]_")) or "none"
    raise pytest.UsageError(f"--benchmark-compare={spelled} {problem}; in {folder} there are: {there}")
