"""Run short sessions in one process for a long time: nothing that a session takes may add up.

`uv run python -m benchmarks.soak [--minutes 60]` runs sessions of the smoke tier one after the other, with a cache and
a folder for temporary files of their own. After each one it reads the memory and the open files of this process, the
processes that are left, the temporary files and the size of the cache. Then it prints for each of them whether it
grows. The exit code is 1 when something grows or a session fails.
"""

import argparse
import gc
import io
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import psutil
import pytest
from rich.console import Console
from rich.table import Table
from scipy.stats import theilslopes

from perf.cache import VARIABLE, cache_folder
from perf.plugin.storage import KEPT_SESSIONS

SESSION = ["perf/rnn/test_inference.py", "--perf-tier=smoke", "-q", "-p", "no:cacheprovider"]
# The cache fills up to this number of sessions, and the first ones import everything.
SETTLING = KEPT_SESSIONS + 2
# Growth over the whole soak that is none: the allocator's own, as a fraction of the median.
ALLOWED_FRACTION = 0.02
# Readings that cannot show a trend.
FEWEST = 10
# Characters of the output of a session that failed.
SHOWN = 3000


@dataclass(frozen=True)
class Reading:
    """What is in use after a session: `memory_mb` of this process, its `open_files`, `processes` that the sessions
    started, `temporary_files`, and `cache_mb`.
    """

    memory_mb: float
    open_files: float
    processes: float
    temporary_files: float
    cache_mb: float


@dataclass(frozen=True)
class Trend:
    """How a quantity changed: its `median`, the `slope` a session with the ends of its 99 % interval, and the `growth`
    over all readings.
    """

    median: float
    slope: float
    low: float
    high: float
    growth: float

    @property
    def grows(self) -> bool:
        """Whether it grows significantly, and by more than the allocator explains."""
        return self.low > 0 and self.growth > ALLOWED_FRACTION * self.median


def trend_of(values: Sequence[float]) -> Trend:
    """Return the trend of readings, one a session. A few outliers do not move the slope, which is the median of the
    slopes between all pairs (Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968).
    """
    slope, _, low, high = theilslopes(values, range(len(values)), alpha=0.99)
    middle = sorted(values)[len(values) // 2]
    return Trend(middle, float(slope), float(low), float(high), float(slope) * (len(values) - 1))


def read(temporary: Path, cache: Path) -> Reading:
    """Read what is in use now. Collects garbage first: what only waits for that is not a leak."""
    gc.collect()
    own = psutil.Process()
    return Reading(
        memory_mb=own.memory_info().rss / 1e6,
        open_files=own.num_fds(),
        processes=len(_started(temporary)),
        temporary_files=sum(1 for _ in temporary.rglob("*")),
        cache_mb=sum(path.lstat().st_size for path in cache.rglob("*") if not path.is_symlink()) / 1e6,
    )


def _started(temporary: Path) -> list[psutil.Process]:
    """Return the processes that sessions started and that are left, wherever they hang in the tree of processes: the
    folder for temporary files tells them.
    """
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get("TMPDIR") == str(temporary):
                left.append(process)
    return left


def soak(minutes: float, temporary: Path, cache: Path, console: Console) -> tuple[list[Reading], int]:
    """Run sessions for this time. Return the reading after each one, and how many sessions failed."""
    readings: list[Reading] = []
    failed = 0
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        output = io.StringIO()
        with redirect_stdout(output), redirect_stderr(output):
            code = pytest.main(SESSION)
        if code:
            failed += 1
            console.print(f"session {len(readings) + 1} ended with {code!r}:", output.getvalue()[-SHOWN:], markup=False)
        readings.append(read(temporary, cache))
    return readings, failed


def table_of(readings: Sequence[Reading]) -> tuple[Table, bool]:
    """Return what became of each quantity once the sessions had settled, and whether one of them grows."""
    table = Table("", "first", "median", "last", "slope a session", "99 % interval", "verdict")
    grows = False
    for place, field in enumerate(fields(Reading)):
        values = [astuple(reading)[place] for reading in readings]
        trend = trend_of(values)
        grows = grows or trend.grows
        table.add_row(
            field.name.replace("_", " "),
            *(f"{value:.2f}" for value in (values[0], trend.median, values[-1])),
            f"{trend.slope:+.5f}",
            f"{trend.low:+.5f} to {trend.high:+.5f}",
            "GROWS" if trend.grows else "flat",
        )
    return table, grows


def main() -> None:
    """Soak, and print what grows."""
    parser = argparse.ArgumentParser(description="Run sessions in a loop, and report what grows.")
    parser.add_argument("--minutes", type=float, default=60.0)
    minutes: float = parser.parse_args().minutes
    console = Console(width=140)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        cache, temporary = Path(folder, "cache"), Path(folder, "tmp")
        for made in (cache, temporary):
            made.mkdir()
        for name in ("builds", "networks"):
            (cache / name).symlink_to(cache_folder(None) / name)
        os.environ |= {VARIABLE: str(cache), "TMPDIR": str(temporary)}
        tempfile.tempdir = str(temporary)
        started_s = time.monotonic()
        readings, failed = soak(minutes, temporary, cache, console)
        tempfile.tempdir = None
    console.print(
        f"{len(readings)} sessions in {(time.monotonic() - started_s) / 60:.1f} min, {failed} failed; "
        f"the first {SETTLING} are left out below"
    )
    settled = readings[SETTLING:]
    if len(settled) < FEWEST:
        console.print(f"too few sessions for a trend: {len(settled)} settled ones, {FEWEST} are needed")
        sys.exit(1)
    table, grows = table_of(settled)
    console.print(table)
    sys.exit(1 if grows or failed else 0)


if __name__ == "__main__":
    main()
