"""Calibrating and evaluating a network's variants on the images of a record file, as the announcement did."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from perf.cnn.artifacts.prepare import Artifacts, CalibrationMode, image_size, prepare
from perf.cnn.checks.top1 import correct_within
from perf.cnn.imagenet.protocol import Predictions, protocol, split_records
from perf.cnn.imagenet.records import CLASSES, RecordReading, classify_records, save_images
from perf.cnn.networks import INPUT
from perf.measure.family import Resources
from perf.measure.plan import Program, Variant

# Takes a message and the fraction that is done.
ShowProgress = Callable[[str, float], None]


def prepare_imagenet(
    network: str,
    records: Path,
    resources: Resources,
    *,
    pretrained: bool,
    weights: Path | None,
    calibration: CalibrationMode,
) -> Artifacts:
    """Return a trained network in FP32 and INT8, calibrated on the first images of a record file.

    Raises PerfError when the network cannot be prepared or the file is not a record file, and WorkerError when a worker
    fails.
    """
    images = resources.scratch / f"{network}-calibration.npz"
    count = split_records(records).calibrated
    reading = record_reading(_image_size(network, resources), records)
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


def evaluate(
    variant: Variant[Program], network: str, records: Path, resources: Resources, show: ShowProgress
) -> Predictions:
    """Return how a variant classifies the images that are evaluated, and show its progress meanwhile.

    Raises WorkerError when the worker fails.
    """
    split, rules = split_records(records), protocol()
    batches, images = divmod(split.skipped, rules.batch_size)
    reading = record_reading(_image_size(network, resources), records, batches)
    labels, best = np.empty(0, np.int64), np.empty((0, CLASSES), np.int64)
    # The worker skips whole batches; the rest of the skipped images is left out here.
    window = slice(images, images + split.evaluated)
    for answer in classify_records(variant, reading, INPUT, rules.batches_an_answer, resources):
        labels, best = np.append(labels, answer.labels), np.concatenate([best, answer.best])
        done = len(labels[window])
        if done:
            top1 = correct_within(best[window], labels[window]).mean()
            show(
                f"{network} {variant.name}: {done} of {split.evaluated} images, top-1 {top1:.2%}",
                done / split.evaluated,
            )
        if done == split.evaluated:
            break
    return Predictions(labels[window], best[window])


def _image_size(network: str, resources: Resources) -> int:
    """Return height and width of a network's images in pixels. Raises PerfError when it cannot be read."""
    zoo, threads = resources.build("zoo"), resources.cores
    return image_size(network, zoo=zoo, threads=threads, cache=resources.cache, say=resources.say)


def record_reading(size: int, records: Path, skipped: int = 0) -> RecordReading:
    """Return how a worker reads a record file as images of a size in pixels, after it skipped a number of batches."""
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
