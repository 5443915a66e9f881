"""Artifacts: one network's FP32 and INT8 symbols and parameters, made once by the `zoo` build and kept by content."""

import errno
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from filelock import FileLock, Timeout

from perf.builds import Build, process_environment
from perf.cnn.networks import catalogue
from perf.errors import PerfError

ROOT = Path(__file__).resolve().parents[2]
ZOO = Path(__file__).with_name("zoo.py")
MANIFEST = "manifest.json"
FILES = ("fp32.json", "fp32.params", "int8.json", "int8.params")
SEED = 20190713
# The announcement calibrated on five batches of 32 images.
CALIBRATION_BATCHES = 5
CALIBRATION_BATCH_SIZE = 32
# Entropy calibration searches thresholds in Python, about 5 s a layer in 1.5.0; ResNet-152 has 152 of them.
TIMEOUT_S = 3600.0
LAST_WORDS = 8
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
    folder = cache / "networks" / f"{network}-{key}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder, network, say):
            manifest = _verified(folder)
            if manifest is None:
                say(f"preparing {network}: export, calibration ({calibration}), quantisation")
                manifest = _make(recipe, folder, cache / "weights", zoo)
    except OSError as error:
        raise PerfError(
            f"its artifacts could not be written: {error}",
            subject=f"{network} ({folder.parent})",
            next_step="free some space, or name another folder with --perf-cache",
        ) from error
    return Artifacts(folder, manifest)


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


@contextmanager
def _locked(folder: Path, network: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the folder's lock, saying so when another process has it; leftovers of killed attempts are removed."""
    lock = FileLock(folder.with_name(folder.name + ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"waiting for another process that prepares {network}")
        lock.acquire()
    try:
        for leftover in folder.parent.glob(f".{folder.name}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield
    finally:
        lock.release()


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


def _make(recipe: dict[str, Any], folder: Path, weights: Path, zoo: Build) -> Manifest:
    """Let the zoo write into a temporary folder beside the final one, then move it into place whole."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-", ignore_cleanup_errors=True) as made:
        work = Path(made) / "artifacts"
        work.mkdir()
        request = Path(made) / "request.json"
        request.write_bytes(msgspec.json.encode({**recipe, "folder": str(work), "weights": str(weights)}))
        result = _run_zoo(recipe["network"], request, work, zoo, recipe["threads"])
        manifest = Manifest(recipe, {name: _sha256(work / name) for name in FILES}, result["activations"])
        with (work / MANIFEST).open("wb") as stream:
            stream.write(msgspec.json.encode(manifest))
            stream.flush()
            os.fsync(stream.fileno())
        work.rename(folder)
    return manifest


def _run_zoo(network: str, request: Path, work: Path, zoo: Build, threads: int) -> dict[str, Any]:
    command = [str(zoo.python), "-P", "-m", "perf.cnn.zoo", str(request)]
    log = request.with_suffix(".log")
    with log.open("wb") as words:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            cwd=work,
            env=process_environment(zoo, threads, {"PYTHONPATH": str(ROOT)}),
        )
        try:
            code = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise PerfError(f"not prepared within {TIMEOUT_S:g} s", subject=network) from None
        finally:
            process.kill()
            process.wait()
    result: dict[str, Any] = {}
    if (work / "result.json").exists():
        result = msgspec.json.decode((work / "result.json").read_bytes())
        (work / "result.json").unlink()
    if "error" in result:
        raise PerfError(result["error"], subject=network, next_step=result["next"])
    if code != 0 or not result:
        # MXNet does not say why a write failed, and the log lies on the same disk.
        if shutil.disk_usage(work).free < FULL_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        last_words = "\n".join(log.read_text(errors="replace").splitlines()[-LAST_WORDS:])
        raise PerfError(f"preparing it failed (exit code {code}); its last words:\n{last_words}", subject=network)
    return result


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
