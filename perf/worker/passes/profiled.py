"""Passes under MXNet's own profiler, and passes that mark in MKL-DNN's trace where each operator ends. Works with every
MXNet 1.x build.
"""

import ctypes
import os
import re
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import mxnet as mx
from mxnet.base import NDArrayHandle, py_str

# What perf.profile.primitives reads.
PASS = b"mxnet_perf,pass\n"
OPERATOR = b"mxnet_perf,operator,"
# When an operator begins and ends, in the profiler's file. It follows Chrome's trace format but for a missing comma, so
# that no parser of JSON reads it.
EVENT = re.compile(
    r'"name": "([^"]*)",\s*"cat": "operator",\s*"ph": "([BE])",\s*"ts": (\d+),\s*"pid": \d+,\s*"tid": (\d+)'
)
WAITING = ("WaitForVar", "WaitForAll", "DeleteVariable", "SetupExec")


class ProfiledPasses:
    """Passes of a bound network that show where their time goes.

    one_pass: runs a plain pass, as it is timed elsewhere.
    watched: another binding of the same network, whose operators run one by one.
    operators: the names of its operators.
    """

    def __init__(self, one_pass: Callable[[], None], watched: Any, operators: Collection[str]) -> None:
        self._pass, self._watched = one_pass, watched
        self._operators = frozenset(operators)
        self._ended: list[str] = []
        self._marked = False
        watched.set_monitor_callback(self._output_ready)
        for _ in range(2):  # the first pass converts the layouts of parameters
            self._watched_pass()

    def turn(self, passes: int, folder: str) -> dict[str, Any]:
        """Run three times this number of `passes`: plain ones, plain ones under the profiler, and ones whose operators
        run one by one under the profiler, which writes a file into the folder.

        Returns the `operators` in the order in which they ran; the durations of the plain passes (`passes_ns`); the
        time in which no operator ran in each of those under the profiler (`overhead_ns`); and the durations of the
        operators in each pass in which they ran one by one (`operators_ns`). All are in ns.
        """
        plain = [_timed(self._pass) for _ in range(passes)]
        path = Path(folder, f"profile-{os.getpid()}.json")
        walls, engine = _profiled(self._pass, passes, path)
        _, events = _profiled(self._watched_pass, passes, path)
        count = len(self._ended)
        if unknown := set(self._ended) - self._operators:
            raise ValueError(f"MXNet ran {', '.join(sorted(unknown))}, which the network does not have")
        if len(events) != passes * count:
            raise ValueError(f"the profiler saw {len(events)} operators in {passes} passes of {count} operators each")
        durations = [end - start for start, end in events]
        return {
            "operators": self._ended,
            "passes_ns": plain,
            "overhead_ns": [end - start - _covered([e for e in engine if start <= e[0] < end]) for start, end in walls],
            "operators_ns": [durations[first : first + count] for first in range(0, len(durations), count)],
        }

    def mark(self, passes: int) -> None:
        """Run passes that write marks to standard output, between the lines of MKL-DNN's trace."""
        self._marked = True
        for _ in range(passes):
            os.write(1, PASS)
            self._watched_pass()
        self._marked = False

    def _watched_pass(self) -> None:
        self._ended = []
        for output in self._watched.forward(is_train=False):
            output.wait_to_read()

    def _output_ready(self, name: bytes, array: int) -> None:
        """Wait until an output is computed: the next operator starts only then."""
        mx.nd.NDArray(ctypes.cast(array, NDArrayHandle), writable=False).wait_to_read()
        operator = py_str(name)
        while operator not in self._operators and "_" in operator:
            operator = operator.rpartition("_")[0]
        if operator not in self._ended[-1:]:  # the first of its outputs
            self._ended.append(operator)
            if self._marked:
                os.write(1, OPERATOR + operator.encode() + b"\n")


def _timed(one_pass: Callable[[], None]) -> int:
    started = time.monotonic_ns()
    one_pass()
    return time.monotonic_ns() - started


def _between(one_pass: Callable[[], None]) -> tuple[int, int]:
    started = time.time_ns()  # the profiler's clock
    one_pass()
    return started, time.time_ns()


def _profiled(
    one_pass: Callable[[], None], passes: int, path: Path
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return when each pass, and then when each operator, started and ended under the profiler, in their order; in ns
    of the same clock.
    """
    mx.profiler.set_config(
        filename=str(path),
        profile_symbolic=True,
        profile_imperative=False,
        profile_memory=False,
        profile_api=False,
        aggregate_stats=False,
    )
    mx.profiler.set_state("run")
    walls = [_between(one_pass) for _ in range(passes)]
    mx.nd.waitall()
    mx.profiler.set_state("stop")
    mx.profiler.dump(finished=False)
    events = _events(path.read_text())
    path.unlink()
    return walls, events


def _events(text: str) -> list[tuple[int, int]]:
    """Return start and end of the operators in the profiler's file, in ns."""
    opened: dict[tuple[str, str], list[int]] = {}
    events = []
    for name, phase, at_us, thread in EVENT.findall(text):
        if name in WAITING:  # the engine only waits
            continue
        if phase == "B":
            opened.setdefault((thread, name), []).append(int(at_us) * 1000)
        else:
            events.append((opened[thread, name].pop(), int(at_us) * 1000))
    return sorted(events)


def _covered(events: list[tuple[int, int]]) -> int:
    """Return the length of the union of sorted intervals."""
    covered = reached = 0
    for start, end in events:
        covered += max(0, end - max(start, reached))
        reached = max(reached, end)
    return covered
