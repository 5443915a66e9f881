"""Runs inside the `zoo` build's Python: trains a network on the handwritten digits of the request's file.

One seed determines initial weights and the order of images: with the same number of threads, the same request gives the
same weights, bit for bit.
"""

import math
from pathlib import Path
from typing import Any

import gluoncv
import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from perf.cnn.artifacts.zoo_protocol import answer_request, flush


def train(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train the network, write NETWORK.params, and return the mean loss of each epoch."""
    with np.load(request["data_file"]) as data:
        images, labels = data["images"], data["labels"].astype("float32")
    mx.random.seed(request["seed"])
    network = gluoncv.model_zoo.get_model(request["network"], classes=int(labels.max()) + 1)
    network.initialize(mx.init.Xavier())
    network.hybridize(static_alloc=True, static_shape=True)
    losses = fit(network, images, labels, request["training"], np.random.RandomState(request["seed"]))
    weights = folder / f"{request['network']}.params"
    network.save_parameters(str(weights))
    flush(weights)
    network.load_parameters(str(weights))  # fails if the file is incomplete: MXNet ignores a full disk
    return {"losses": losses}


def fit(network: Any, images: Any, labels: Any, training: dict[str, Any], draw: Any) -> list[float]:
    """Train on images (count, 3, size, size) with labels (count,), and return the mean loss of each epoch."""
    momentum, decay, size = training["momentum"], training["weight_decay"], training["batch_size"]
    trainer = gluon.Trainer(network.collect_params(), "nag", {"momentum": momentum, "wd": decay})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    batches = len(images) // size
    losses = []
    for epoch in range(training["epochs"]):
        order = draw.permutation(len(images))
        total = 0.0
        for batch in range(batches):
            done = (epoch * batches + batch) / (training["epochs"] * batches)
            trainer.set_learning_rate(training["learning_rate"] * _relative_rate(done, training["warm_up"]))
            chosen = order[batch * size : (batch + 1) * size]
            with autograd.record():
                loss = loss_of(network(mx.nd.array(images[chosen])), mx.nd.array(labels[chosen]))
            loss.backward()
            trainer.step(size)
            total += float(loss.mean().asscalar())
        losses.append(total / batches)
    return losses


def _relative_rate(done: float, warm_up: float) -> float:
    """Return the learning rate relative to its maximum, when the fraction `done` of all steps is done."""
    return min(1.0, done / warm_up) * (1 + math.cos(math.pi * done)) / 2


if __name__ == "__main__":
    answer_request(train)
