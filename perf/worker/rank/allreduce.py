"""What an allreduce costs, by the size of its message."""

import time
from collections.abc import Sequence
from typing import Any

import horovod.mxnet as hvd
import mxnet as mx

from perf.worker.rank.heartbeat import Heartbeat


def run(*, heartbeat: Heartbeat, sizes_bytes: Sequence[int], repeats: int, warm_up: int) -> dict[str, Any]:
    """The time of each of `repeats` allreduces of every size, in ns, by the size in bytes as text. Sizes take turns:
    what disturbs one moment then does not hit one size only.
    """
    tensors = {size: mx.nd.ones(size // 4) for size in sizes_bytes}
    found: dict[str, list[int]] = {str(size): [] for size in sizes_bytes}
    for turn in range(warm_up + repeats):
        for size, tensor in tensors.items():
            mx.nd.waitall()
            started = time.monotonic_ns()
            # A sum of ones would grow without end.
            hvd.allreduce_(tensor, average=True, name=f"size{size}")
            tensor.wait_to_read()
            if turn >= warm_up:
                found[str(size)].append(time.monotonic_ns() - started)
            heartbeat.progressed()
    return {"allreduce_ns": found}
