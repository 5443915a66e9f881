"""Gradients are summed over ranks, not averaged."""

from typing import Any

import horovod.mxnet as hvd

from perf.worker.rank import convergence
from perf.worker.rank.convergence import run

__all__ = ["run"]
averaging = convergence.trainer_of


def summing(net: Any, optimizer: dict[str, float]) -> Any:
    trainer = averaging(net, optimizer)
    trainer._scale *= hvd.size()
    return trainer


convergence.trainer_of = summing
