"""Wheels made by hand."""

import hashlib
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path


def wheel(path: Path, files: Mapping[str, str], unlisted: Mapping[str, str] | None = None) -> Path:
    """A wheel named like `path`, such as "tiny-1.0-py3-none-any.whl", of these files, and of those that its RECORD does
    not list.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name, version = path.name.split("-")[:2]
    own = f"{name}-{version}.dist-info"
    everything = {
        **files,
        f"{own}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{own}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{_hash(content)},{len(content)}\n" for name, content in everything.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**everything, **(unlisted or {})}.items():
            archive.writestr(name, content)
        archive.writestr(f"{own}/RECORD", f"{record}{own}/RECORD,,\n")
    return path


def _hash(content: str) -> str:
    """A file's hash as RECORD has it."""
    return "sha256=" + urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")
