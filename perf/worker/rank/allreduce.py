"""A rank program: time an allreduce by the size of its message."""

import time
from collections.abc import Sequence
from typing import Any

import horovod.mxnet as hvd
import mxnet as mx

from perf.worker.rank.heartbeat import Heartbeat

FP32_BYTES = 4


def run(*, heartbeat: Heartbeat, sizes_bytes: Sequence[int], repeats: int, warm_up: int) -> dict[str, Any]:
    """Return `allreduce_ns`: by size, as text, the durations of `repeats` allreduces after `warm_up` untimed ones.

    Sizes take turns, so that a moment's disturbance does not hit one size only.
    """
    tensors = {size: mx.nd.ones(size // FP32_BYTES) for size in sizes_bytes}
    durations_ns: dict[str, list[int]] = {str(size): [] for size in sizes_bytes}
    for turn in range(warm_up + repeats):
        for size, tensor in tensors.items():
            mx.nd.waitall()
            start_ns = time.monotonic_ns()
            # Averaged: a sum in place would grow with every repeat.
            hvd.allreduce_(tensor, average=True, name=f"size{size}")
            tensor.wait_to_read()
            if turn >= warm_up:
                durations_ns[str(size)].append(time.monotonic_ns() - start_ns)
            heartbeat.progressed()
    return {"allreduce_ns": durations_ns}
