"""A rank program that takes a step whenever it is asked to."""

import os
from typing import Any

import horovod.mxnet as hvd
import mxnet as mx

from perf.worker.rank.heartbeat import Heartbeat


def run(*, heartbeat: Heartbeat, token: str) -> dict[str, Any]:
    del token  # on the command line, by which a test finds the process
    values = mx.nd.ones(1000)
    steps = 0
    for _ in heartbeat.requests():
        hvd.allreduce_(values, average=True, name="values")
        mx.nd.waitall()
        heartbeat.progressed()
        steps += 1
        heartbeat.answer({"step": steps})
    return {"steps": steps, "cpus": sorted(heartbeat.cpus), "narrowed": sorted(os.sched_getaffinity(0))}
