"""A pytest session over the suite as a process of its own, watched from outside."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from statistics import mean, median
from types import TracebackType
from typing import Any, Self

import psutil
import pytest

from perf.cache import cache_folder
from perf.files import ROOT
from tests.support.inline import OWN, Finished

# Tests wait for each step.
EVERY_STEP = "--perf-progress=0.001"
SMOKE = ("perf/cnn/test_inference.py", "--perf-tier=smoke", EVERY_STEP)
# Two cases without a network to prepare.
RECURRENT = ("perf/rnn/test_inference.py", "--perf-tier=smoke", EVERY_STEP)
HANG_S = 300.0
# Hypothesis's plugin imports all of it at the end of a session.
NO_HYPOTHESIS = ("-p", "no:hypothesispytest")
# Wide enough for every line and column that tests look for; tests/unit/report tries the widths of terminals.
COLUMNS = 1000
# Durations in ns of a case: slot by slot, instance by instance, pass by pass.
Slots = list[list[list[int]]]


class Session:
    """`python -m pytest OPTIONS` in a process group of its own; on leaving, the group is gone.

    Its temporary files go into `temporary`: they tell its workers from those of other sessions. Its cache is there too,
    with the user's own builds and networks, so that runs of tests do not push out what the user measured.
    """

    def __init__(self, temporary: Path, *options: str, before: Sequence[str] = (), program: str = "pytest") -> None:
        self._temporary = temporary
        self._printed: list[str] = []
        environment = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
        environment["MXNET_PERF_CACHE"] = str(cache_of(temporary))
        environment["MXNET_PERF_LOCK"] = str(temporary)  # other tests measure meanwhile
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", program, *NO_HYPOTHESIS, *options],
            cwd=ROOT,
            env={**environment, "TMPDIR": str(temporary), "COLUMNS": str(COLUMNS)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._guard = threading.Timer(HANG_S, self._kill)
        self._guard.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guard.cancel()
        self._kill()
        self.process.communicate()

    def wait_for(self, text: str) -> None:
        """Wait until a line with `text` is printed."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._printed.append(line)
            if text in line:
                return
        raise AssertionError(f"never printed: {text}\n{''.join(self._printed)}")

    def finish(self) -> Finished:
        """Wait for the end."""
        assert self.process.stdout is not None
        self._printed.extend(self.process.stdout)
        return Finished(self.process.wait(), "".join(self._printed))

    def workers(self) -> dict[str, psutil.Process]:
        """The session's workers that are alive, by variant; found by where they write, whoever their parent."""
        workers = {}
        for process in psutil.process_iter(["cmdline"]):
            log = stderr_of(process)
            if "perf.worker" in (process.info["cmdline"] or ()) and log and log.is_relative_to(self._temporary):
                workers[log.name.partition("-0.log")[0]] = process
        return workers

    def worker(self, variant: str, *, speaking: bool = False) -> psutil.Process:
        """Wait for a variant's worker to be there, and with `speaking` until it has said a whole line."""
        while self.process.poll() is None:
            process = self.workers().get(variant)
            log = stderr_of(process) if process else None
            if process and log and (not speaking or b"\n" in log.read_bytes()):
                return process
            time.sleep(0.005)
        raise AssertionError(f"the session ended before there was a worker for {variant}")

    def _kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)


def cache_of(temporary: Path) -> Path:
    """A cache in `temporary` that shares builds and networks with the user's, and nothing else."""
    cache = temporary / "cache"
    cache.mkdir(exist_ok=True)
    for shelf in ("builds", "networks"):
        if not (cache / shelf).exists():
            users = cache_folder(None) / shelf
            users.mkdir(exist_ok=True)
            (cache / shelf).symlink_to(users)
    return cache


def stderr_of(process: psutil.Process) -> Path | None:
    """The file that a process has as its standard error."""
    try:
        return Path(f"/proc/{process.pid}/fd/2").readlink()
    except OSError:
        return None


def run(temporary: Path, *options: str, before: Sequence[str] = ()) -> Finished:
    """Run a session to its end; none of its workers and temporary files may be left."""
    with Session(temporary, *options, before=before) as session:
        finished = session.finish()
        assert not session.workers()
    assert not list(temporary.glob("mxnet-perf-*"))
    return finished


def slots_of(lines: Iterable[str]) -> dict[str, Slots]:
    """Return the slots in a journal by case: its workload and variant."""
    slots: dict[str, Slots] = defaultdict(list)
    for line in lines:
        if measured := json.loads(line).get("measured"):
            for block in measured["invocation"]["blocks"]:
                for variant, slot in block["slots"].items():
                    slots[f"{measured['key']['workload']} {variant}"].append(slot["instances_ns"])
    return slots


def check_sum_and_mean(stored: dict[str, Any], slots: Slots) -> None:
    """Compute a case's throughput, the sum over instances, and its latency, their mean, from its passes once more, and
    compare it with what pytest-benchmark stored.
    """
    info = stored["extra_info"]
    instances = [[ns / 1e9 for passes in of_instance for ns in passes] for of_instance in zip(*slots, strict=True)]
    assert len(instances) == info["instances"]
    throughput = sum(info["items_per_pass"] / mean(passes) for passes in instances)
    assert info["throughput_items_per_s"] == pytest.approx(throughput, rel=1e-6)
    latencies = [mean(median(passes) for passes in slot) / 1e9 for slot in slots]
    assert info["latency_s"] == pytest.approx(median(latencies), rel=1e-4)
    assert sorted(stored["stats"]["data"]) == pytest.approx(sorted(chain(*instances)))
