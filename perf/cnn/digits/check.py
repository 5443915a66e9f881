"""The check on handwritten digits: a network is trained, quantised, and compared in FP32 and INT8."""

import hashlib
from pathlib import Path

import numpy as np

from perf.checks import CheckResult
from perf.cnn.artifacts.prepare import Artifacts, CalibrationMode, prepare
from perf.cnn.artifacts.store import ZooTask, obtain, sha256
from perf.cnn.checks.top1 import (
    Correct,
    accuracy_problem,
    best_classes,
    bounds_text,
    correct_within,
    difference_text,
    paired,
)
from perf.cnn.digits.dataset import DigitsSettings, dataset, settings
from perf.cnn.networks import INPUT
from perf.files import ROOT
from perf.measure.family import Resources
from perf.measure.plan import Program, Variant, Workload
from perf.measure.workers.inspection import inspect

# All modules of the project that train the network: when one changes, it is trained again.
SCRIPTS = tuple(
    ROOT / "perf" / name
    for name in ("cnn/digits/train.py", "cnn/artifacts/zoo_protocol.py", "worker/process_lifetime.py")
)


def train_network(resources: Resources, chosen: DigitsSettings) -> Path:
    """Return the folder with NETWORK.params, from the cache or newly trained. Raises PerfError when that fails."""
    data, file = dataset(), resources.scratch / "digits.npz"
    np.savez(file, images=data.images, labels=data.labels)
    task = ZooTask(
        module="digits.train",
        name=f"digits-{chosen.network}",
        settings={
            "network": chosen.network,
            "seed": chosen.seed,
            "training": chosen.training,
            "data_sha256": hashlib.sha256(data.images.tobytes() + data.labels.tobytes()).hexdigest(),
            "scripts_sha256": sha256(*SCRIPTS),
        },
        files=(f"{chosen.network}.params",),
        inputs={"data_file": str(file)},
        progress=f"training {chosen.network} on {len(data.images)} handwritten digits",
        next_step="run it again; if it fails again, leave out the checks on digits: -k 'not digits'",
    )
    folder, _ = obtain(task, resources.build("zoo"), resources.cores, resources.cache, resources.say)
    return folder


def prepare_digits(calibration: CalibrationMode, resources: Resources) -> Artifacts:
    """Return the trained network in FP32 and INT8, calibrated on images that it was trained on."""
    network = settings().network
    images = resources.scratch / "digits-calibration.npz"
    np.savez(images, allow_pickle=False, **{INPUT: dataset().images[: settings().calibration_images]})
    return prepare(
        network,
        zoo=resources.build("zoo"),
        threads=resources.cores,
        cache=resources.cache,
        pretrained=True,
        calibration=calibration,
        say=resources.say,
        weights=train_network(resources, settings()),
        images=images,
    )


def classify(variant: Variant[Program], resources: Resources) -> Correct:
    """Return which test images a variant classifies correctly. Raises WorkerError when the worker fails."""
    data = dataset()
    workload = Workload("digits", {INPUT: data.test_images.shape}, items=len(data.test_images), weight=1.0)
    observed = inspect(variant, [workload], resources, arrays={INPUT: data.test_images})
    return correct_within(best_classes(observed.outputs[workload.name][0]), data.test_labels)


def check_top1(calibration: CalibrationMode, fp32: Correct, int8: Correct) -> CheckResult:
    """Compare INT8 with FP32 by which test images they classify correctly."""
    pairs, bounds = paired(int8, fp32), settings().bounds
    return CheckResult(
        check="top-1 on handwritten digits",
        subject=f"{settings().network}, {calibration}",
        observed=f"FP32 {fp32.mean():.2%}, INT8 {int8.mean():.2%}: {difference_text(pairs)}",
        allowed=bounds_text(bounds),
        problem=accuracy_problem(pairs, bounds),
    )
