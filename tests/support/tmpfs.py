"""Small and read-only disks that only one process sees."""

import shutil
import subprocess
from pathlib import Path

import pytest


def mounting(folder: Path, options: str, then: str = "true") -> tuple[str, ...]:
    """Words before a command: it sees a tmpfs on `folder` that nobody else sees and that ends with it.

    `then` is run after it in the same place.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("needs unshare")
    mount = (
        unshare,
        "--mount",
        "sh",
        "-c",
        f'mount -t tmpfs -o {options} tmpfs "$0" && "$@"; code=$?; {then}; exit $code',
    )
    trial = subprocess.run([*mount, str(folder), "true"], capture_output=True, check=False)
    if trial.returncode:
        pytest.skip("only root may mount, and not everywhere")
    return (*mount, str(folder))
