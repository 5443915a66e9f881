"""A history on a branch of its own, to which several jobs push: each adds its file, and none overwrites another's.

Everything happens in git's object store and in a temporary folder. The checkout's working tree, index and branches stay
as they are; a remote-tracking branch may move.
"""

import random
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from perf.errors import PerfError
from perf.git import git
from perf.history.nights import keep, read_nights
from perf.history.schema import NightFile

# The folder of all histories on the branch, a folder for each machine class in it, as in a checkout.
FOLDER = "history"
# What the root of the branch may hold. Anything else is another branch, such as the project's own.
_OF_THE_BRANCH = frozenset({FOLDER, "README.md"})
# Pushes that may fail while the branch stays where it is. Jobs that push at the same moment can lock each other out
# once; a remote that refuses does so every time.
MOST_REFUSALS = 3
# Attempts in all: each but the last ones found a file of another job, and there are fewer jobs than this.
MOST_ATTEMPTS = 50
# The longest pause before another attempt. It is random, so that two jobs do not stay in step.
PAUSE_S = 0.5
# Who commits, however the checkout is configured.
COMMITTER = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in {"NAME": "mxperf history publish", "EMAIL": "mxnet-perf@localhost"}.items()
}


@dataclass(frozen=True)
class Published:
    """What became of a run: the `file` that was added, None if the branch held the run already; whether the branch was
    `created` for it; how many commits of other jobs came in between (`overtaken`); and how many files of the class are
    `unusable`.
    """

    file: str | None
    created: bool
    overtaken: int
    unusable: int


@dataclass(frozen=True)
class HistoryBranch:
    """The branch `name` of a `remote` (a name or an address), which git reaches from a `repository`."""

    repository: Path
    remote: str
    name: str

    @property
    def text(self) -> str:
        """How messages call it."""
        return f"branch {self.name} of {self.remote}"

    def publish(self, night: NightFile, output: Path | None = None) -> Published:
        """Add a run's file to the branch, unless the branch holds the run. A missing branch is created. When another
        job pushes first, this file is added to what that job pushed. The class's history is then also written into its
        folder in `output`, if there is one.

        Raises PerfError when the remote cannot be reached or refuses, when the branch is not that of a history, or when
        a file cannot be written.
        """
        self._git("check-ref-format", "--branch", self.name, step="name another branch, such as history")
        tips: list[str | None] = []
        while True:
            tips.append(self._tip())
            with tempfile.TemporaryDirectory(prefix="mxnet-perf-history-") as name:
                scratch = Path(name)
                folder = self._checked_out(tips[-1], scratch) / night.header.machine_class
                path = keep(night, folder)
                commit = self._commit(tips[-1], path, scratch) if path else None
                try:
                    if commit:
                        self._git("push", "--quiet", "--no-verify", "--", self.remote, f"{commit}:{self._ref}")
                except PerfError:
                    if tips[-MOST_REFUSALS:] == [tips[-1]] * MOST_REFUSALS or len(tips) == MOST_ATTEMPTS:
                        raise
                else:
                    if output is not None:
                        _copy(folder, output / folder.name)
                    unusable = len(read_nights(folder, folder.name).unusable)
                    created = commit is not None and tips[-1] is None
                    return Published(path.name if path else None, created, len(set(tips)) - 1, unusable)
            time.sleep(random.uniform(0, PAUSE_S))  # noqa: S311 - no secret

    @property
    def _ref(self) -> str:
        return f"refs/heads/{self.name}"

    def _tip(self) -> str | None:
        """Return the newest commit of the branch; None if the remote does not have it."""
        listed = self._git("ls-remote", "--", self.remote, self._ref)
        return listed.partition("\t")[0] or None

    def _checked_out(self, tip: str | None, scratch: Path) -> Path:
        """Write a commit's files into a folder, with an index of its own, and return the folder of all histories."""
        if tip is not None:
            # Without --refmap=, two jobs in one checkout would lock each other out of its remote-tracking branch.
            options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--refmap=")
            self._git("fetch", *options, "--", self.remote, self._ref)
            names = set(self._git("ls-tree", "--name-only", "-z", tip).split("\0")) - {"", *_OF_THE_BRANCH}
            if names:
                message = f"is not the branch of a history: it holds {min(names)!r}"
                step = "name another branch, such as history"
                raise PerfError(message, subject=self.text, next_step=step)
            self._local("read-tree", tip, scratch=scratch)
            # A link is written as a file that holds its target, so that none leads out of the folder.
            arguments = ("-c", "core.symlinks=false", "checkout-index", "--all", f"--prefix={scratch}/")
            self._local(*arguments, scratch=scratch)
        return scratch / FOLDER

    def _commit(self, tip: str | None, path: Path, scratch: Path) -> str:
        """Return a commit that adds a file in a folder to another commit, or that is the first one of the branch."""
        blob = self._local("hash-object", "-w", "--stdin", scratch=scratch, content=path.read_bytes())
        entry = f"100644,{blob},{path.relative_to(scratch)}"
        self._local("update-index", "--add", "--cacheinfo", entry, scratch=scratch)
        tree = self._local("write-tree", scratch=scratch)
        message = f"Add {path.stem} of {path.parent.name}"
        return self._local("commit-tree", tree, *(["-p", tip] if tip else []), "-m", message, scratch=scratch)

    def _git(self, *arguments: str, step: str = "check the remote, and that you may push to it") -> str:
        return git(self.repository, *arguments, step=step, subject=self.text).decode(errors="replace")

    def _local(self, *arguments: str, scratch: Path, content: bytes = b"") -> str:
        """Run git with an index in a temporary folder."""
        step = "free some space, and check that the checkout can be written to"
        variables = {"GIT_INDEX_FILE": str(scratch / "index"), **COMMITTER}
        return git(self.repository, *arguments, step=step, content=content, variables=variables).decode().strip()


def _copy(folder: Path, to: Path) -> None:
    """Copy a class's history. Raises PerfError when it cannot be written."""
    try:
        shutil.copytree(folder, to, dirs_exist_ok=True)
    except OSError as error:
        step = "free some space, or name another folder with --output"
        raise PerfError(f"cannot be written: {error}", subject=str(to), next_step=step) from error
