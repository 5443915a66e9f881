"""ImageNet's recipe on record files: a checkpoint after each epoch of training, and top-1 on the held-out images."""

import os
import tempfile
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import horovod.mxnet as hvd
import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from perf.worker.rank.heartbeat import Heartbeat
from perf.worker.rank.parameters import broadcast, digest, settle_shapes, trainer_of

# The mean and the standard deviation of ImageNet's pixels by channel, as in Horovod's own example.
MEAN = {"mean_r": 123.68, "mean_g": 116.779, "mean_b": 103.939}
DEVIATION = {"std_r": 58.393, "std_g": 57.12, "std_b": 57.375}


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
    """Train for `epochs` epochs of `examples` images, going on from `checkpoint` if rank 0 finds one.

    Told after each epoch: its number, and the accuracy in training and on the held-out images, averaged over ranks.
    """
    mx.random.seed(seed)
    net = gluon.model_zoo.vision.get_model(network, classes=classes)
    net.initialize(mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))
    net.hybridize(static_alloc=True, static_shape=True)
    settle_shapes(net, mx.nd.zeros((batch, 3, size, size)))
    steps = max(1, examples // (batch * hvd.size()))
    trainer = trainer_of(net, optimizer, schedule, steps)
    kept = Path(checkpoint)
    done, curve = _take_up(kept, net, trainer)
    begun = done
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    while done < epochs:
        right = seen = 0
        # Anew each time: an epoch then draws the same images and crops whether or not the run was interrupted before.
        images = _images(train, batch, size, threads, seed=seed + done)
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
        done += 1
        accuracies = mx.nd.array([right / seen, _top1(net, _images(held_out, batch, size, threads), heartbeat)])
        curve.append(hvd.allreduce(accuracies, average=True, name="accuracies").asnumpy().tolist())
        heartbeat.say({"epoch": done, "accuracy": curve[-1][0], "held_out": curve[-1][1]})
        if hvd.rank() == 0:
            _keep(kept, net, trainer, curve)
    return {"epochs": done, "begun": begun, "curve": curve, "weights_sha256": digest(net)}


def _images(records: str, batch: int, size: int, threads: int, seed: int | None = None) -> Any:
    """An iterator over a record file: with a seed a rank's own part, in an order and with crops and mirrors that follow
    from it; without one all of it, cropped in the middle.
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
    """The next batch; a part that is a little shorter than another rank's begins anew."""
    try:
        found = images.next()
    except StopIteration:
        images.reset()
        found = images.next()
    return _on_cpu(found.data[0]), found.label[0]


def _on_cpu(images: Any) -> Any:
    """Iterators leave them in what MXNet takes for another device, pinned memory."""
    return images.as_in_context(mx.cpu())


def _top1(net: Any, images: Any, heartbeat: Heartbeat) -> float:
    right = seen = 0
    for found in images:
        count = found.data[0].shape[0] - (found.pad or 0)
        answers = net(_on_cpu(found.data[0])).asnumpy().argmax(axis=1)
        right += int((answers[:count] == found.label[0].asnumpy()[:count]).sum())
        seen += count
        heartbeat.progressed()
    return right / seen


def _take_up(kept: Path, net: Any, trainer: Any) -> tuple[int, list[list[float]]]:
    """Give all ranks the parameters, the momenta and the schedule of rank 0's checkpoint, or else its first parameters;
    how many epochs are done, and their accuracies.
    """
    curve: list[list[float]] = []
    states = b""
    if hvd.rank() == 0 and kept.exists():
        try:
            with np.load(kept) as saved:
                curve, states = saved["curve"].tolist(), saved["states"].tobytes()
                for name, parameter in net.collect_params().items():
                    parameter.set_data(saved[name.removeprefix(net.prefix)])
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, AssertionError) as error:
            raise RuntimeError(f"the checkpoint {kept} cannot be used ({error}): remove it to begin anew") from error
    curve, states = hvd.broadcast_object((curve, states), root_rank=0)
    broadcast(net)
    if states:
        with tempfile.NamedTemporaryFile() as file:
            file.write(states)
            file.flush()
            trainer.load_states(file.name)
    return len(curve), curve


def _keep(kept: Path, net: Any, trainer: Any, curve: list[list[float]]) -> None:
    """Write a checkpoint, whole or not at all."""
    arrays = {name.removeprefix(net.prefix): p.data().asnumpy() for name, p in net.collect_params().items()}
    with tempfile.NamedTemporaryFile() as file:
        trainer.save_states(file.name)
        states = np.frombuffer(Path(file.name).read_bytes(), dtype=np.uint8)
    temporary = kept.with_suffix(".tmp")
    with temporary.open("wb") as stream:
        np.savez(stream, states=states, curve=np.array(curve), **arrays)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(kept)
    folder = os.open(kept.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # or the new name does not survive a power cut
    finally:
        os.close(folder)
