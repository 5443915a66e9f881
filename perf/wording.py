"""How messages are worded: numbers that agree with their nouns, and commands as the user calls them."""

import os
import shutil
import sys
from pathlib import Path

from perf.files import ROOT


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return the number with its noun: `1 case`, `2 cases`; `plural` is for nouns that take more than an `s`."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def change_text(ratio: float | None, low: float | None, high: float | None) -> str:
    """Return a ratio now over then as a change with its interval, such as "-6.4% [-7.8%, -5.0%]"; "-" for None."""
    if ratio is None:
        return "-"
    interval = f" [{low - 1:+.1%}, {high - 1:+.1%}]" if low is not None and high is not None else ""
    return f"{ratio - 1:+.1%}{interval}"


def uv() -> str:
    """Return how the user calls uv, for commands that messages print: `uv` where PATH has it, else the file that
    started this process (`.uv/bin/uv`), relative to the checkout.

    uv names itself in the variable UV, and puts the host environment, which has a uv of its own, in front of PATH.
    """
    own = str(Path(sys.prefix, "bin"))
    path = os.pathsep.join(folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder != own)
    started_by = os.environ.get("UV")
    if started_by is None or shutil.which("uv", path=path):
        return "uv"
    return os.path.relpath(started_by, ROOT) if Path(started_by).is_relative_to(ROOT) else started_by
