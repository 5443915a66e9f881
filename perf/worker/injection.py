"""A slowdown made on purpose, to find out whether the gate sees it. Off unless a variant asks for it."""

import time
from collections.abc import Callable

import mxnet as mx

# A product takes some ten microseconds: small beside the few hundred that 3 % of a short pass are.
SIDE = 48


def with_extra_work(one_pass: Callable[[], None], share: float) -> Callable[[], None]:
    """A pass that goes on computing matrix products until it has taken `share` more time than it needed itself."""
    matrix = None

    def longer_pass() -> None:
        nonlocal matrix
        started = time.monotonic_ns()
        one_pass()
        ended = time.monotonic_ns()
        if matrix is None:
            # Not before the network's first pass: the first operator decides to which CPUs Intel's OpenMP binds its
            # threads, and passes after this one took twice as long.
            matrix = mx.nd.ones((SIDE, SIDE))
        until = ended + share * (ended - started)
        while time.monotonic_ns() < until:
            mx.nd.dot(matrix, matrix).wait_to_read()

    return longer_pass
