"""Artifacts: a network's symbols and parameters in FP32 and INT8, which the `zoo` build makes and the cache keeps."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from perf.builds import Build, quantiser_of
from perf.cnn.artifacts.store import Manifest, ZooFailedError, ZooTask, obtain, sha256
from perf.cnn.networks import INPUT, NetworkVariant, catalogue
from perf.errors import PerfError
from perf.files import ROOT
from perf.measure.plan import Program, content_of

# All modules of the project that make artifacts: when one changes, artifacts are made again.
SCRIPTS = tuple(
    ROOT / "perf" / name
    for name in (
        "cnn/artifacts/zoo.py",
        "cnn/artifacts/int8.py",
        "cnn/artifacts/images.py",
        "cnn/artifacts/zoo_protocol.py",
        "worker/process_lifetime.py",
        "worker/graph_surgery.py",
        "worker/quantise.py",
    )
)
FP32_FILES = ("fp32.json", "fp32.params")
INT8_FILES = ("int8.json", "int8.params")
FILES = (*FP32_FILES, *INT8_FILES)
# The end of GluonCV's names of quantised networks.
QUANTISED = "_int8"
WITHOUT_MKLDNN = {"MXNET_MKLDNN_ENABLED": "0"}
# Of synthetic weights and calibration images. Stored answers hold for these.
SEED = 20190713
# The announcement calibrated on five batches of 32 images.
CALIBRATION_BATCH_SIZE = 32
CALIBRATION_IMAGES = 5 * CALIBRATION_BATCH_SIZE
NEXT_STEP = "name another network with --perf-model"

CalibrationMode = Literal["naive", "entropy"]


@dataclass(frozen=True)
class Artifacts:
    """A network's files in a `folder`, verified against their `manifest`.

    `no_int8` says why there is no quantised network; it is None where there is one. `images` is the file of calibration
    images; None for synthetic ones. `quantised_by` is the content of the wheel that quantised it (`Build`); None if
    unknown. It is in no manifest: the name of a folder holds the build's, which determines it.
    """

    folder: Path
    manifest: Manifest
    no_int8: str | None = None
    images: Path | None = None
    quantised_by: str | None = None

    @property
    def network(self) -> str:
        """GluonCV's name of the network."""
        name: str = self.manifest.settings["network"]
        return name

    @property
    def image_size(self) -> int:
        """Height and width of the network's images, in pixels."""
        size: int = self.manifest.settings["image_size"]
        return size

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of an image: channels, height and width."""
        settings = self.manifest.settings
        return tuple(settings["input_shape"]) if "input_shape" in settings else (3, self.image_size, self.image_size)

    def symbol(self, artifact: str) -> Path:
        """Return the symbol file of "fp32" or "int8"."""
        return self.folder / f"{artifact}.json"

    def params(self, artifact: str) -> Path:
        """Return the parameter file of "fp32" or "int8"."""
        return self.folder / f"{artifact}.params"

    def program(self, data: NetworkVariant) -> Program:
        """Return what a variant runs."""
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
    """Return the artifacts of a network, from the cache or newly made.

    Weights come from the file NETWORK.params in the folder `weights`. Without that folder they are GluonCV's trained
    ones if `pretrained` is set, else random. Calibration images are the array "data" (count, 3, size, size) of the .npz
    file `images`, or synthetic ones. `threads` run the `zoo` build; `say` shows progress.

    If MKL-DNN cannot run the network, only FP32 artifacts are made, without MKL-DNN.

    Raises PerfError when GluonCV has no such network, the network is quantised already, its weights are missing, do not
    fit or cannot be fetched, its activations cannot be used, or the disk is full.
    """
    if network.endswith(QUANTISED):
        step = f"name the network in FP32: --perf-model={network.removesuffix(QUANTISED)}"
        raise PerfError("it is quantised already; the suite quantises networks itself", subject=network, next_step=step)
    file = weights_file(weights, network) if weights else None
    quantiser = quantiser_of(zoo.facts.mxnet)
    inputs = {"downloads": str(cache / "weights"), "weights_file": str(file), "calibration_file": str(images)}
    settings = {
        "task": "artifacts",
        "network": network,
        "image_size": image_size(network, zoo=zoo, threads=threads, cache=cache, say=say),
        "weights": _sha256_of_weights(network, file) if file else "gluoncv" if pretrained else "synthetic",
        "seed": SEED,
        "calibration": {
            "mode": calibration,
            "batch_size": CALIBRATION_BATCH_SIZE,
            **(_calibration_content(images) if images else {"count": CALIBRATION_IMAGES, "sha256": None}),
        },
        "exclusions": catalogue().exclusions_of(network),
        "mxnet": zoo.facts.mxnet,
        "quantiser": msgspec.to_builtins(quantiser),
        "scripts_sha256": sha256(*SCRIPTS),
    }
    task = ZooTask(
        module="artifacts.zoo",
        name=network,
        settings=settings,
        files=FILES if quantiser else FP32_FILES,
        inputs=inputs,
        progress=f"preparing {network}: export, calibration ({calibration}), quantisation",
        next_step=NEXT_STEP,
    )
    return with_int8_if_possible(task, zoo, threads, cache, say, images)


def with_int8_if_possible(
    task: ZooTask, zoo: Build, threads: int, cache: Path, say: Callable[[str], None], images: Path | None = None
) -> Artifacts:
    """Return the artifacts that a task makes; in FP32 only, without MKL-DNN, if its process fails. `images` are those
    of calibration, None for synthetic ones. Raises as `obtain` does.
    """
    try:
        return Artifacts(*obtain(task, zoo, threads, cache, say), images=images, quantised_by=zoo.content_sha256)
    except ZooFailedError as error:
        say(f"{task.name}: quantising it failed: {error.cause}")
        plain = replace(
            task,
            settings={**task.settings, "quantised": False},
            files=FP32_FILES,
            progress=f"preparing {task.name} in FP32 only, without MKL-DNN",
            variables=WITHOUT_MKLDNN,
        )
        return Artifacts(*obtain(plain, zoo, threads, cache, say), error.cause, images, zoo.content_sha256)


def image_size(network: str, *, zoo: Build, threads: int, cache: Path, say: Callable[[str], None]) -> int:
    """Return height and width of a network's images, in pixels: by its name in networks.toml, or tried in the network.

    Raises PerfError as `prepare` does.
    """
    known = catalogue().image_size(network)
    if known is not None:
        return known
    task = ZooTask(
        module="artifacts.zoo",
        name=f"size-{network}",
        settings={"task": "image_size", "network": network, "sizes": catalogue().tried_sizes, "weights": "synthetic"},
        files=(),
        inputs={},
        progress=f"reading the image size of {network}",
        next_step=NEXT_STEP,
    )
    _, manifest = obtain(task, zoo, threads, cache, say)
    size: int = manifest.result["image_size"]
    return size


def weights_file(folder: Path, network: str) -> Path:
    """Return the file NETWORK.params in a folder, whatever the case of its letters. It need not exist."""
    files = (file for file in sorted(folder.glob("*.params")) if file.stem.lower() == network)
    return next(files, folder / f"{network}.params")


def _sha256_of_weights(network: str, file: Path) -> str:
    try:
        return sha256(file)
    except OSError as error:
        raise PerfError(
            f"its trained weights {file} cannot be read: {error.strerror}",
            subject=network,
            next_step="save the weights there with Gluon's save_parameters, or leave out --perf-weights",
        ) from error


def _calibration_content(images: Path) -> dict[str, Any]:
    """Return number and digest of the calibration images. The digest is of the array: .npz files of it may differ."""
    with np.load(images) as file:
        data = file[INPUT]
    return {"count": len(data), "sha256": hashlib.sha256(data.tobytes()).hexdigest()}
