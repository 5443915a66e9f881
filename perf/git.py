"""Git commands, each with a limit on its time; a failure is an error that names the repository and what to do."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from perf.errors import PerfError

# How long git may take for one command, in seconds: fetching a history of years takes some.
TIMEOUT_S = 120.0
# What no command may do: wait for a password that nobody types, or answer in another language.
QUIET = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def git(
    repository: Path,
    *arguments: str,
    step: str = "run it in a git checkout",
    subject: str | None = None,
    content: bytes = b"",
    variables: Mapping[str, str] | None = None,
) -> bytes:
    """Run a git command in a repository, with `content` as its input and these environment `variables`, and return what
    it writes. Raises PerfError, about the `subject` (by default the repository) and with the next `step`, when git is
    missing, fails or hangs.
    """
    command = ["git", "-C", str(repository), *arguments]
    environment = os.environ | QUIET | dict(variables or {})
    about = str(repository) if subject is None else subject
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, check=False, timeout=TIMEOUT_S, env=environment
        )
    except FileNotFoundError as error:
        raise PerfError("git is not installed", subject=about, next_step="install git") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PerfError(f"git cannot run: {error}", subject=about, next_step=step) from error
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise PerfError(f"git {arguments[0]} failed: {message}", subject=about, next_step=step)
    return done.stdout
