"""What is fuzzed: a reader, the real contents that it reads, and one trial of it with a changed content."""

import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Literal

from perf.errors import PerfError

Form = Literal["json", "lines", "toml", "text", "binary"]
# No input may take longer: seconds of this process's CPUs, whatever else the machine does, and seconds in all.
CPU_S, WALL_S = 1.0, 20.0
# Seeds that are read unchanged at first.
FIRST_SEEDS = 3


@dataclass(frozen=True)
class Seed:
    """A real content: the file's `path` below the reader's folder, the `content`, and its `form`."""

    path: str
    content: bytes
    form: Form


@dataclass(frozen=True, kw_only=True)
class Reader:
    """What reads a file or a pipe.

    name: its name in the table.
    modules: the modules of the suite that read there.
    seeds: the contents to change.
    read: reads the file, given the reader's folder and the path, and does with the result what the suite does next. It
        raises CorruptedError for a result that no machine can have measured.
    refusals: the errors by which it refuses a content.
    exact: whether a content with any change is refused, or gives the same result.
    weight: its part of all inputs, relative to that of other readers: slow ones get less.
    """

    name: str
    modules: tuple[str, ...]
    seeds: tuple[Seed, ...]
    read: Callable[[Path, Path], object]
    refusals: tuple[type[Exception], ...] = (PerfError,)
    exact: bool = False
    weight: float = 1.0


class CorruptedError(AssertionError):
    """A reader accepted what cannot be right."""


class HangError(AssertionError):
    """A reader took too long."""


@dataclass
class Tally:
    """How many inputs a reader got, and how many it `accepted` and `refused`; the `longest_s` in CPU time."""

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    longest_s: float = 0.0


@dataclass
class Bench:
    """A `reader` in a `folder` with its real files, and what became of its inputs so far (`tally`)."""

    reader: Reader
    folder: Path
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        """Write the real files, and read the first ones: a seed that is refused would fuzz nothing. With more of them
        they are one tree, which is read as a whole.
        """
        for seed in self.reader.seeds:
            path = self.folder / seed.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(seed.content)
        self._whole = [self._read(self.folder / seed.path) for seed in self.reader.seeds[:FIRST_SEEDS]]

    def attempt(self, number: int, content: bytes) -> None:
        """Let the reader read a changed content of the seed with this number. Raises CorruptedError, HangError, or the
        exception that is not a refusal.
        """
        seed = self.reader.seeds[number]
        path = self.folder / seed.path
        path.write_bytes(content)
        self.tally.inputs += 1
        started_s = time.process_time()
        try:
            with limited():
                result = self._read(path)
        except self.reader.refusals:
            self.tally.refused += 1
        else:
            self.tally.accepted += 1
            if self.reader.exact and result != self._whole[number]:
                raise CorruptedError(f"accepted a changed content: {result!r:.300}")
        finally:
            spent_s = time.process_time() - started_s
            self.tally.longest_s = max(self.tally.longest_s, spent_s)
            path.write_bytes(seed.content)
        if spent_s > CPU_S:
            raise HangError(f"took {spent_s:.1f} s")

    def _read(self, path: Path) -> object:
        with redirect_stdout(StringIO()):
            return self.reader.read(self.folder, path)


@contextmanager
def limited() -> Iterator[None]:
    """Raise HangError in the block once it has used `CPU_S` or lasted for `WALL_S`."""
    before = {number: signal.signal(number, _too_long) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    signal.setitimer(signal.ITIMER_REAL, WALL_S)
    try:
        yield
    finally:
        for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def limit_memory(most: int) -> None:
    """Let this process fail with MemoryError beyond `most` bytes of address space, instead of taking the machine's."""
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def _too_long(number: int, _: FrameType | None) -> None:
    raise HangError(f"took longer than {CPU_S if number == signal.SIGPROF else WALL_S:g} s")
