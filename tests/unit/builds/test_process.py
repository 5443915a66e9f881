"""Environment variables, timeouts and interruptions of child processes."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
import uv

from perf.builds import process
from perf.builds.process import (
    Finished,
    recorded_shell_variables,
    run,
    run_uv,
    scrubbed_shell_variables,
    worker_variables,
)
from perf.errors import PerfError

STUBBORN = ["sh", "-c", "sleep 61 & echo $! > $PIDS; sleep 61; echo $$"]


SCRUBBED = """
    MXNET_SUBGRAPH_BACKEND OMP_PROC_BIND GOMP_CPU_AFFINITY KMP_BLOCKTIME MKLDNN_VERBOSE OPENBLAS_NUM_THREADS DMLC_ROLE
    LD_PRELOAD PYTHONPATH PYTHONHOME VIRTUAL_ENV UV_PROJECT_ENVIRONMENT
"""


@pytest.mark.parametrize("name", SCRUBBED.split())
def test_variables_that_would_change_a_measurement_are_scrubbed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "user")
    assert worker_variables({}, 1, {}).get(name) != "user"


def test_other_variables_are_inherited_and_threads_are_always_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")
    variables = worker_variables({"KMP_AFFINITY": "compact"}, 4, {"KMP_AFFINITY": "none", "OMP_NUM_THREADS": "9"})
    assert variables["LD_LIBRARY_PATH"] == "/opt/lib"
    assert variables["KMP_AFFINITY"] == "none"
    assert variables["OMP_NUM_THREADS"] == "4"
    with pytest.raises(ValueError, match="positive"):
        worker_variables({}, 0, {})


SHELL = {
    "EDITOR": "vi",
    "FI_PROVIDER": "tcp",
    "HOROVOD_CYCLE_TIME": "1",
    "I_MPI_FABRICS": "shm",
    "LD_BIND_NOW": "1",
    "LD_LIBRARY_PATH": "/opt/lib",
    "LD_PRELOAD": "libjemalloc.so",
    "MXNET_ENGINE_TYPE": "NaiveEngine",
    "MXNET_PERF_CACHE": "/cache",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": "/src",
    "VIRTUAL_ENV": "/venv",
}


def test_inherited_shell_variables_are_recorded() -> None:
    assert recorded_shell_variables(SHELL, distributed=False) == {"LD_BIND_NOW": "1", "LD_LIBRARY_PATH": "/opt/lib"}


def test_variables_of_horovod_and_mpi_are_recorded_for_ranks_only() -> None:
    assert recorded_shell_variables(SHELL, distributed=True) == {
        "FI_PROVIDER": "tcp",
        "HOROVOD_CYCLE_TIME": "1",
        "I_MPI_FABRICS": "shm",
        "LD_BIND_NOW": "1",
        "LD_LIBRARY_PATH": "/opt/lib",
    }


def test_recorded_variables_are_inherited_and_ignored_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SHELL.items():
        monkeypatch.setenv(name, value)
    inherited = worker_variables({}, 1, {})
    recorded = recorded_shell_variables(SHELL, distributed=True)
    assert {name: inherited.get(name) for name in recorded} == recorded
    assert not [name for name in scrubbed_shell_variables(SHELL) if inherited.get(name) == SHELL[name] != "1"]


def test_ignored_shell_variables_are_listed_unless_they_change_nothing() -> None:
    assert scrubbed_shell_variables(SHELL) == ["LD_PRELOAD", "MXNET_ENGINE_TYPE", "OMP_NUM_THREADS"]
    assert scrubbed_shell_variables({"EDITOR": "vi"}) == []


def test_uv_keeps_the_users_settings_but_not_their_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "uv"
    script.write_text("#!/bin/sh\nenv\n")
    script.chmod(0o755)
    monkeypatch.setattr(uv, "find_uv_bin", lambda: str(script))
    for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "UV_INDEX_URL", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "user")
    environment = run_uv("sync", timeout_s=10, subject="x").stdout.splitlines()
    assert {line for line in environment if line.endswith("=user")} == {"UV_INDEX_URL=user", "SSL_CERT_FILE=user"}
    assert "UV_LINK_MODE=copy" in environment


def test_a_missing_uv_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> None:
        raise uv._find_uv.UvNotFound("no uv")

    monkeypatch.setattr(uv, "find_uv_bin", nowhere)
    with pytest.raises(PerfError, match="uv is not installed"):
        run_uv("sync", timeout_s=10, subject="build mkl")


def test_an_error_shows_how_a_program_ended_and_its_last_lines() -> None:
    assert Finished(-7, "", "\n".join(map(str, range(99)))).last_lines().splitlines()[:2] == [
        "ended by SIGBUS",
        "  87",
    ]


def test_a_program_that_cannot_start_is_reported() -> None:
    with pytest.raises(PerfError, match="cannot be started"):
        run(["/nowhere/python"], environment={}, timeout_s=1, subject="build mkl")


def test_a_timeout_kills_the_program_and_its_children(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match=r"build mkl: sh did not finish within 0.005 min"):
        run(STUBBORN, environment=os.environ | {"PIDS": str(tmp_path / "pids")}, timeout_s=0.3, subject="build mkl")
    assert gone(tmp_path / "pids")


def test_an_interruption_kills_the_program_and_its_children(tmp_path: Path) -> None:
    pids, children = tmp_path / "pids", psutil.Process().children()
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(STUBBORN, environment=os.environ | {"PIDS": str(pids)}, timeout_s=60, subject="build mkl")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert gone(pids)
    assert psutil.Process().children() == children


def gone(pids: Path) -> bool:
    pid = int(pids.read_text())
    for _ in range(50):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_the_room_has_no_other_way_to_start_programs() -> None:
    sources = Path(process.__file__).parent.glob("*.py")
    assert [path.name for path in sources if "import subprocess" in path.read_text()] == ["process.py"]
