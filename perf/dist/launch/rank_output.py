"""What the ranks of a running job write, separated by rank: from the launcher's files, or from its tagged output."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from perf.builds import Mpi
from perf.dist.launch.job import ERR, OUT
from perf.files import UNREADABLE

# Enough for the exception of a traceback and where it was raised.
MAX_LAST_LINES = 12
# The files of the launcher's own output: this, a dot, and OUT or ERR.
LAUNCHER = "launcher"
# Open MPI marks whose output follows, at the start of each line and of each 4 KiB of it: [1,RANK]<stdout>:
TAG = re.compile(r"\[[0-9]+,([0-9]{1,6})\]<(stdout|stderr)>:")


class RankOutput:
    """The output of a job's ranks, in a folder that the launcher writes to.

    `errors` holds the lines that each rank wrote to its standard error, and under None the launcher's own lines.
    """

    def __init__(self, folder: Path, mpi: Mpi, ranks: int) -> None:
        self._folder = folder
        self._tagged = mpi.kind == "open"
        self._ranks = ranks
        self._offsets: dict[str, int] = defaultdict(int)
        self._incomplete: dict[tuple[str, str], str] = defaultdict(str)
        self.errors: dict[int | None, list[str]] = defaultdict(list)

    def new_messages(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the messages since the last call, each with its rank.

        A line of standard output that is not a JSON object counts as standard error.
        """
        for name in (f"{LAUNCHER}.{OUT}", f"{LAUNCHER}.{ERR}"):
            for line in self._new_lines(name):
                yield from self._from_launcher(line)
        if not self._tagged:
            for rank in range(self._ranks):
                for line in self._new_lines(f"{OUT}.{rank}"):
                    yield from self._decoded(rank, line)
                self.errors[rank] += self._new_lines(f"{ERR}.{rank}")

    def has_errors(self, rank: int) -> bool:
        """Return whether a rank wrote anything to its standard error."""
        return any(line.strip() for line in self.errors[rank])

    def last_lines(self, rank: int) -> str:
        """Return the last lines of a rank's standard error, or the launcher's last lines when there are none."""
        lines = [line for line in self.errors[rank] if line.strip()]
        lines = lines or [line for line in self.errors[None] if line.strip(" =|\t")]
        return "\n".join(lines[-MAX_LAST_LINES:])

    def _from_launcher(self, line: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the messages that end with a line of the launcher's output.

        Such a line can hold pieces of several ranks' lines; only the last piece ends a line of its rank.
        """
        own, *pieces = TAG.split(line) if self._tagged else [line]
        if own or not pieces:
            self.errors[None].append(own)
        if pieces:
            for rank, stream, text in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
                self._incomplete[rank, stream] += text
            whole = self._incomplete.pop((rank, stream))
            if int(rank) >= self._ranks:
                self.errors[None].append(line)
            elif stream == "stdout":
                yield from self._decoded(int(rank), whole)
            else:
                self.errors[int(rank)].append(whole)

    def _decoded(self, rank: int, line: str) -> Iterator[tuple[int, dict[str, Any]]]:
        try:
            yield rank, msgspec.json.decode(line, type=dict[str, Any])
        except UNREADABLE:
            self.errors[rank].append(line)

    def _new_lines(self, name: str) -> list[str]:
        """Return the complete lines written to a file since the last call."""
        path = self._folder / name
        try:
            if path.stat().st_size == self._offsets[name]:
                return []  # the usual case, asked often while ranks are timed: opening it would take them more time
            with path.open("rb") as stream:
                stream.seek(self._offsets[name])
                content = stream.read()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offsets[name] += len(whole)
        return whole.decode(errors="replace").splitlines()
