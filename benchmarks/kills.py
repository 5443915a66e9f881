"""Kill and resume a session repeatedly: every case must be measured in the end, and none twice.

`uv run python -m benchmarks.kills` kills a session of the smoke tier, with all its workers, at ten random moments, and
resumes it each time with `--perf-resume`. The last session may finish. Then it prints what the journal contained after
each one.
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
# Enough for the session to outlast all kills.
INVOCATIONS = 30
COMMAND = [sys.executable, "-m", "pytest", "perf/cnn", "--perf-tier=smoke", f"--perf-invocations={INVOCATIONS}", "-q"]
SEED = 20190713


def main() -> None:
    """Kill and resume the session, and print what its journal contained."""
    draw = random.Random(SEED)
    cache = Path(tempfile.mkdtemp(prefix="kills-"))
    for name in ("builds", "networks"):
        (cache / name).symlink_to(cache_folder(None) / name)
    table = Table("session", "killed after", "invocations in the journal", "all earlier ones unchanged")
    earlier: list[str] = []
    kills = 0
    while True:
        limit_s = draw.uniform(2.0, 25.0) if kills < KILLS else None
        code, duration_s = _session(cache, limit_s)
        invocations = _invocations(cache)
        unchanged = "yes" if invocations[: len(earlier)] == earlier else "NO"
        table.add_row(
            str(kills + 1), f"{duration_s:.1f} s" if code < 0 else "not at all", str(len(invocations)), unchanged
        )
        earlier = invocations
        if code >= 0:
            break
        kills += 1
    console = Console(width=120)
    console.print(table)
    (run,) = cache.glob("runs/*/run.json")
    workloads = Counter(json.loads(line)["measured"]["workload"] for line in earlier)
    console.print(f"exit code {code}; cases in the run: {len(read_run(run).cases)}; invocations: {dict(workloads)}")


def _session(cache: Path, limit_s: float | None) -> tuple[int, float]:
    """Run a session and kill its process group after `limit_s`. Return its exit code (negative if it was killed) and
    its duration in seconds.
    """
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
    """Return the complete lines of the journal that contain a measured invocation."""
    lines = [
        line for path in sorted(cache.glob("runs/*/journal.jsonl"))[-1:] for line in path.read_text().split("\n")[:-1]
    ]
    return [line for line in lines if '"measured"' in line]


if __name__ == "__main__":
    main()
