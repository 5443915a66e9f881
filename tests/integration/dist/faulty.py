"""A rank program that fails on purpose at its third step, after a last message: see test_faults."""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

import horovod.mxnet as hvd
import mxnet as mx

from perf.worker.rank.heartbeat import Heartbeat


def run(*, heartbeat: Heartbeat, rank: int, how: str, token: str, steps: int = 10**6) -> dict[str, Any]:
    del token  # on the command line, by which a test finds the process
    values = mx.nd.ones(1000)
    for step in range(steps):
        hvd.allreduce_(values, average=True, name="values")
        mx.nd.waitall()
        heartbeat.progressed()
        if step == 2:
            heartbeat.send({"step": step})
            if hvd.rank() == rank:
                print("this is my last line", file=sys.stderr, flush=True)
                FAULTS[how]()
    return {}


def fail() -> None:
    raise ValueError("the learning rate is below zero")


FAULTS: Mapping[str, Callable[[], object]] = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "raising": fail,
    "leaving": lambda: os._exit(0),
    "unguarded": lambda: os.kill(os.getppid(), signal.SIGKILL),
    "stopped": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "healthy": lambda: None,
    "slow": signal.pause,
}
