"""Wheels made by hand."""

import csv
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
    record = "".join(f"{name},{_hash(content.encode())},{len(content)}\n" for name, content in everything.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**everything, **(unlisted or {})}.items():
            archive.writestr(name, content)
        archive.writestr(f"{own}/RECORD", f"{record}{own}/RECORD,,\n")
    return path


def repacked(packages: Path, path: Path, appended: Mapping[str, str]) -> Path:
    """A wheel of MXNet's distribution as it is installed in the folder `packages`, with more code at the end of the
    files that `appended` names.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    (own,) = packages.glob("mxnet*.dist-info")
    installer = {f"{own.name}/{name}" for name in ("RECORD", "INSTALLER", "REQUESTED")}
    names = [row[0] for row in csv.reader((own / "RECORD").read_text().splitlines())]
    record = ""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in names:
            if name not in installer and not name.endswith((".pyc", ".json")):
                content = (packages / name).read_bytes() + appended.get(name, "").encode()
                archive.writestr(name, content)
                record += f"{name},{_hash(content)},{len(content)}\n"
        archive.writestr(f"{own.name}/RECORD", f"{record}{own.name}/RECORD,,\n")
    return path


def _hash(content: bytes) -> str:
    """A file's hash as RECORD has it."""
    return "sha256=" + urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
