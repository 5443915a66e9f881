"""Artifacts: one network's FP32 and INT8 symbols and parameters, made once by the `zoo` build and kept by content."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from perf.builds import Build
from perf.cnn.artifacts.store import FailedError, Manifest, Task, sha256, stored
from perf.cnn.networks import INPUT, NetworkVariant, catalogue
from perf.errors import PerfError
from perf.files import ROOT
from perf.measure.family import Resources
from perf.measure.plan import Program, Variant, content_of

# What artifacts are made by, besides MXNet and GluonCV.
SCRIPTS = tuple(
    ROOT / "perf" / name
    for name in (
        "cnn/artifacts/zoo.py",
        "cnn/artifacts/images.py",
        "cnn/artifacts/zoo_protocol.py",
        "worker/quantise.py",
    )
)
FP32_FILES = ("fp32.json", "fp32.params")
FILES = (*FP32_FILES, "int8.json", "int8.params")
# How GluonCV's names of quantised networks end.
QUANTISED = "_int8"
WITHOUT_MKLDNN = {"MXNET_MKLDNN_ENABLED": "0"}
SEED = 20190713
# The announcement calibrated on five batches of 32 images.
CALIBRATION_BATCH_SIZE = 32
CALIBRATION_IMAGES = 5 * CALIBRATION_BATCH_SIZE

OTHERWISE = "name another with --perf-model"
CalibrationMode = Literal["naive", "entropy"]


@dataclass(frozen=True)
class Artifacts:
    """A network's files, verified against their manifest; its `found` says what its activations are like. `no_int8`
    says why there is no quantised network; None where there is one.
    """

    folder: Path
    manifest: Manifest
    no_int8: str | None = None

    @property
    def image_size(self) -> int:
        """Height and width of the images that it takes, in pixels."""
        size: int = self.manifest.recipe["image_size"]
        return size

    def symbol(self, artifact: str) -> Path:
        """The symbol file of "fp32" or "int8"."""
        return self.folder / f"{artifact}.json"

    def params(self, artifact: str) -> Path:
        """The parameter file of "fp32" or "int8"."""
        return self.folder / f"{artifact}.params"

    def program(self, data: NetworkVariant) -> Program:
        """What a variant runs."""
        files = self.symbol(data.artifact), self.params(data.artifact)
        if data.artifact == "int8" and self.no_int8:
            return Program(*files, data.subgraph, "", problem=f"the network could not be quantised: {self.no_int8}")
        return Program(*files, data.subgraph, content_of(*files))


def prepare(
    network: str,
    *,
    zoo: Build,
    threads: int,
    cache: Path,
    pretrained: bool,
    calibration: CalibrationMode,
    say: Callable[[str], None],
    weights: Path | None = None,
    images: Path | None = None,
) -> Artifacts:
    """The artifacts of a network from the cache, or newly made and put there whole.

    Trained weights are those in the folder `weights`, in the file NETWORK.params; without one GluonCV's, when
    `pretrained`. Calibration images are the array "data", (count, 3, size, size), of the .npz file `images`, or
    synthetic ones.

    Where MKL-DNN cannot run the network, there is no quantised one, and that in FP32 is made without MKL-DNN.

    PerfError for a network that GluonCV lacks or that is quantised already, weights that are missing, do not fit or
    cannot be fetched, unusable activations or a full disk.
    """
    if network.endswith(QUANTISED):
        step = f"name the network in FP32: --perf-model={network.removesuffix(QUANTISED)}"
        raise PerfError("it is quantised already, and the suite quantises by itself", subject=network, next_step=step)
    file = weights_file(weights, network) if weights else None
    inputs = {"downloads": str(cache / "weights"), "weights_file": str(file), "calibration_file": str(images)}
    recipe = {
        "network": network,
        "image_size": image_size(network, zoo=zoo, threads=threads, cache=cache, say=say),
        "weights": _sha256_of_weights(network, file) if file else "gluoncv" if pretrained else "synthetic",
        "seed": SEED,
        "calibration": {
            "mode": calibration,
            "batch_size": CALIBRATION_BATCH_SIZE,
            **(_described(images) if images else {"count": CALIBRATION_IMAGES, "sha256": None}),
        },
        "exclusions": catalogue().exclusions_of(network),
        "scripts_sha256": sha256(*SCRIPTS),
    }
    task = Task(
        module="artifacts.zoo",
        name=network,
        recipe=recipe,
        files=FILES,
        inputs=inputs,
        doing=f"preparing {network}: export, calibration ({calibration}), quantisation",
        otherwise=OTHERWISE,
    )
    try:
        return Artifacts(*stored(task, zoo, threads, cache, say))
    except FailedError as error:
        say(f"{network}: quantising it failed: {error.cause}")
        plain = replace(
            task,
            recipe={**recipe, "quantised": False},
            files=FP32_FILES,
            doing=f"preparing {network} in FP32 only, without MKL-DNN",
            variables=WITHOUT_MKLDNN,
        )
        return Artifacts(*stored(plain, zoo, threads, cache, say), no_int8=error.cause)


def image_size(network: str, *, zoo: Build, threads: int, cache: Path, say: Callable[[str], None]) -> int:
    """Height and width of the images that a network takes, in pixels: as its name says, or else read from the network.

    PerfError as for `prepare`.
    """
    known = catalogue().image_size(network)
    if known is not None:
        return known
    task = Task(
        module="artifacts.image_size",
        name=f"size-{network}",
        recipe={"network": network, "sizes": catalogue().tried_sizes, "weights": "synthetic"},
        files=(),
        inputs={},
        doing=f"reading the image size of {network}",
        otherwise=OTHERWISE,
    )
    _, manifest = stored(task, zoo, threads, cache, say)
    size: int = manifest.found["image_size"]
    return size


def weights_file(folder: Path, network: str) -> Path:
    """The file of a network's trained weights in a folder: NETWORK.params, in small or capital letters."""
    found = (file for file in sorted(folder.glob("*.params")) if file.stem.lower() == network)
    return next(found, folder / f"{network}.params")


def fp32_and_int8(artifacts: Artifacts, resources: Resources) -> tuple[Variant[Program], Variant[Program]]:
    """The two variants of the MKL-DNN build."""
    build, variants = resources.build("mkl"), catalogue().variants
    fp32, int8 = (Variant(name, build, artifacts.program(variants[name])) for name in ("mkl-fp32", "mkl-int8"))
    return fp32, int8


def _sha256_of_weights(network: str, file: Path) -> str:
    try:
        return sha256(file)
    except OSError as error:
        raise PerfError(
            f"its trained weights {file} cannot be read: {error.strerror}",
            subject=network,
            next_step="put the file there, made by gluon's save_parameters, or leave out --perf-weights",
        ) from error


def _described(images: Path) -> dict[str, Any]:
    """What calibrates, by content: an .npz file of the same images may differ in its bytes."""
    with np.load(images) as given:
        data = given[INPUT]
    return {"count": len(data), "sha256": hashlib.sha256(data.tobytes()).hexdigest()}
