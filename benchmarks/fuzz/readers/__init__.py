"""Everything of the suite that reads a file or a pipe."""

from pathlib import Path

from benchmarks.fuzz.reader import Reader
from benchmarks.fuzz.readers import data, kept, machine, networks, pipes, runs


def all_readers(scratch: Path) -> list[Reader]:
    """Return all readers; `scratch` is an empty folder to make contents in."""
    return [
        *runs.readers(),
        *kept.readers(),
        *data.readers(),
        *machine.readers(),
        *networks.readers(scratch),
        *pipes.readers(scratch),
    ]
