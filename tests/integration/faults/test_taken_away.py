"""Sessions that lose something while they measure, or never had it: a CPU, time, a system call, a file."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from perf.machine import Placement, format_cpulist, read_topology
from perf.measure.plan import Plan
from perf.measure.tiers import effort_of
from perf.measure.workers.worker_group import WorkerGroup
from tests.integration.faults.test_machine import CASE, MKL, TWICE, in_namespace
from tests.integration.measure.conftest import plan
from tests.integration.plugin.test_trouble import report_of
from tests.support.machines.denied import DENIED
from tests.support.session import HANG_S, Session, cache_of, run

__all__ = ["plan"]
pytestmark = pytest.mark.alone
STEPPED_CLOCK = Path(__file__).with_name("stepped_clock.c")
DAY_S = 24 * 60 * 60
TRAIN = ("perf/dist/test_scaling.py", "--perf-tier=smoke", "-k", "not 2hosts and mkl and r2")
STOPPED_S = 30.0


def failing(error: str, *calls: str) -> tuple[str, ...]:
    """Words before a command: its system calls of these names fail with this error. Skips where that is not allowed."""
    return (sys.executable, str(DENIED), error, ",".join(calls))


@pytest.mark.slow
def test_a_cpu_that_goes_offline_while_measuring_fails_the_case(tmp_path: Path) -> None:
    """The list of online CPUs is a file of the test's own: other programs need the real ones."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) == 1:
        pytest.skip("needs several CPUs")
    online = tmp_path / "online"
    online.write_text(f"{format_cpulist(cpus)}\n")
    first = f"mount --bind {online} /sys/devices/system/cpu/online"
    with Session(tmp_path, *MKL, before=in_namespace("--mount", first=first)) as session:
        session.wait_for("invocation 1")
        online.write_text(f"{cpus[0]}\n")
        finished = session.finish()
        assert not session.workers()
    assert finished.code == pytest.ExitCode.TESTS_FAILED
    assert "of its placement went offline: " in report_of(finished, CASE)
    assert "Traceback" not in finished.output


def test_a_slot_in_which_a_worker_was_stopped_is_lost(
    plan: Plan[Any], placements: tuple[Placement, ...], tmp_path: Path
) -> None:
    effort = dataclasses.replace(effort_of("smoke"), slot_s=0.3)
    group = WorkerGroup(plan.variants[1], placements, tmp_path, timeout_s=60)
    try:
        group.prepare(plan.workloads[0])
        group.warm_up(effort)
        (pid, *_) = group.pids
        stop = threading.Timer(0.1, os.kill, (pid, signal.SIGSTOP))
        resume = threading.Timer(1.1, os.kill, (pid, signal.SIGCONT))
        stop.start()
        resume.start()
        lost = group.run(effort).lost_share
    finally:
        group.close()
    assert lost is not None, "this kernel counts no waiting"
    assert lost > 0.5


@pytest.mark.slow
def test_a_session_whose_worker_is_stopped_for_30_s_goes_on(tmp_path: Path) -> None:
    with Session(tmp_path, *TWICE) as session:
        session.wait_for("invocation 1")
        worker = session.worker("mkl-fp32")
        deadline_s = time.monotonic() + STOPPED_S
        while time.monotonic() < deadline_s and worker.is_running():
            worker.suspend()  # again and again: the session continues it for its turn
            time.sleep(0.002)
        worker.resume()
        finished = session.finish()
    assert finished.code == 0, finished.output
    assert "Speedup over native" in finished.output


@pytest.mark.slow
def test_a_container_without_the_right_to_bind_memory_measures_and_says_so(tmp_path: Path) -> None:
    if shutil.which("numactl") is None or len(read_topology().nodes) > 1:
        pytest.skip("needs numactl, and one NUMA node: with several, the session is refused")
    finished = run(tmp_path, *MKL, before=failing("EPERM", "set_mempolicy", "mbind", "get_mempolicy"))
    assert finished.code == 0, finished.output
    assert "memory is not bound because there is one usable node and numactl" in finished.output
    assert "affinity" in finished.output


@pytest.mark.slow
def test_a_file_that_pytest_cannot_write_costs_no_summary(tmp_path: Path) -> None:
    """With warnings as errors, pytest's cache ends the session where it has none, as in a read-only checkout."""
    options = ("-W", "error::pytest.PytestCacheWarning", "-o", "cache_dir=/proc/nowhere")
    finished = run(tmp_path, *MKL, *options)
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert "Speedup over native" in finished.output
    assert "Another plugin could not write what it keeps of this session: PytestCacheWarning: " in finished.output
    assert "This run: " in finished.output
    assert "Traceback" not in finished.output


@pytest.mark.slow
def test_a_clock_that_is_set_while_measuring_changes_nothing(tmp_path: Path) -> None:
    """Back by a day, then forward by two: all durations are taken from a clock that cannot be set."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library, step = tmp_path / "stepped_clock.so", tmp_path / "step"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(STEPPED_CLOCK)], check=True)
    step.write_text("0")
    with Session(tmp_path, *TWICE, before=("env", f"LD_PRELOAD={library}", f"STEP_FILE={step}")) as session:
        session.wait_for("invocation 1")
        step.write_text(f"{-DAY_S}")
        session.wait_for("invocation 2")
        step.write_text(f"{DAY_S}")
        finished = session.finish()
    assert finished.code == 0, finished.output
    elapsed_s = re.search(r"^(-?\d+) s in all\.", finished.output, re.MULTILINE)
    assert elapsed_s, finished.output
    assert 0 <= int(elapsed_s[1]) < HANG_S
    assert re.search(r"\b0 of \d+ blocks? were disturbed", finished.output), finished.output
    stored = next(cache_of(tmp_path).glob("runs/*/run.json")).read_text()
    assert json.loads(stored)["datetime"].startswith(f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}")


@pytest.mark.slow
def test_training_needs_no_folder_of_shared_memory(tmp_path: Path) -> None:
    """With the usual devices in /dev and nothing else: Intel MPI shares memory without /dev/shm."""
    devices = tmp_path / "dev"
    devices.mkdir()
    names = ("null", "zero", "full", "random", "urandom", "tty")
    bound = " && ".join(f"touch {devices}/{name} && mount --bind /dev/{name} {devices}/{name}" for name in names)
    replaced = f"ln -s /proc/self/fd {devices}/fd && mount --rbind {devices} /dev && ! test -e /dev/shm"
    first = f"mount -t tmpfs tmpfs {devices} && {bound} && {replaced}"
    finished = run(tmp_path, *TRAIN, before=in_namespace("--mount", first=first))
    assert finished.code == 0, finished.output
    assert "Scaling efficiency" in finished.output
