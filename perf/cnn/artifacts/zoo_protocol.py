"""What the modules share that run inside the `zoo` build's Python, as `python -m perf.cnn.MODULE REQUEST.json`.

They write what they make into the folder that the request names, and `result.json` beside it, last. A fault a user can
mend is one line of JSON there under "error". The standard library only.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perf.errors import RefusalError
from perf.worker.process_lifetime import die_with_parent


def answer(make: Callable[[dict[str, Any], Path], dict[str, Any]]) -> None:
    """Let `make(request, folder)` work, and leave what it found, or why it refused."""
    die_with_parent()
    request = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(request["folder"])
    try:
        result = make(request, folder)
    except RefusalError as refusal:
        result = {"error": str(refusal), "next": refusal.next_step}
    (folder / "result.json").write_text(json.dumps(result))


def flush(file: str | Path) -> None:
    """Flush a file to the disk: mxnet does not, and ignores a full one. OSError when that fails."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def last_line(error: Exception) -> str:
    """What an error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1]
