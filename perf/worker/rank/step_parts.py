"""Training steps whose parts (forward, backward, update) run one after the other, so that each can be timed, and
its primitives found in MKL-DNN's trace.
"""

import os
import time
from collections.abc import Callable, Mapping

import mxnet as mx

from perf.worker.passes.profiled import OPERATOR, PASS

Parts = Mapping[str, Callable[[], None]]


def parts_ns(
    parts: Parts,
    steps: int,
    progressed: Callable[[], None],
    injected: Callable[[Callable[[], None]], Callable[[], None]],
) -> list[list[int]]:
    """Take steps, and return the duration of each part in their order, and then the time in which no part ran, in ns,
    for each step.

    progressed: called after each step. injected: returns a step made slower on purpose, or the same step.
    """
    durations: list[int] = []

    def step() -> None:
        durations.clear()
        for part in parts.values():
            start_ns = time.monotonic_ns()
            part()
            mx.nd.waitall()
            durations.append(time.monotonic_ns() - start_ns)
        progressed()

    whole, taken = injected(step), []
    for _ in range(steps):
        start_ns = time.monotonic_ns()
        whole()
        taken.append([*durations, time.monotonic_ns() - start_ns - sum(durations)])
    return taken


def mark(parts: Parts, steps: int, progressed: Callable[[], None]) -> None:
    """Take steps, and write to standard output where each step begins and each part ends."""
    for _ in range(steps):
        os.write(1, PASS)
        for name, part in parts.items():
            part()
            mx.nd.waitall()
            os.write(1, OPERATOR + name.encode() + b"\n")
        progressed()
