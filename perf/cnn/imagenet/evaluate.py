"""A network's variants on the images of a record file, calibrated and evaluated as the announcement did."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from perf.cnn.artifacts.prepare import Artifacts, CalibrationMode, image_size, prepare
from perf.cnn.checks.top1 import right_within
from perf.cnn.imagenet.protocol import ImageNetAnswers, protocol, share_in
from perf.cnn.imagenet.records import CLASSES, RecordReading, classified, save_images
from perf.cnn.networks import INPUT
from perf.measure.family import Resources
from perf.measure.plan import Program, Variant

Tell = Callable[[str, float], None]


def calibrated(
    network: str,
    records: Path,
    resources: Resources,
    *,
    pretrained: bool,
    weights: Path | None,
    calibration: CalibrationMode,
) -> Artifacts:
    """A trained network in FP32 and INT8, calibrated with a record file's first images."""
    images = resources.scratch / f"{network}-calibration.npz"
    count = share_in(records).calibrated
    reading = reading_of(size_of(network, resources), records)
    save_images(resources.build("mkl"), reading, count, INPUT, images, resources)
    return prepare(
        network,
        zoo=resources.build("zoo"),
        threads=resources.cores,
        cache=resources.cache,
        pretrained=pretrained,
        calibration=calibration,
        say=resources.say,
        weights=weights,
        images=images,
    )


def answers_of(
    variant: Variant[Program], network: str, records: Path, resources: Resources, tell: Tell
) -> ImageNetAnswers:
    """What a variant answers on the evaluated images; `tell` is told how far it is, from 0 to 1.

    WorkerError when the worker fails.
    """
    share, rules = share_in(records), protocol()
    batches, beyond = divmod(share.skipped, rules.batch_size)
    reading = reading_of(size_of(network, resources), records, batches)
    labels, best = np.empty(0, np.int64), np.empty((0, CLASSES), np.int64)
    # Images are skipped here as well, where their number is no multiple of a batch's.
    window = slice(beyond, beyond + share.evaluated)
    for found in classified(variant, reading, INPUT, rules.batches_an_answer, resources):
        labels, best = np.append(labels, found.labels), np.concatenate([best, found.best])
        done = len(labels[window])
        if done:
            top1 = right_within(best[window], labels[window]).mean()
            tell(
                f"{network} {variant.name}: {done} of {share.evaluated} images, top-1 {top1:.2%}",
                done / share.evaluated,
            )
        if done == share.evaluated:
            break
    return ImageNetAnswers(labels[window], best[window])


def size_of(network: str, resources: Resources) -> int:
    """Height and width of the images that a network takes, in pixels. PerfError when it cannot be read."""
    zoo, threads = resources.build("zoo"), resources.cores
    return image_size(network, zoo=zoo, threads=threads, cache=resources.cache, say=resources.say)


def reading_of(size: int, records: Path, skipped: int = 0) -> RecordReading:
    """How a worker reads a record file as images of a size; so many batches are skipped."""
    rules = protocol()
    return RecordReading(
        path=str(records),
        image_size=size,
        batch_size=rules.batch_size,
        skipped=skipped,
        mean=rules.mean,
        std=rules.std,
        shuffle_chunk_seed=rules.shuffle_chunk_seed,
        seed=rules.seed,
        preprocess_threads=rules.preprocess_threads,
    )
