"""Measured sessions of a tiny network and a tiny recurrent one."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.numa.inside.machine import run
from tests.numa.inside.wrappers import path_without_numactl
from tests.support.session import cache_of

PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--perf-tier=smoke")


def measure(options: Sequence[str]) -> dict[str, Any]:
    """Run a session of the smoke tier; return its exit code and output, what pytest-benchmark stored of each case, and
    the lines of its journal.
    """
    folder = Path(mkdtemp())
    stored = folder / "run.json"
    command = [*PYTEST, *options]
    # Everything is many times slower here than the suite's own limits allow for.
    command += ["--perf-timeout=900", f"--benchmark-json={stored}"]
    finished = run(command, {"MXNET_PERF_CACHE": str(cache_of(folder)), "COLUMNS": "200"})
    journals = list(folder.glob("cache/runs/*/journal.jsonl"))
    return {
        **finished,
        "benchmarks": json.loads(stored.read_text())["benchmarks"] if stored.exists() else [],
        "journal": [line for journal in journals for line in journal.read_text().splitlines()],
    }


def without_numactl(options: Sequence[str]) -> dict[str, Any]:
    """Run a session where numactl is not installed; return its exit code and output."""
    return run([*PYTEST, *options], {"PATH": path_without_numactl(), "COLUMNS": "200"})
