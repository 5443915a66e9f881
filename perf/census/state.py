"""A census's file: one line of JSON for each network, flushed to the disk as soon as it is known.

Of several lines about a network the last one counts. A line that a killed census left unfinished is dropped by the next
one, which resumes after the last whole line.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from perf.cache import if_free
from perf.census.result import NetworkResult
from perf.errors import PerfError
from perf.files import decoded, flush_folder, read_bytes

# The version of the format. A change that old code cannot read gets the next number.
VERSION = 2
NAME = "census.jsonl"
LOCK = ".lock"
ELSEWHERE = "name another folder with --folder, or remove this one to start again"


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: what all lines have in common. Machines and the code may change while a census grows: each result
    says by which ones it was found.

    version: that of the format.
    conditions: the builds, as texts by name.
    networks: GluonCV's networks to examine.
    left_out: why each of its other networks is not examined, by name.
    """

    version: int = VERSION
    conditions: dict[str, str]
    networks: list[str]
    left_out: dict[str, str]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line: the `header`, or the `result` of a network."""

    header: Header | None = None
    result: NetworkResult | None = None


class _Version(msgspec.Struct):
    version: int


class _FirstLine(msgspec.Struct):
    header: _Version


@contextmanager
def opened(folder: Path) -> Iterator[None]:
    """Create the folder if necessary, and keep other censuses out of it. Raises PerfError when one is using it, or when
    it cannot be written to.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = stack.enter_context(if_free(folder / LOCK))
        except OSError as error:
            raise unwritable(folder, error) from error
        if not free:
            step = "wait until it ends, or stop it"
            raise PerfError("another census is using this folder", subject=str(folder), next_step=step)
        yield


class CensusFile:
    """The file in a folder that only this process writes to.

    results: the result of each network so far, by name and content.
    """

    def __init__(self, folder: Path, header: Header) -> None:
        """Read the file, or begin it. Raises PerfError when it is damaged, of another version, of a census under other
        conditions, or cannot be written to.
        """
        self._path = folder / NAME
        self.results: dict[tuple[str, str], NetworkResult] = {}
        lines, length = read_lines(self._path)
        if not lines:
            self._write(Line(header=header), length)
            return
        stored = lines[0].header
        if stored is None:
            raise PerfError("is damaged: it has no header", subject=str(self._path), next_step=ELSEWHERE)
        differing = list(_differences(stored.conditions, header.conditions))
        if differing:
            message = f"holds a census under other conditions: {'; '.join(differing)}"
            raise PerfError(message, subject=str(self._path), next_step=ELSEWHERE)
        self._length = length
        for line in lines[1:]:
            if line.result is not None:
                self.results[line.result.network, line.result.content] = line.result

    def add(self, result: NetworkResult) -> None:
        """Record the result of one more network. Raises PerfError when it cannot be written."""
        self.results[result.network, result.content] = result
        self._write(Line(result=result), self._length)

    def _write(self, line: Line, length: int) -> None:
        """Write a line after the first `length` bytes: what follows them is a part of a line."""
        content = msgspec.json.encode(line) + b"\n"
        try:
            with self._path.open("r+b" if self._path.exists() else "wb") as stream:
                stream.truncate(length)
                stream.seek(length)
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            flush_folder(self._path.parent)
        except OSError as error:
            raise unwritable(self._path, error) from error
        self._length = length + len(content)


def read_lines(path: Path) -> tuple[list[Line], int]:
    """Return the whole lines of a census's file and their length in bytes; none when there is no file.

    Raises PerfError when the file cannot be read, or a line is damaged or of another version.
    """
    if not path.exists():
        return [], 0
    content = read_bytes(path, next_step=ELSEWHERE)
    whole = content[: content.rfind(b"\n") + 1].split(b"\n")[:-1]
    if whole:
        version = decoded(whole[0], _FirstLine, path, next_step=ELSEWHERE).header.version
        if version != VERSION:
            message = f"has version {version}, but this version of the suite reads version {VERSION}"
            raise PerfError(message, subject=str(path), next_step=ELSEWHERE)
    lines = [decoded(line, Line, path, next_step=ELSEWHERE) for line in whole]
    return lines, sum(len(line) + 1 for line in whole)


def unwritable(path: Path, error: OSError) -> PerfError:
    """Return the error for a file or folder that cannot be written to."""
    step = "free some space there, or name another folder with --folder"
    return PerfError(f"cannot be written to: {error.strerror}", subject=str(path), next_step=step)


def _differences(stored: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*stored, *now}):
        if stored.get(name) != now.get(name):
            yield f"{name}: {stored.get(name)} there, {now.get(name)} here"
