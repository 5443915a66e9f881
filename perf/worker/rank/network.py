"""What rank programs do with a gluon network: create it, give all ranks the same parameters, train and compare it."""

import hashlib
from collections.abc import Mapping
from typing import Any

import horovod.mxnet as hvd
import mxnet as mx
from mxnet import gluon


def model_of(name: str, classes: int, images: Any) -> Any:
    """Return a network of gluon's model zoo, initialised with random parameters. `images` is (N, 3, H, W)."""
    net = gluon.model_zoo.vision.get_model(name, classes=classes)
    net.initialize(mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))
    net.hybridize(static_alloc=True, static_shape=True)
    allocate_parameters(net, images)
    return net


def allocate_parameters(net: Any, images: Any) -> None:
    """Allocate and initialise the parameters of a network without running it; `images` determines their shapes."""
    net.infer_shape(images)
    for parameter in net.collect_params().values():
        parameter._finish_deferred_init()  # noqa: SLF001 - gluon does it in the first pass only


def broadcast(net: Any) -> None:
    """Give all ranks the parameters of rank 0.

    Must be called before the first pass: MKL-DNN then keeps weights in its own layouts, which Horovod cannot send.
    """
    hvd.broadcast_parameters(net.collect_params(), root_rank=0)
    mx.nd.waitall()


def broadcast_statistics(net: Any) -> None:
    """Give all ranks the running statistics of batch norm of rank 0, at any time: MKL-DNN has no layout for them."""
    statistics = {name: p.data() for name, p in net.collect_params().items() if p.grad_req == "null"}
    hvd.broadcast_parameters(statistics, root_rank=0)
    mx.nd.waitall()


def digest(net: Any) -> str:
    """Return the sha256 of the values of all trained parameters, in the order of their names.

    The running statistics of batch norm are left out: each rank has its own.
    """
    sha256 = hashlib.sha256()
    for name, parameter in sorted(net.collect_params().items()):
        if parameter.grad_req != "null":
            sha256.update(name.encode())
            sha256.update(parameter.data().asnumpy().tobytes())
    return sha256.hexdigest()


def trainer_of(net: Any, optimizer: Mapping[str, float], schedule: Mapping[str, Any], steps: int) -> Any:
    """Return Horovod's trainer of a network, which averages gradients over ranks. An epoch has `steps` steps.

    The learning rate of `optimizer` is multiplied by the number of ranks. It rises linearly from
    `warm_up_learning_rate` during `warm_up_epochs`, and is multiplied by `decay` after each of `decay_epochs` (Goyal et
    al., "Accurate, Large Minibatch SGD", 2017).
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


def momenta_of(trainer: Any) -> dict[str, Any]:
    """Return the momentum of each parameter that a trainer has updated, as a numpy array, by the parameter's name.

    Gluon's own way to keep them, `save_states`, writes a pickle, which runs whatever it names when it is read.
    """
    (updater,) = trainer._updaters  # noqa: SLF001 - there is no other way to them
    return {trainer._params[index].name: state.asnumpy() for index, state in updater.states.items()}  # noqa: SLF001


def continue_updates(trainer: Any, updates: int, momenta: Mapping[str, Any]) -> None:
    """Let a new trainer continue after this number of updates, with these momenta: numpy arrays by parameter's name."""
    trainer.optimizer.begin_num_update = trainer.optimizer.num_update = updates
    (updater,) = trainer._updaters  # noqa: SLF001 - see `momenta_of`
    for index, parameter in enumerate(trainer._params):  # noqa: SLF001
        if parameter.name in momenta:
            updater.states[index] = mx.nd.array(momenta[parameter.name])
            updater.states_synced[index] = True
