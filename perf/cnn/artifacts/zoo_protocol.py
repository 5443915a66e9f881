"""What the programs share that run inside the `zoo` build, as `python -m perf.cnn.MODULE REQUEST.json`.

A program writes its files into the folder that the request names, and `result.json` last. If the user can fix what went
wrong, that file holds the reason under "error" and what to do under "next". Imports the standard library only.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perf.worker.process_lifetime import die_with_parent


class RefusalError(Exception):
    """A request that cannot be met, for a reason that the user can fix. `next_step` says what to do."""

    ANOTHER_NETWORK = "name another network with --perf-model"

    def __init__(self, message: str, next_step: str = ANOTHER_NETWORK) -> None:
        super().__init__(message)
        self.next_step = next_step


def answer_request(make: Callable[[dict[str, Any], Path], dict[str, Any]]) -> None:
    """Call `make(request, folder)` with the request of the command line, and write its result or the refusal."""
    die_with_parent()
    request = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(request["folder"])
    try:
        result = make(request, folder)
    except RefusalError as refusal:
        result = {"error": str(refusal), "next": refusal.next_step}
    (folder / "result.json").write_text(json.dumps(result))


def flush(file: str | Path) -> None:
    """Flush a file to the disk, because MXNet does not, and ignores a full disk. Raises OSError when that fails."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def last_line(error: Exception) -> str:
    """Return the last line of an error's text, or its type where it has no text."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1]
