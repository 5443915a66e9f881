"""Where pytest-benchmark keeps runs, and what is said when there is none to compare with."""

from pathlib import Path

import pytest

from perf.machine import read_machine

BASELINES = Path(__file__).resolve().parents[2] / "baselines"
UNSET = "file://./.benchmarks"  # pytest-benchmark's own default
COLUMNS = ["min", "median", "iqr", "rounds"]
NO_BASELINE = pytest.StashKey[Path]()


def set_benchmark_options(config: pytest.Config) -> None:
    """Keep runs by machine class under baselines/, unless the user chose a storage; show fewer columns; and see to it
    that a bare --benchmark-compare without a stored run is no error. PerfError when the machine cannot be read.
    """
    option = config.option
    if option.benchmark_columns is None:
        option.benchmark_columns = COLUMNS
    if option.benchmark_storage == UNSET:
        option.benchmark_storage = f"file://{BASELINES / read_machine().machine_class}"
    storage = Path(option.benchmark_storage.removeprefix("file://"))
    if option.benchmark_compare is True and not any(storage.rglob("[0-9][0-9][0-9][0-9]_*.json")):
        option.benchmark_compare = None
        config.stash[NO_BASELINE] = storage


def baseline_lines(config: pytest.Config, machine_class: str) -> list[str]:
    """What to say of a comparison that was asked for and could not be made; nothing otherwise."""
    if NO_BASELINE not in config.stash:
        return []
    where = "" if config.stash[NO_BASELINE].parent == BASELINES else f" in {config.stash[NO_BASELINE]}"
    return [
        f"No baseline is stored for machine class {machine_class}{where}; the published figures stand beside the "
        "measured ones.",
        "Store one with: uv run pytest perf/ --benchmark-save=NAME",
    ]
