"""A rank program: the recipe for ImageNet on record files, with top-1 and a checkpoint after each epoch."""

import os
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import horovod.mxnet as hvd
import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from perf.worker.rank.heartbeat import Heartbeat
from perf.worker.rank.network import (
    broadcast,
    broadcast_statistics,
    continue_updates,
    digest,
    model_of,
    momenta_of,
    trainer_of,
)

# Mean and standard deviation of ImageNet's pixels by channel, as in Horovod's own example.
MEAN = {"mean_r": 123.68, "mean_g": 116.779, "mean_b": 103.939}
DEVIATION = {"std_r": 58.393, "std_g": 57.12, "std_b": 57.375}
# What the name of a parameter's momentum begins with in a checkpoint.
MOMENTUM = "momentum of "


def run(
    *,
    heartbeat: Heartbeat,
    network: str,
    train: str,
    held_out: str,
    checkpoint: str,
    epochs: int,
    batch: int,
    examples: int,
    classes: int,
    size: int,
    seed: int,
    optimizer: dict[str, float],
    schedule: dict[str, Any],
    threads: int,
) -> dict[str, Any]:
    """Train `network` for `epochs` epochs of `examples` images, and return what it achieved.

    `train`, `held_out`: record files. `checkpoint`: a file that is written after each epoch, and resumed from if it
    exists on rank 0. `batch`: images per rank and step. `classes`: of the network's output. `size`: pixels of an
    image's side. `seed`: of parameters, order and augmentation. `optimizer`, `schedule`: see `trainer_of`. `threads`:
    that decode images. Returns `curve`, the accuracies in training and on the held-out images by epoch, averaged over
    ranks; `resumed_epochs`, how many of them are the checkpoint's; and `weights_sha256`. Sends each epoch's accuracies.
    Raises RuntimeError when the checkpoint cannot be used.
    """
    mx.random.seed(seed)
    net = model_of(network, classes, mx.nd.zeros((batch, 3, size, size)))
    steps = max(1, examples // (batch * hvd.size()))
    trainer = trainer_of(net, optimizer, schedule, steps)
    path = Path(checkpoint)
    curve = _resume(path, net, trainer)
    resumed_epochs = len(curve)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    while len(curve) < epochs:
        right = seen = 0
        # A new iterator: an epoch then draws the same images and crops whether or not the training was interrupted.
        images = _images(train, batch, size, threads, seed=seed + len(curve))
        for _ in range(steps):
            data, labels = _next(images)
            with autograd.record():
                outputs = net(data)
                error = loss(outputs, labels)
            error.backward()
            trainer.step(batch)
            right += int((outputs.asnumpy().argmax(axis=1) == labels.asnumpy()).sum())
            seen += batch
            heartbeat.progressed()
        # What is evaluated is what the checkpoint holds: whoever resumes from it continues with these statistics.
        broadcast_statistics(net)
        accuracies = mx.nd.array([right / seen, _top1(net, _images(held_out, batch, size, threads), heartbeat)])
        curve.append(hvd.allreduce(accuracies, average=True, name="accuracies").asnumpy().tolist())
        heartbeat.send({"epoch": len(curve), "accuracy": curve[-1][0], "held_out": curve[-1][1]})
        if hvd.rank() == 0:
            _write_checkpoint(path, net, trainer, curve)
    return {"resumed_epochs": resumed_epochs, "curve": curve, "weights_sha256": digest(net)}


def _images(records: str, batch: int, size: int, threads: int, seed: int | None = None) -> Any:
    """Return an iterator over a record file.

    With a seed it yields this rank's part, in an order and with augmentation that depend on the seed; without one it
    yields the whole file, cropped in the middle.
    """
    common = {
        "path_imgrec": records,
        "data_shape": (3, size, size),
        "batch_size": batch,
        "preprocess_threads": threads,
        "verbose": False,
        **MEAN,
        **DEVIATION,
    }
    if seed is None:
        return mx.io.ImageRecordIter(resize=round(size * 256 / 224), **common)
    return mx.io.ImageRecordIter(
        shuffle=True,
        shuffle_chunk_seed=seed,
        seed=seed,
        seed_aug=seed,
        rand_mirror=True,
        random_resized_crop=True,
        min_random_area=0.08,
        max_random_area=1.0,
        min_aspect_ratio=3 / 4,
        max_aspect_ratio=4 / 3,
        brightness=0.4,
        saturation=0.4,
        contrast=0.4,
        pca_noise=0.1,
        num_parts=hvd.size(),
        part_index=hvd.rank(),
        **common,
    )


def _next(images: Any) -> tuple[Any, Any]:
    """Return the next batch. A part that is a little shorter than another rank's starts over."""
    try:
        batch = images.next()
    except StopIteration:
        images.reset()
        batch = images.next()
    return _on_cpu(batch.data[0]), batch.label[0]


def _on_cpu(images: Any) -> Any:
    """Return a copy on the CPU: iterators yield pinned memory, which MXNet treats as another device."""
    return images.as_in_context(mx.cpu())


def _top1(net: Any, images: Any, heartbeat: Heartbeat) -> float:
    right = seen = 0
    for batch in images:
        count = batch.data[0].shape[0] - (batch.pad or 0)
        predictions = net(_on_cpu(batch.data[0])).asnumpy().argmax(axis=1)
        right += int((predictions[:count] == batch.label[0].asnumpy()[:count]).sum())
        seen += count
        heartbeat.progressed()
    return right / seen


def _resume(path: Path, net: Any, trainer: Any) -> list[list[float]]:
    """Give all ranks the parameters, momenta and schedule of rank 0's checkpoint, or without one its parameters.

    Returns the accuracies of the checkpoint's epochs. Nothing in a checkpoint can run: it holds arrays only.
    """
    curve: list[list[float]] = []
    updates, momenta = 0, {}
    if hvd.rank() == 0 and path.exists():
        try:
            with np.load(path, allow_pickle=False) as saved:
                curve, updates = saved["curve"].tolist(), int(saved["updates"])
                for name, parameter in net.collect_params().items():
                    own = name.removeprefix(net.prefix)
                    parameter.set_data(saved[own])
                    if parameter.grad_req != "null":
                        momenta[name] = saved[MOMENTUM + own]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, AssertionError) as error:
            raise RuntimeError(f"the checkpoint {path} cannot be used ({error}): remove it to start over") from error
    curve, updates, momenta = hvd.broadcast_object((curve, updates, momenta), root_rank=0)
    broadcast(net)
    continue_updates(trainer, updates, momenta)
    return curve


def _write_checkpoint(path: Path, net: Any, trainer: Any, curve: list[list[float]]) -> None:
    """Write a checkpoint, completely or not at all."""
    arrays = {name.removeprefix(net.prefix): p.data().asnumpy() for name, p in net.collect_params().items()}
    arrays |= {MOMENTUM + name.removeprefix(net.prefix): momentum for name, momentum in momenta_of(trainer).items()}
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as stream:
        np.savez(stream, updates=trainer.optimizer.num_update, curve=np.array(curve), **arrays)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else the new name may not survive a power cut
    finally:
        os.close(folder)
