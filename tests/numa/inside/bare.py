"""Proofs of workers without MXNet, whose import takes most of a worker's time in the guest."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from perf.errors import WorkerError
from perf.files import ROOT
from perf.machine import Placement, place_instances, read_topology
from tests.numa.inside.proofs import of_lies_and_spoils, of_placements
from tests.numa.inside.wrappers import HONEST, numactl

PROGRAM = ROOT / "tests/numa/bare_worker.py"


class BareWorker:
    """A worker without MXNet (bare_worker.py)."""

    def __init__(self, placement: Placement) -> None:
        self._process = subprocess.Popen(
            [*placement.prefix, sys.executable, "-P", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> None:
        if self._line() != "ready\n":
            raise WorkerError(f"the worker exited with code {self._process.wait()}", "")

    def prove(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        proof: dict[str, Any] = json.loads(self._line())
        return proof

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def proofs(lies: Sequence[str], spoils: Sequence[str]) -> dict[str, list[str]]:
    """Return what the proofs find under lies and spoils."""
    return of_lies_and_spoils(BareWorker, lies, spoils)


def of_mask(cpus: Sequence[int]) -> list[str]:
    """Return the placements under this CPU mask, each as a line, and what the proofs of their workers find."""
    os.sched_setaffinity(0, cpus)
    return of_placements(BareWorker, place_instances(read_topology(), numactl=numactl(HONEST)))
