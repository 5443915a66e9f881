"""A rank program that takes a step whenever it is asked to."""

import os
from typing import Any

import horovod.mxnet as hvd
import mxnet as mx

from perf.worker.rank.pulse import Pulse


def run(*, pulse: Pulse, token: str) -> dict[str, Any]:
    del token  # stands on the command line, where a test looks for it
    values = mx.nd.ones(1000)
    steps = 0
    for _ in pulse.requests():
        hvd.allreduce_(values, average=True, name="values")
        mx.nd.waitall()
        pulse.moved()
        steps += 1
        pulse.answer({"step": steps})
    return {"steps": steps, "cpus": sorted(pulse.cpus), "narrowed": sorted(os.sched_getaffinity(0))}
