"""SGD with momentum on many ranks, as in Horovod's own ImageNet example."""

from collections.abc import Mapping
from typing import Any

import horovod.mxnet as hvd
import mxnet as mx


def trainer_of(net: Any, optimizer: Mapping[str, float], schedule: Mapping[str, Any], steps: int) -> Any:
    """Horovod's trainer of a network: gradients are averaged over ranks.

    The learning rate of `optimizer` is multiplied by the number of ranks, reached in a straight line from
    `warm_up_learning_rate` during `warm_up_epochs`, and multiplied by `decay` after each of `decay_epochs` (Goyal et
    al., "Accurate, Large Minibatch SGD", 2017). An epoch has so many `steps`.
    """
    rates = mx.lr_scheduler.MultiFactorScheduler(
        step=[epoch * steps for epoch in schedule["decay_epochs"]],
        factor=schedule["decay"],
        base_lr=optimizer["learning_rate"] * hvd.size(),
        warmup_steps=schedule["warm_up_epochs"] * steps,
        warmup_begin_lr=schedule["warm_up_learning_rate"],
    )
    sgd = mx.optimizer.create("sgd", **{**optimizer, "lr_scheduler": rates})
    return hvd.DistributedTrainer(net.collect_params(), sgd)
