"""Describe an MXNet installation: `python -m perf.worker.probe [module ...]` inside a build.

Imports MXNet and every named module, and prints one line of JSON. Any failure leaves its traceback on stderr and a
non-zero exit code, so success means that the import really works. Output on stderr after the line NUMPY_LOADED comes
from MXNet's libraries, not from numpy's.
"""

import hashlib
import importlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

File = TypeVar("File", bound=PurePosixPath)
NUMPY_LOADED = "perf.worker.probe: numpy is loaded"


def facts(modules: list[str]) -> dict[str, Any]:
    """Import MXNet and `modules`, and return what is installed. Paths are relative to the environment.

    Raises ImportError or OSError when something does not load, RuntimeError when MXNet comes from outside this
    environment or from several distributions at once.
    """
    # By name, and only here: the host type-checks this file without MXNet, and main() makes stdout safe first.
    numpy = importlib.import_module("numpy")
    print(NUMPY_LOADED, file=sys.stderr, flush=True)
    mxnet, libinfo = (importlib.import_module(name) for name in ("mxnet", "mxnet.libinfo"))
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
        "mkldnn": has_mkldnn(),
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "library": str(library.relative_to(prefix)),
        "library_bytes": library.stat().st_size,
        "distribution": owners[0],
        "content_sha256": content_sha256(owners[0]),
        "openmp": openmp(prefix),
    }


def has_mkldnn() -> bool:
    """Return whether MXNet was compiled with MKL-DNN, which 2.0 calls oneDNN.

    Raises ImportError on releases before 1.5.0, which do not report it.
    """
    # Not `mx.runtime`: `import mxnet` alone does not load that module in 1.5.0.
    features = importlib.import_module("mxnet.runtime").Features()
    return any(features.is_enabled(name) for name in ("MKLDNN", "ONEDNN") if name in features)


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
    """Print the facts as one line of JSON on stdout, and nothing else. Raises whatever importing raises."""
    # MXNet and its libraries may print on file descriptor 1 at any time: redirect that to stderr.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as stdout:
        os.dup2(2, 1)
        stdout.write(json.dumps(facts(modules)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
