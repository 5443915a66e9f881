"""GitHub's API, through the command gh: the comments of a pull request."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from perf.errors import PerfError
from perf.files import decoded_output

# A call takes a second; gh itself has no limit.
TIMEOUT_S = 120.0
# What GitHub Actions checks out for a pull request.
REF = re.compile(r"refs/pull/([1-9][0-9]*)/merge")
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
# One comment a line, as a JSON object.
LINES = '.[] | {id, body: (.body // ""), type: .user.type} | tojson'


class Comment(msgspec.Struct, frozen=True):
    """A comment: its `id`, its `body`, and the `type` of the account that wrote it, "Bot" or "User"; None where the
    account was deleted.
    """

    id: int
    body: str
    type: str | None


@dataclass(frozen=True)
class PullRequest:
    """A pull request: the `repository` ("owner/name") and its `number`."""

    repository: str
    number: int

    def comments(self) -> Iterator[Comment]:
        """Yield its comments, oldest first. Raises PerfError when gh fails."""
        listed = _api(f"repos/{self.repository}/issues/{self.number}/comments", "--paginate", "--jq", LINES)
        for line in filter(None, listed.split("\n")):
            what, where = f"the comment {line[:100]!r}", f"pull request {self.number} of {self.repository}"
            yield decoded_output(line, Comment, what, subject=where, next_step="update gh")

    def write(self, body: str, comment: int | None) -> None:
        """Write a comment: edit the one with this id, or add one. Raises PerfError when gh fails."""
        method, path = ("POST", f"{self.number}/comments") if comment is None else ("PATCH", f"comments/{comment}")
        with tempfile.NamedTemporaryFile(suffix=".md") as file:
            Path(file.name).write_bytes(body.encode())
            _api(f"repos/{self.repository}/issues/{path}", "--method", method, "-F", f"body=@{file.name}", "--silent")


def pull_request_of_workflow() -> PullRequest:
    """Return the pull request that this GitHub workflow runs for. Raises PerfError anywhere else."""
    repository = REPOSITORY.fullmatch(os.environ.get("GITHUB_REPOSITORY", ""))
    number = REF.fullmatch(os.environ.get("GITHUB_REF", ""))
    if repository is None or number is None:
        raise PerfError(
            "--post comments on the pull request of a GitHub workflow, and this is none: GITHUB_REPOSITORY or "
            "GITHUB_REF does not name one",
            next_step="leave out --post to print the comment",
        )
    return PullRequest(repository[0], int(number[1]))


def gh(*arguments: str, subject: str, next_step: str) -> str:
    """Run gh and return what it prints. Raises PerfError, with this subject and next step, when it is missing, fails or
    hangs.
    """
    try:
        done = subprocess.run(
            ["gh", *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=TIMEOUT_S
        )
    except FileNotFoundError as error:
        step = "install it from https://cli.github.com"
        raise PerfError("the program gh is not installed", subject=subject, next_step=step) from error
    except OSError as error:
        step = f"make sure that {shutil.which('gh') or 'gh'} is a program that you may run"
        raise PerfError(f"cannot be run: {error.strerror}", subject=subject, next_step=step) from error
    except subprocess.TimeoutExpired as error:
        step = "try again; https://www.githubstatus.com says whether GitHub is available"
        what = f"no answer within {TIMEOUT_S:.0f} s"
        raise PerfError(what, subject=subject, next_step=step) from error
    if done.returncode:
        what = done.stderr.strip() or f"ended with exit code {done.returncode}"
        raise PerfError(f"failed: {what}", subject=subject, next_step=next_step)
    return done.stdout


def _api(endpoint: str, *arguments: str) -> str:
    step = "set GH_TOKEN to a token that may write to pull requests; without one, print the comment without --post"
    return gh("api", endpoint, *arguments, subject=f"gh api {endpoint}", next_step=step)
