"""Artifacts: one network's FP32 and INT8 symbols and parameters, made once by the `zoo` build and kept by content."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from perf.builds import Build, process_environment, run
from perf.cache import locked, remove, remove_leftovers, unfinished, unusable
from perf.cnn.networks import catalogue
from perf.errors import PerfError
from perf.files import write_whole

ZOO = Path(__file__).with_name("zoo.py")
MANIFEST = "manifest.json"
FILES = ("fp32.json", "fp32.params", "int8.json", "int8.params")
SEED = 20190713
# The announcement calibrated on five batches of 32 images.
CALIBRATION_BATCHES = 5
CALIBRATION_BATCH_SIZE = 32
# Entropy calibration searches thresholds in Python, about 5 s a layer in 1.5.0; ResNet-152 has 152 of them.
TIMEOUT_S = 3600.0
# A disk with less than this left is why preparing failed.
FULL_BYTES = 1 << 16

CalibrationMode = Literal["naive", "entropy"]


class Manifest(msgspec.Struct, frozen=True):
    """What stands in an artifact's folder: its recipe, its files' SHA-256, and what its activations are like."""

    recipe: dict[str, Any]
    sha256: dict[str, str]
    activations: dict[str, float]


@dataclass(frozen=True)
class Artifacts:
    """A network's files, verified against their manifest."""

    folder: Path
    manifest: Manifest

    def symbol(self, artifact: str) -> Path:
        """The symbol file of "fp32" or "int8"."""
        return self.folder / f"{artifact}.json"

    def params(self, artifact: str) -> Path:
        """The parameter file of "fp32" or "int8"."""
        return self.folder / f"{artifact}.params"


def prepare(
    network: str,
    *,
    zoo: Build,
    threads: int,
    cache: Path,
    pretrained: bool,
    calibration: CalibrationMode,
    say: Callable[[str], None],
) -> Artifacts:
    """The artifacts of a network from the cache, or newly made and put there whole.

    PerfError for a network that GluonCV lacks, weights that cannot be fetched, unusable activations or a full disk.
    """
    recipe = _recipe(network, zoo, threads=threads, pretrained=pretrained, calibration=calibration)
    key = hashlib.sha256(msgspec.json.encode(recipe, order="sorted")).hexdigest()[:12]
    shelf, name = cache / "networks", f"{network}-{key}"
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        with locked(shelf, name, say):
            remove_leftovers(shelf, name)
            manifest = _verified(shelf / name)
            if manifest is None:
                say(f"preparing {network}: export, calibration ({calibration}), quantisation")
                manifest = _make(recipe, shelf, name, cache / "weights", zoo)
    except OSError as error:
        raise unusable(shelf, error) from error
    return Artifacts(shelf / name, manifest)


def _recipe(
    network: str, zoo: Build, *, threads: int, pretrained: bool, calibration: CalibrationMode
) -> dict[str, Any]:
    """Everything that the artifacts depend on; its hash is their address."""
    return {
        "network": network,
        "image_size": catalogue().image_size(network),
        "pretrained": pretrained,
        "seed": SEED,
        "calibration": {
            "mode": calibration,
            "batches": CALIBRATION_BATCHES,
            "batch_size": CALIBRATION_BATCH_SIZE,
        },
        "exclusions": catalogue().exclusions_of(network),
        "zoo": zoo.folder.name,  # names its lock content, GluonCV's version among it
        "threads": threads,  # sums of batch-norm statistics round differently
        "script_sha256": _sha256(ZOO),
    }


def _verified(folder: Path) -> Manifest | None:
    """The manifest when the folder is whole and its files are as they were made; what is not is removed."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        if all(_sha256(folder / name) == manifest.sha256.get(name) for name in FILES):
            return manifest
    except (FileNotFoundError, msgspec.DecodeError):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _make(recipe: dict[str, Any], shelf: Path, name: str, weights: Path, zoo: Build) -> Manifest:
    """Let the zoo write into a folder beside the final one, then move it into place whole."""
    work = unfinished(shelf, name)
    try:
        work.mkdir()
        request = work / "request.json"
        request.write_bytes(msgspec.json.encode({**recipe, "folder": str(work), "weights": str(weights)}))
        result = _run_zoo(recipe["network"], request, zoo, recipe["threads"])
        request.unlink()
        manifest = Manifest(recipe, {file: _sha256(work / file) for file in FILES}, result["activations"])
        write_whole(work / MANIFEST, msgspec.json.encode(manifest))
        work.rename(shelf / name)
    except BaseException:  # KeyboardInterrupt too
        remove(work)
        raise
    return manifest


def _run_zoo(network: str, request: Path, zoo: Build, threads: int) -> dict[str, Any]:
    command = [str(zoo.python), "-m", "perf.cnn.zoo", str(request)]
    finished = run(command, environment=process_environment(zoo, threads), timeout=TIMEOUT_S, subject=network)
    file = request.with_name("result.json")
    result = {}
    if finished.code == 0:
        result = msgspec.json.decode(file.read_bytes())
        file.unlink()
    if "error" in result:
        raise PerfError(result["error"], subject=network, next_step=result["next"])
    if not result:
        # MXNet does not say why a write failed.
        if shutil.disk_usage(request.parent).free < FULL_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise PerfError(
            f"preparing it failed: {finished.last_lines()}", subject=network, next_step="name another with --perf-model"
        )
    return dict(result)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
