"""A gluon network's parameters: their shapes before the first pass, and a digest to compare them by."""

import hashlib
from collections.abc import Mapping
from typing import Any

import horovod.mxnet as hvd
import mxnet as mx


def settle_shapes(net: Any, images: Any) -> None:
    """Give a network that was initialised the shapes and values of its parameters, without running it."""
    net.infer_shape(images)
    for parameter in net.collect_params().values():
        parameter._finish_deferred_init()  # noqa: SLF001 - gluon does it in the first pass only


def broadcast(net: Any) -> None:
    """Give all ranks the parameters of rank 0. To be called before the first pass: MKL-DNN then keeps weights in
    layouts of its own, which Horovod cannot send.
    """
    hvd.broadcast_parameters(net.collect_params(), root_rank=0)
    mx.nd.waitall()


def digest(net: Any) -> str:
    """The sha256 of the values of all trained parameters, in the order of their names.

    Running statistics of batch norms are each rank's own, and are left out.
    """
    found = hashlib.sha256()
    for name, parameter in sorted(net.collect_params().items()):
        if parameter.grad_req != "null":
            found.update(name.encode())
            found.update(parameter.data().asnumpy().tobytes())
    return found.hexdigest()


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
