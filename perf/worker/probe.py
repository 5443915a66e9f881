"""Describe an MXNet installation: `python -m perf.worker.probe [module ...]` inside a build.

Imports MXNet and every named module, and prints one line of JSON. Any failure leaves its traceback on stderr and a
non-zero exit code, so success means that the import really works. Output on stderr between the lines NUMPY_LOADED and
MXNET_LOADED comes from MXNet's libraries, not from those of other packages.
"""

import ctypes
import hashlib
import importlib
import json
import os
import platform
import re
import sys
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

File = TypeVar("File", bound=PurePosixPath)
LIBRARIES = {"OpenMP": re.compile(r"lib(iomp5|gomp|omp)\b"), "BLAS": re.compile(r"lib(mklml|mkl_rt|openblas|blas)")}
NUMPY_LOADED = "perf.worker.probe: numpy is loaded"
MXNET_LOADED = "perf.worker.probe: mxnet is loaded"


def facts(modules: list[str]) -> dict[str, Any]:
    """Import MXNet and `modules`, and return what is installed. Paths are relative to the environment.

    Raises ImportError or OSError when something does not load, RuntimeError when MXNet comes from outside this
    environment or from several distributions at once.
    """
    # By name, and only here: the host type-checks this file without MXNet, and main() makes stdout safe first.
    numpy = importlib.import_module("numpy")
    print(NUMPY_LOADED, file=sys.stderr, flush=True)
    mxnet, libinfo = (importlib.import_module(name) for name in ("mxnet", "mxnet.libinfo"))
    print(MXNET_LOADED, file=sys.stderr, flush=True)
    for module in modules:
        importlib.import_module(module)
    library = Path(libinfo.find_lib_path()[0]).resolve()
    prefix = Path(sys.prefix).resolve()
    if not library.is_relative_to(prefix):
        raise RuntimeError(f"MXNet was loaded from {library}, outside {prefix}")
    owners = sorted(set(metadata.packages_distributions().get("mxnet", [])))
    if len(owners) != 1:
        raise RuntimeError(f"the package mxnet must come from one distribution, but comes from {owners}")
    return {
        "mxnet": mxnet.__version__,
        "mkldnn": has_mkldnn(library),
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "library": str(library.relative_to(prefix)),
        "library_bytes": library.stat().st_size,
        "distribution": owners[0],
        "content_sha256": content_sha256(owners[0]),
        "openmp": openmp(prefix),
    }


def has_mkldnn(library: Path) -> bool:
    """Return whether this libmxnet.so, which is loaded, was compiled with MKL-DNN, which 2.0 calls oneDNN."""
    try:
        # Not `mx.runtime`: `import mxnet` alone does not load that module in 1.5.0.
        features = importlib.import_module("mxnet.runtime").Features()
    except ModuleNotFoundError:  # releases before 1.5.0, which are linked with libmkldnn.so or have nothing of it
        return hasattr(ctypes.CDLL(str(library)), "mkldnn_engine_create")
    return any(features.is_enabled(name) for name in ("MKLDNN", "ONEDNN") if name in features)


def libraries(library: Path) -> dict[str, str]:
    """Return the libraries that this libmxnet.so, which is loaded, computes with: "OpenMP" and "BLAS", by file name.

    Those of other packages are left out, and a BLAS inside of libmxnet.so, which has no file of its own.
    """
    prefix = Path(sys.prefix).resolve()
    paths = {Path(line.split(maxsplit=5)[-1]) for line in Path("/proc/self/maps").read_text().splitlines()}
    # Beside libmxnet.so, or of the system.
    own = sorted(path.name for path in paths if path.parent == library.parent or not path.is_relative_to(prefix))
    loaded = {kind: next(filter(pattern.match, own), None) for kind, pattern in LIBRARIES.items()}
    return {kind: name for kind, name in loaded.items() if name}


def content_sha256(distribution: str) -> str:
    """Return a sha256 of what a distribution installed: its files by name and content.

    Excluded are its `*.dist-info`, which says where it came from, and bytecode. RECORD's own hashes are not trusted: a
    patched wheel may keep old ones. Raises PackageNotFoundError when it is not installed, RuntimeError when it has no
    RECORD, OSError when a file that RECORD lists is missing.
    """
    files = metadata.files(distribution)
    if not files:
        raise RuntimeError(f"{distribution} was installed without a RECORD")
    return content_of(files, lambda file: sha256_of(Path(file.locate())))


def content_of(files: Iterable[File], sha256: Callable[[File], str]) -> str:
    """Return the content (see `content_sha256`) of files whose names are relative to site-packages.

    `sha256` returns the hash of one file; what it raises is not caught.
    """
    digest = hashlib.sha256()
    for file in sorted(files):
        if not file.parts[0].endswith(".dist-info") and file.suffix != ".pyc":
            digest.update(f"{file} {sha256(file)}\n".encode())
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file. Raises OSError when it cannot be read."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def openmp(prefix: Path) -> str | None:
    """Return the sha256 of the libgomp that this process loaded from outside the environment; None without one."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = Path(line.split(maxsplit=5)[-1])
        if path.name.startswith("libgomp") and not path.resolve().is_relative_to(prefix):
            return hashlib.sha256(path.read_bytes()).hexdigest()
    return None


def main(modules: list[str]) -> None:
    """Print facts and libraries as one line of JSON on stdout, and nothing else. Raises whatever importing raises."""
    # MXNet and its libraries may print on file descriptor 1 at any time: redirect that to stderr.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as stdout:
        os.dup2(2, 1)
        facts_ = facts(modules)
        library = Path(sys.prefix).resolve() / facts_["library"]
        stdout.write(json.dumps({"facts": facts_, "libraries": libraries(library)}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
