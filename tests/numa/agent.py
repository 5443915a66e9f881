"""Runs in the guest and answers requests: each is a function of `tests.numa.inside` with its arguments.

A request is a file N.request, its reply N.reply, both JSON; what the function prints is in N.log. Every function runs
in a process of its own, several at a time if the host does not wait for the reply. They are forked from this one, which
has imported the function's module by then and keeps it: imports take most of the time there.
"""

import importlib
import json
import os
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

# Each look takes milliseconds there, which other processes need.
POLL_S = 0.3


def main(folder: Path) -> None:
    """Answer requests in `folder` until one says to stop."""
    (folder / "up").touch()
    number = 0
    running: dict[int, int] = {}
    while True:
        reap(folder, running)
        request = folder / f"{number}.request"
        if not request.exists():
            time.sleep(POLL_S)
            continue
        wanted = json.loads(request.read_bytes())
        if wanted["function"] is None:
            return
        with suppress(Exception):  # the child meets it too, and replies
            importlib.import_module(wanted["module"])
        child = os.fork()
        if not child:
            answer(folder, number, wanted)
        running[child] = number
        number += 1


def reap(folder: Path, running: dict[int, int]) -> None:
    """Forget the processes that have ended, and reply for those that could not."""
    while running:
        ended, _ = os.waitpid(-1, os.WNOHANG)
        if not ended:
            return
        number = running.pop(ended)
        if not (folder / f"{number}.reply").exists():
            reply(folder, number, {"error": "it was ended by a signal"})


def answer(folder: Path, number: int, wanted: dict[str, Any]) -> None:
    """Call the function, write its reply, and end this process."""
    os.setsid()
    log = os.open(folder / f"{number}.log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        function = getattr(importlib.import_module(wanted["module"]), wanted["function"])
        reply(folder, number, {"value": function(**wanted["arguments"])})
    except BaseException:  # noqa: BLE001 - whatever it is, the host must hear of it
        reply(folder, number, {"error": traceback.format_exc()})
    sys.stdout.flush()
    os._exit(0)


def reply(folder: Path, number: int, content: dict[str, Any]) -> None:
    """Write a reply as a whole."""
    part = folder / f"{number}.part"
    part.write_text(json.dumps(content))
    part.rename(folder / f"{number}.reply")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
