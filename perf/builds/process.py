"""Starting uv and the builds' Pythons: with the right variables, a timeout, and no process left behind."""

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import uv

from perf.builds.data import load
from perf.errors import PerfError
from perf.files import ROOT

# How many of a program's last lines an error shows: enough for the end of a traceback.
SHOWN_LINES = 12
# Python's line for an exception that nobody caught: its type, with the module's name, and its text.
RAISED = re.compile(r"^(?:\w+\.)*(?:\w*Error|\w*Exception|\w*Interrupt)(?::.*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Finished:
    """A child process that has ended.

    code: its exit code, negative for a signal.
    stdout: what it wrote to standard output.
    stderr: what it wrote to standard error.
    """

    code: int
    stdout: str
    stderr: str

    @property
    def cause(self) -> str:
        """Why it failed, in one line: its last uncaught exception, or else how it ended."""
        raised = RAISED.findall(self.stderr)
        return raised[-1].strip() if raised and self.code > 0 else self.last_lines().splitlines()[0]

    def last_lines(self) -> str:
        """Return how it ended and the last lines that it wrote to stderr, for an error message."""
        how = f"ended by {signal.Signals(-self.code).name}" if self.code < 0 else f"exit code {self.code}"
        lines = [line.rstrip() for line in self.stderr.splitlines() if line.strip()]
        return "\n".join([how, *(f"  {line}" for line in lines[-SHOWN_LINES:])])


def run(
    command: Sequence[str], *, environment: Mapping[str, str], timeout_s: float, subject: str, folder: Path = ROOT
) -> Finished:
    """Run a program in `folder` until it ends, and return what it wrote. On any interruption, it and its children are
    killed.

    Raises PerfError when it cannot be started or does not end within `timeout_s`.
    """
    try:
        with subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,  # nobody can answer a question
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout_s)
            except BaseException:  # KeyboardInterrupt too
                _kill_family(process)
                process.wait()  # `with` does not on KeyboardInterrupt
                raise
    except subprocess.TimeoutExpired as error:
        message = f"{command[0]} did not finish within {timeout_s / 60:g} min and was stopped"
        raise PerfError(message, subject=subject, next_step="check the network and the disk, then run again") from error
    except OSError as error:
        raise PerfError(f"{command[0]} cannot be started: {error}", subject=subject) from error
    return Finished(process.returncode, stdout, stderr)


def run_uv(*arguments: str, timeout_s: float, subject: str, project_environment: str | None = None) -> Finished:
    """Run uv on this project with the user's own settings (indexes, certificates, proxies) and return what it wrote.

    Raises PerfError when uv is missing, cannot be started or takes too long.
    """
    environment = {k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT"}}
    # uv's default is hard links: a damaged file in a build would then be damaged in uv's cache and in every other
    # environment, and a rebuild would bring the damage back.
    environment["UV_LINK_MODE"] = "copy"
    if project_environment is not None:
        environment["UV_PROJECT_ENVIRONMENT"] = project_environment
    try:
        executable = uv.find_uv_bin()
    except FileNotFoundError as error:
        raise PerfError(
            "uv is not installed", subject=subject, next_step="run `uv sync` or `pip install -t .uv uv`"
        ) from error
    return run([executable, *arguments, "--quiet"], environment=environment, timeout_s=timeout_s, subject=subject)


def worker_variables(variables: Mapping[str, str], threads: int, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that runs MXNet: the user's, scrubbed, with `variables` and then `extra`.

    Raises ValueError when `threads` is not positive, PerfError when the room's data cannot be read.
    """
    if threads < 1:
        raise ValueError(f"threads must be positive, not {threads}")
    scrub = load().scrub
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(scrub)},
        "PYTHONPATH": str(ROOT),  # for perf.worker
        "PYTHONSAFEPATH": "1",  # a folder mxnet or numpy in the current folder is not the one under test
        **variables,
        **extra,
        "OMP_NUM_THREADS": str(threads),  # MXNet's own default is half of the CPUs
    }


def recorded_shell_variables(variables: Mapping[str, str], *, distributed: bool) -> dict[str, str]:
    """Return the shell variables that builds inherit and that can change what is measured; with `distributed`, also
    those that only ranks inherit.

    Raises PerfError when the room's data cannot be read.
    """
    prefixes = (*load().recorded, *(load().recorded_distributed if distributed else ()))
    return {
        name: value
        for name, value in sorted(variables.items())
        if name.startswith(prefixes) and not name.startswith(load().scrub)
    }


def scrubbed_shell_variables(variables: Mapping[str, str]) -> list[str]:
    """Return the names of shell variables that would change a measurement and that no build inherits.

    Raises PerfError when the room's data cannot be read.
    """
    harmless = load().harmless
    return sorted(name for name in variables if name.startswith(load().scrub) and not name.startswith(harmless))


def may_be_replayed(name: str, value: str) -> bool:
    """Return whether a variable from a stored run may be set for a build's processes: it tunes them, and names no file
    that they would load.

    Raises PerfError when the room's data cannot be read.
    """
    return name.startswith(load().replayed) and "/" not in value


def _kill_family(process: subprocess.Popen[str]) -> None:
    # uv starts Pythons and, for source distributions, compilers, which would keep writing into the folder.
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for child in family:
        with suppress(psutil.NoSuchProcess):
            child.kill()
