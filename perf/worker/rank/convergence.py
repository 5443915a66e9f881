"""A rank program: train on the digits with the same global batch on every number of ranks."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import horovod.mxnet as hvd
import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from perf.worker.rank.heartbeat import Heartbeat
from perf.worker.rank.network import allocate_parameters, broadcast, digest

# The digits.
CLASSES = 10
# More than there are seeds, so that no rank draws the parameters of another training.
SEEDS_PER_RANK = 1000


def run(
    *,
    heartbeat: Heartbeat,
    data: str,
    weights: str,
    seeds: Sequence[int],
    epochs: int,
    batch: int,
    optimizer: dict[str, float],
) -> dict[str, Any]:
    """Train the network from each seed without batch norm, then from each seed with it.

    `data`: an .npz file with `train` and `held_out` images (N, 1, 8, 8) and their labels, `train_labels` and
    `held_out_labels`. `weights`: the folder in which rank 0 writes the trained weights of each training, as NAME.npz.
    `epochs`: of each training. `batch`: images of a step, over all ranks. `optimizer`: the parameters of SGD.

    Returns `runs`, for each training: its `name`; `curve`, the accuracies in training and on held-out images by epoch,
    averaged over ranks because each has its own statistics; `predictions`, the class of each held-out image; and
    `sha256`, the digest of the weights.
    """
    with np.load(data) as loaded:
        sets = dict(loaded)
    runs = []
    for normalised in (False, True):
        for seed in seeds:
            net, curve = _train(heartbeat, sets, normalised, seed, epochs, batch, optimizer)
            name = f"{'normalised' if normalised else 'plain'}-{seed}"
            if hvd.rank() == 0:
                _save(net, Path(weights) / f"{name}.npz")
            predictions = _predictions(net, sets["held_out"])
            runs.append({"name": name, "curve": curve, "sha256": digest(net), "predictions": predictions.tolist()})
    return {"runs": runs}


def shard(indices: Any, rank: int, size: int) -> Any:
    """Return a rank's part of a global batch."""
    return indices[rank::size]


def trainer_of(net: Any, optimizer: dict[str, float]) -> Any:
    """Return Horovod's trainer with a constant learning rate. It averages gradients over ranks."""
    return hvd.DistributedTrainer(net.collect_params(), "sgd", dict(optimizer))


def network_of(*, normalised: bool) -> Any:
    """Return two convolutions and a dense layer, with or without batch norm.

    All operators are smooth: at the kink of a ReLU or between two equal maxima, a rounding error changes the gradient.
    """
    net = gluon.nn.HybridSequential(prefix="net_")
    with net.name_scope():
        for filters in (16, 32):
            net.add(gluon.nn.Conv2D(filters, kernel_size=3, padding=1))
            if normalised:
                net.add(gluon.nn.BatchNorm())
            net.add(gluon.nn.Activation("tanh"), gluon.nn.AvgPool2D())
        net.add(gluon.nn.Flatten(), gluon.nn.Dense(CLASSES))
    return net


def _train(
    heartbeat: Heartbeat,
    sets: dict[str, Any],
    normalised: bool,
    seed: int,
    epochs: int,
    batch: int,
    optimizer: dict[str, float],
) -> tuple[Any, list[tuple[float, float]]]:
    # Each rank draws different weights, so that only a broadcast makes them the same.
    mx.random.seed(seed + SEEDS_PER_RANK * hvd.rank())
    net = network_of(normalised=normalised)
    net.initialize(mx.init.Xavier())
    allocate_parameters(net, mx.nd.array(sets["train"][:1]))
    broadcast(net)
    trainer = trainer_of(net, optimizer)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    curve = []
    for epoch in range(epochs):
        right = 0
        for indices in _batches(len(sets["train"]), batch, seed + epoch):
            mine = shard(indices, hvd.rank(), hvd.size())
            images, labels = mx.nd.array(sets["train"][mine]), mx.nd.array(sets["train_labels"][mine])
            with autograd.record():
                outputs = net(images)
                error = loss(outputs, labels)
            error.backward()
            trainer.step(len(mine))
            right += int((outputs.asnumpy().argmax(axis=1) == sets["train_labels"][mine]).sum())
            heartbeat.progressed()
        held_out = (_predictions(net, sets["held_out"]) == sets["held_out_labels"]).mean()
        sums = hvd.allreduce(mx.nd.array([right, float(held_out)]), average=False, name="accuracy").asnumpy()
        curve.append((float(sums[0]) / (len(sets["train"]) // batch * batch), float(sums[1]) / hvd.size()))
    return net, curve


def _batches(examples: int, batch: int, seed: int) -> Iterator[Any]:
    """Yield the indices of global batches in random order, the same on all ranks. A last incomplete one is dropped."""
    order = np.random.RandomState(seed).permutation(examples)
    for start in range(0, examples - batch + 1, batch):
        yield order[start : start + batch]


def _predictions(net: Any, images: Any) -> Any:
    return net(mx.nd.array(images)).asnumpy().argmax(axis=1)


def _save(net: Any, path: Path) -> None:
    arrays = {name: p.data().asnumpy() for name, p in net.collect_params().items() if p.grad_req != "null"}
    np.savez(path, **arrays)
