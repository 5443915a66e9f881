"""Wheels at an address, such as those of a build service: compared with their hash before anything in them runs.

Written as `https://.../NAME.whl#sha256=HEX`, the form that pip and package indexes use (PEP 503).
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from perf.builds.trust import MOST_BYTES
from perf.cache import remove
from perf.errors import PerfError

# NAME-VERSION(-BUILD)-PYTHON-ABI-PLATFORM.whl (PEP 427).
FILE_NAME = re.compile(r"[A-Za-z0-9_.!+]+(-[A-Za-z0-9_.!+]+){4,5}\.whl")
HASH = re.compile(r"sha256=([0-9A-Fa-f]{64})")
# How long a server may be silent, and how long a download may take: the largest wheels in half an hour are 0.1 MB/s.
SILENCE_S, DOWNLOAD_S = 60.0, 1800.0
CHUNK_BYTES = 1 << 20
Say = Callable[[str], None]
EXAMPLE = "https://example.org/mxnet_mkl-1.6.0-py2.py3-none-any.whl#sha256=HEX"


@dataclass(frozen=True)
class WheelUrl:
    """A wheel at an address: its `address` without the hash, the `name` of its file, and its `sha256`."""

    address: str
    name: str
    sha256: str


def read_wheel_url(requirement: str, subject: str) -> WheelUrl:
    """Return the wheel that an address names. Raises PerfError without a hash, for an address that is not a wheel's,
    and for one that holds a password or a query, since it is stored with every run.
    """
    address, _, fragment = requirement.partition("#")
    step = f"write {EXAMPLE}, with the 64 digits that `sha256sum` prints"
    digest = HASH.fullmatch(fragment)
    if digest is None:
        raise PerfError("a wheel at an address needs its sha256", subject=subject, next_step=step)
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        usable = False
    name = unquote(address.rpartition("/")[2])
    if not usable or not FILE_NAME.fullmatch(name):
        raise PerfError("this is not the address of a wheel", subject=subject, next_step=step)
    if "@" in parts.netloc or parts.query:
        what = "the address holds a password or a query, and it would be stored with every run"
        raise PerfError(what, subject=subject, next_step="download the wheel, and name the file")
    return WheelUrl(address, name, digest[1].lower())


@contextmanager
def downloaded(wheel: WheelUrl | None, folder: Path, say: Say) -> Iterator[tuple[str, ...]]:
    """Yield the path of a wheel that was downloaded into a new folder, which is removed afterwards; nothing for None.

    Nothing in the wheel is run or unpacked. Raises PerfError when it cannot be downloaded, is too large, or differs
    from its hash; OSError when the folder cannot be written to.
    """
    if wheel is None:
        yield ()
        return
    say(f"{wheel.name}: downloading")
    folder.mkdir()
    try:
        yield (str(_download(wheel, folder / wheel.name)),)
    finally:
        remove(folder)


def _download(wheel: WheelUrl, path: Path) -> Path:
    with path.open("xb") as file:
        try:
            digest = _copy(wheel, file.write)
        except (URLError, TimeoutError, ConnectionError, HTTPException) as error:  # not a full disk
            if isinstance(error, HTTPError):
                error.close()
            what = f"the wheel cannot be downloaded: {getattr(error, 'reason', error)}"
            raise PerfError(what, subject=wheel.address, next_step="check the address and the network") from error
    if digest != wheel.sha256:
        what = f"the wheel has another sha256, {digest}; nothing in it was run"
        raise PerfError(what, subject=wheel.address, next_step="check who changed it, then name the right hash")
    return path


def _copy(wheel: WheelUrl, write: Callable[[bytes], object]) -> str:
    """Pass the content of a wheel on, and return its sha256."""
    digest, size, deadline_s = hashlib.sha256(), 0, time.monotonic() + DOWNLOAD_S
    # Only http and https get here, and urllib follows redirects to no local file.
    with urlopen(wheel.address, timeout=SILENCE_S) as stream:  # noqa: S310
        while chunk := stream.read(CHUNK_BYTES):
            size += len(chunk)
            if size > MOST_BYTES or time.monotonic() > deadline_s:
                what = f"the wheel is larger than {MOST_BYTES / 1e6:.0f} MB, or took over {DOWNLOAD_S / 60:.0f} min"
                raise PerfError(what, subject=wheel.address, next_step="name a wheel of MXNet")
            digest.update(chunk)
            write(chunk)
    return digest.hexdigest()
