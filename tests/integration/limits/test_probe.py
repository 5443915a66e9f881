"""The probe on this machine's own cores. No test asserts an absolute rate."""

import os
import signal
import subprocess
import threading
import time
from functools import partial

import msgspec
import psutil
import pytest

from perf.limits.cpu import read_cpu
from perf.limits.kernels import kernels
from perf.limits.probe import PAGE, _run, probe, timetable
from perf.limits.request import Turn
from perf.machine import Placement, find_numactl, place_instances, read_topology

pytestmark = pytest.mark.alone


def placements(instances: int | None = None) -> tuple[Placement, ...]:
    topology = read_topology()
    return place_instances(topology, instances=instances, numactl=find_numactl(topology))


def test_every_kind_of_limit_is_measured() -> None:
    whole = probe(placements())
    said = " ".join(problem for problem in whole.problems if "never worked at the same time" in problem)
    missing = {"fp32", "int8", "read", "copy"} - {limit.kind for limit in whole.kernels}
    assert all(kind in said for kind in missing), "only a busy machine keeps one from being measured, and it is said"
    assert all(limit.rate > 0 for limit in whole.kernels)
    assert not [problem for problem in whole.problems if "ended" in problem]


def test_int8_is_faster_than_fp32() -> None:
    limits = probe(placements())
    assert limits.fp32 is not None
    assert limits.int8 is not None
    assert limits.int8.rate > limits.fp32.rate


@pytest.mark.skipif(read_topology().physical_cores < 2, reason="needs two cores")
def test_instances_start_together_and_add_up() -> None:
    limits = probe(placements(2))
    assert limits.cores == read_topology().physical_cores
    assert limits.fp32 is not None


def test_a_probe_that_is_killed_says_so() -> None:
    def kill() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for child in psutil.Process(os.getpid()).children(recursive=True):
                if "perf.limits.program" in child.cmdline():
                    child.send_signal(signal.SIGKILL)
                    return
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    limits = probe(placements())
    killer.join()
    assert limits.kernels == []
    assert any("signal 9" in problem for problem in limits.problems)


def test_the_command_prints_json() -> None:
    finished = subprocess.run(["mxperf", "limits", "--json"], capture_output=True, text=True, check=False)
    assert finished.returncode in {0, 1}, finished.stderr
    assert msgspec.json.decode(finished.stdout)["kernels"]


@pytest.mark.skipif("avx512f" in read_cpu().flags, reason="needs a CPU without AVX-512")
def test_an_instruction_that_the_cpu_lacks_ends_the_probe_and_keeps_earlier_kernels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = [kernels()[name] for name in ("fp32_avx2", "fp32_avx512")]
    monkeypatch.setattr("perf.limits.probe.kernels_for", lambda _: chosen)
    limits = probe(placements())
    assert [limit.kernel for limit in limits.kernels] == ["fp32_avx2"]
    assert any("signal 4" in problem for problem in limits.problems)


@pytest.mark.skipif("amx_tile" in read_cpu().flags, reason="needs a CPU without AMX")
def test_amx_that_the_kernel_does_not_grant_is_named_and_never_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [kernels()[name] for name in ("int8_avx2", "int8_amx")]
    monkeypatch.setattr("perf.limits.probe.kernels_for", lambda _: chosen)
    limits = probe(placements())
    assert [limit.kernel for limit in limits.kernels] == ["int8_avx2"]
    assert any(problem.startswith("int8_amx was not measured: Linux") for problem in limits.problems)


@pytest.mark.skipif(read_topology().physical_cores < 2, reason="needs two cores")
def test_an_instance_whose_replies_exceed_its_pipe_keeps_to_the_timetable(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two times 24 CPUs write more than a pipe of 64 KB holds; two times one CPU more than one of 4 KB.
    monkeypatch.setattr(subprocess, "Popen", partial(subprocess.Popen, pipesize=4096))
    short = timetable([kernels()["fp32_avx2"], kernels()["int8_avx2"]] * 3)
    long = Turn("fp32_avx2", short[-1].start_s + 0.2, 1.0)
    replies, problems = _run(placements(2), (*short, long), 2 * PAGE)
    assert problems == []
    first, second = (of_one[-1].threads[0].stamps_ns for of_one in replies)
    assert second[0][0] < first[-1][1], "the second instance waited until the first one had ended"
