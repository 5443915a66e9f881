"""A worker that does not do as it should: what the measuring process says, and that nothing of it is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from perf.builds import Build
from perf.errors import WorkerError
from perf.files import ROOT
from perf.machine import Placement
from perf.measure.workers.instance import Instance
from perf.measure.workers.replies import Loaded, Proof, Ready


def test_a_worker_that_refused_a_request_answers_the_next_one(
    builds: Mapping[str, Build], placements: tuple[Placement, ...], tmp_path: Path
) -> None:
    with Instance(builds["native"], placements[0], tmp_path / "log", timeout_s=60) as instance:
        assert instance.receive(Ready).pid == instance.pid
        with pytest.raises(WorkerError, match=r"MXNetError: .*nowhere\.json"):
            instance.ask(Loaded, "load", symbol="/nowhere.json", params="/nowhere.params", subgraph=None, unknown={})
        with pytest.raises(WorkerError, match="AttributeError"):
            instance.ask(Loaded, "dance")
        assert instance.ask(Proof, "prove").policies
        os.kill(instance.pid, signal.SIGSTOP)
        instance.send({"do": "prove"})
        with pytest.raises(WorkerError, match=r"the worker did not answer within 0.5 s and was killed"):
            instance.receive(Proof, timeout_s=0.5)
        assert not psutil.pid_exists(instance.pid)


def test_a_killed_worker_is_an_error(
    builds: Mapping[str, Build], placements: tuple[Placement, ...], tmp_path: Path
) -> None:
    with Instance(builds["native"], placements[0], tmp_path / "log", timeout_s=60) as instance:
        instance.receive(Ready)
        os.kill(instance.pid, signal.SIGKILL)
        with pytest.raises(WorkerError, match="the worker was ended by SIGKILL"):
            instance.ask(Proof, "prove")


ORPHAN = """
import sys
from pathlib import Path
from perf.builds import provision
from perf.cache import cache_folder
from perf.machine import Placement
from perf.measure.workers.replies import Ready
from perf.measure.workers.instance import Instance

build = provision("native", override=None, cache=cache_folder(None), say=print)
worker = Instance(build, Placement(0, 0, (0,), 1, "affinity", ()), Path(sys.argv[1]), timeout_s=60)
print(worker.receive(Ready).pid, flush=True)
sys.stdin.read()
"""


def test_a_worker_dies_with_a_killed_session(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ORPHAN, str(tmp_path / "log")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        pid = int(session.stdout.readline())
        assert psutil.pid_exists(pid)
        session.kill()
    assert gone(pid)


def gone(pid: int) -> bool:
    """Whether an orphan is gone; whoever adopted it may take a moment to notice."""
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False
