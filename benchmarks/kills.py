"""Kill a session again and again: every case must be there in the end, and none may be measured twice.

`uv run python -m benchmarks.kills` kills a session of the smoke tier, with all its workers, at ten random moments. Each
time it takes the session up again with `--perf-resume`. It lets the last one come to its end, and prints what the
journal held.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from perf.cache import cache_folder
from perf.runs.schema import read_run

KILLS = 10
INVOCATIONS = 30
COMMAND = [sys.executable, "-m", "pytest", "perf/cnn", "--perf-tier=smoke", f"--perf-invocations={INVOCATIONS}", "-q"]
SEED = 20190713


def main() -> None:
    draw = random.Random(SEED)
    cache = Path(tempfile.mkdtemp(prefix="kills-"))
    for shelf in ("builds", "networks"):
        (cache / shelf).symlink_to(cache_folder(None) / shelf)
    table = Table("session", "killed after", "invocations in the journal", "all earlier ones unchanged")
    earlier: list[str] = []
    kills = 0
    while True:
        limit_s = draw.uniform(2.0, 25.0) if kills < KILLS else None
        code, seconds = _session(cache, limit_s)
        found = _invocations(cache)
        unchanged = "yes" if found[: len(earlier)] == earlier else "NO"
        table.add_row(str(kills + 1), f"{seconds:.1f} s" if code < 0 else "not at all", str(len(found)), unchanged)
        earlier = found
        if code >= 0:
            break
        kills += 1
    console = Console(width=120)
    console.print(table)
    (run,) = cache.glob("runs/*/run.json")
    workloads = Counter(json.loads(line)["measured"]["workload"] for line in earlier)
    console.print(f"exit code {code}; cases in the run: {len(read_run(run).cases)}; invocations: {dict(workloads)}")


def _session(cache: Path, limit_s: float | None) -> tuple[int, float]:
    """One session, its process group killed after `limit_s`: its exit code (negative: killed) and duration in s."""
    resume = ["--perf-resume"] if _invocations(cache) else []
    started = time.monotonic()
    environment = {**os.environ, "MXNET_PERF_CACHE": str(cache)}
    process = subprocess.Popen(
        [*COMMAND, *resume],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode, time.monotonic() - started


def _invocations(cache: Path) -> list[str]:
    """The journal's whole lines that hold a measured invocation."""
    lines = [
        line for path in sorted(cache.glob("runs/*/journal.jsonl"))[-1:] for line in path.read_text().split("\n")[:-1]
    ]
    return [line for line in lines if '"measured"' in line]


if __name__ == "__main__":
    main()
