"""A slowdown injected on purpose, to test whether the gate detects it. Off unless a variant asks for it."""

import time
from collections.abc import Callable

import mxnet as mx

# Rows of the matrices. A product takes about ten microseconds, little compared with 3 % of a short pass.
SIDE = 48


def with_extra_work(one_pass: Callable[[], None], fraction: float) -> Callable[[], None]:
    """Return a pass that runs `one_pass`, then computes matrix products for `fraction` of the time that it took."""
    matrix = None

    def longer_pass() -> None:
        nonlocal matrix
        started = time.monotonic_ns()
        one_pass()
        ended = time.monotonic_ns()
        if matrix is None:
            # Not before the network's first pass: the first operator decides to which CPUs Intel's OpenMP binds its
            # threads. When it was this one, passes took twice as long.
            matrix = mx.nd.ones((SIDE, SIDE))
        until = ended + fraction * (ended - started)
        while time.monotonic_ns() < until:
            mx.nd.dot(matrix, matrix).wait_to_read()

    return longer_pass
