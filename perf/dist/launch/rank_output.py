"""What the ranks of a running job say, kept apart by rank: from the launcher's files, or its tagged output."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from perf.builds import Mpi
from perf.dist.launch.job import ERR, OUT

LAST_LINES = 12
LAUNCHER = "launcher"
# How Open MPI marks whose words follow, [1,RANK]<stdout>: at the beginning of each line, and of each 4 KiB of it.
TAG = re.compile(r"\[\d+,(\d+)\]<(stdout|stderr)>:")


class RankOutput:
    """The output of a job's ranks, in a folder that the launcher writes to. `errors` holds the lines of each rank's
    standard error, and the launcher's own under None.
    """

    def __init__(self, folder: Path, mpi: Mpi, ranks: int) -> None:
        self._folder = folder
        self._tagged = mpi.kind == "open"
        self._ranks = ranks
        self._offsets: dict[str, int] = defaultdict(int)
        self._begun: dict[tuple[str, str], str] = defaultdict(str)
        self.errors: dict[int | None, list[str]] = defaultdict(list)

    def heard(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """What was said since the last time: rank and message. What is no message is taken for standard error."""
        for name in (f"{LAUNCHER}.{OUT}", f"{LAUNCHER}.{ERR}"):
            for line in self._lines(name):
                yield from self._attributed(line)
        if not self._tagged:
            for rank in range(self._ranks):
                for line in self._lines(f"{OUT}.{rank}"):
                    yield from self._understood(rank, line, said=True)
                self.errors[rank] += self._lines(f"{ERR}.{rank}")

    def spoke(self, rank: int) -> bool:
        """Whether a rank wrote anything to its standard error."""
        return any(line.strip() for line in self.errors[rank])

    def last_words(self, rank: int) -> str:
        """The last lines of a rank, or of the launcher when the rank said nothing."""
        lines = [line for line in self.errors[rank] if line.strip()]
        lines = lines or [line for line in self.errors[None] if line.strip(" =|\t")]
        return "\n".join(lines[-LAST_LINES:])

    def _attributed(self, line: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """The messages that end with a line of the launcher's output, which holds pieces of what several ranks say."""
        own, *pieces = TAG.split(line) if self._tagged else [line]
        if own or not pieces:
            self.errors[None].append(own)
        if pieces:
            for rank, stream, text in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
                self._begun[rank, stream] += text
            # Only the last one's line is over.
            whole = self._begun.pop((rank, stream))
            yield from self._understood(int(rank), whole, said=stream == "stdout")

    def _understood(self, rank: int, line: str, *, said: bool) -> Iterator[tuple[int, dict[str, Any]]]:
        if said:
            try:
                yield rank, msgspec.json.decode(line, type=dict[str, Any])
            except (msgspec.DecodeError, RecursionError):
                said = False
        if not said:
            self.errors[rank].append(line)

    def _lines(self, name: str) -> list[str]:
        """The whole lines written to a file since the last time."""
        try:
            with (self._folder / name).open("rb") as stream:
                stream.seek(self._offsets[name])
                content = stream.read()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offsets[name] += len(whole)
        return whole.decode(errors="replace").splitlines()
