"""Sessions in which the machine fails: memory, CPU time, the clock, the disk, the network."""

import os
import re
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest

from perf.files import ROOT
from tests.integration.faults.cgroups import cpu_quota, inside, memory_limit, move
from tests.integration.plugin.test_trouble import report_of
from tests.support.session import RECURRENT, Session, cache_of, run

pytestmark = [pytest.mark.alone, pytest.mark.slow]
MKL = (*RECURRENT, "-kmkl")
TWICE = (*MKL, "--perf-invocations=2")
CASE = "test_inference[lstm-16-16-l2-n2-t5-mkl-fp32]"
# A worker needs 100 times as much.
LITTLE = 1 << 20


def in_namespace(*options: str, first: str = "true") -> tuple[str, ...]:
    """Words before a command: it runs in namespaces of its own, after `first`. Skips where that is not allowed."""
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid():
        pytest.skip("only root may make namespaces, with unshare")
    return (unshare, *options, "sh", "-c", f'{first} && exec "$@"', "sh")


def resumes(temporary: Path, *options: str) -> None:
    """What was measured before the fault is used again, and the session ends well."""
    finished = run(temporary, *options, "--perf-resume")
    assert finished.code == 0, finished.output
    # Memory may last for some time after the limit is set, and so may the session.
    assert re.search(r"Reusing [12] of 2 invocations", finished.output), finished.output


def test_a_worker_that_runs_out_of_memory_is_named_with_the_cause(tmp_path: Path) -> None:
    with memory_limit(LITTLE) as group, Session(tmp_path, *MKL) as session:
        session.wait_for("invocation 1")
        move(session.worker("mkl-fp32").pid, group)
        finished = session.finish()
        assert not session.workers()
    assert finished.code == pytest.ExitCode.TESTS_FAILED
    assert "the worker was ended by SIGKILL: memory ran out (dmesg)" in report_of(finished, CASE)
    assert "Traceback" not in finished.output


def test_a_session_that_runs_out_of_memory_resumes(tmp_path: Path) -> None:
    with memory_limit(LITTLE) as group, Session(tmp_path, *TWICE) as session:
        session.wait_for("invocation 2")
        move(session.process.pid, group)
        assert session.process.wait(60) == -signal.SIGKILL
        for _ in range(100):
            if not session.workers():
                break
            time.sleep(0.05)
        assert not session.workers()
    resumes(tmp_path, *TWICE)


def test_a_quota_of_one_cpu_is_named_and_not_other_programs(tmp_path: Path) -> None:
    if psutil.cpu_count() == 1:
        pytest.skip("needs several CPUs")
    with cpu_quota(0.5) as group:
        finished = run(tmp_path, *MKL, before=inside(group))
    assert finished.code == 0, finished.output
    assert "cpu_quota 0.5 CPUs" in finished.output
    assert re.search(r"doubtful while it ran: throttling .* ms: lift the quota", finished.output)
    assert "disturbed by the CPU quota of this control group, other programs or the hypervisor" in finished.output


def test_a_second_run_needs_no_network(tmp_path: Path) -> None:
    finished = run(tmp_path, *MKL, before=in_namespace("--net"))
    assert finished.code == 0, finished.output


def test_a_read_only_checkout_a_home_that_does_not_exist_and_no_shared_memory(tmp_path: Path) -> None:
    """Together: each alone would take as long. All paths have a space, and TMPDIR is a disk of its own."""
    folder = tmp_path / "a folder"
    checkout, temporary = folder / "check out", folder / "tmp"
    for path in (checkout, temporary):
        path.mkdir(parents=True)
    first = (
        f"mount --bind {ROOT} '{checkout}' && mount -o remount,bind,ro '{checkout}' && cd '{checkout}' && "
        f"mount -t tmpfs tmpfs '{temporary}' && export TMPDIR='{temporary}' && "
        "export OMP_NUM_THREADS=7 KMP_AFFINITY=disabled && "
        "if mountpoint -q /dev/shm; then umount -l /dev/shm && mount -t tmpfs -o ro tmpfs /dev/shm; fi && "
        f"export HOME='{folder}/missing/home' LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 && umask 077"
    )
    finished = run(folder, *MKL, before=in_namespace("--mount", first=first))
    assert finished.code == 0, finished.output
    assert "Speedup over native" in finished.output
    assert "ignored, though the shell sets them: KMP_AFFINITY" in finished.output


def test_a_cache_that_is_deleted_while_measuring_is_named(tmp_path: Path) -> None:
    with Session(tmp_path, *TWICE) as session:
        session.wait_for("invocation 2")
        shutil.rmtree(cache_of(tmp_path) / "runs")
        finished = session.finish()
        assert not session.workers()
    assert finished.code == 0, finished.output
    assert "The journal could not be written, so --perf-resume will lack cases: " in finished.output
    assert "This run could not be written: " in finished.output
    assert "Traceback" not in finished.output
