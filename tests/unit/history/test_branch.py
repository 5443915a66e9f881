"""`mxperf history publish` on bare repositories: every run stays, whoever pushes first, and nothing is forced."""

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from perf.history import branch as branch_module
from perf.history.nights import read_nights
from tests.conftest import SmallDisk
from tests.support.factories import MACHINE_CLASS
from tests.unit.history.made_history import made_run, write_run

RACING = 3


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


@dataclass(frozen=True)
class Place:
    """A bare repository `remote`, a checkout of it (`work`), and the command as the checkout runs it."""

    remote: Path
    work: Path
    history: Callable[..., int]

    def run(self, night: int, **context: Any) -> Path:
        """Write the run of a night, and return its file."""
        return write_run(self.work.parent / f"night-{night}.json", made_run(night, **context))

    def publish(self, night: int, *options: object, **context: Any) -> int:
        return self.history("publish", self.run(night, **context), "--repository", self.work, *options)

    def files(self) -> list[str]:
        """The paths of the branch's files."""
        return git(self.remote, "ls-tree", "-r", "--name-only", "history").splitlines()

    def commits(self) -> int:
        return len(git(self.remote, "rev-list", "history").splitlines())

    def nights(self, folder: Path) -> list[int]:
        """The days of the nights that the branch holds, exported into a folder."""
        git(self.remote, "worktree", "add", "--force", "--detach", str(folder), "history")
        return [file.header.ended.day for file in read_nights(folder / "history" / MACHINE_CLASS).files]

    def holds(self, name: str, content: bytes, message: str = "by hand") -> None:
        """Let somebody push a file to the branch."""
        other = self.work.parent / "other"
        git(self.work.parent, "clone", "--quiet", "--branch=history", str(self.remote), str(other))
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_bytes(content)
        git(other, "add", "-A")
        git(other, "commit", "--quiet", "-m", message)
        git(other, "push", "--quiet", "origin", "history")

    def refuses(self, script: str = "echo 'protected branch' >&2; exit 1") -> None:
        """Let the remote answer every push with a script."""
        hook = self.remote / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{script}\n")
        hook.chmod(0o755)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, history: Callable[..., int]) -> Place:
    """A checkout with a commit, a changed file and a new one."""
    monkeypatch.setattr(branch_module, "PAUSE_S", 0.05)
    remote, work = tmp_path / "remote.git", tmp_path / "work"
    git(tmp_path, "init", "--quiet", "--bare", "--template=", str(remote))
    git(tmp_path, "init", "--quiet", "--template=", "-b", "main", str(work))
    git(work, "remote", "add", "origin", str(remote))
    (work / "file").write_text("committed")
    git(work, "add", "file")
    git(work, "commit", "--quiet", "-m", "first")
    (work / "file").write_text("changed")
    (work / "new").touch()
    return Place(remote, work, history)


def test_the_first_night_creates_the_branch_and_later_ones_add_to_it(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.publish(0) == 0
    assert "/night-0.json: added as 20261101T020000Z-" in (out := capsys.readouterr().out)
    assert out.endswith(".jsonl to branch history of origin, which was created\n")
    assert place.publish(1, "-o", tmp_path / "history") == 0
    assert capsys.readouterr().out.endswith(".jsonl to branch history of origin\n")
    assert place.nights(tmp_path / "seen") == [1, 2]
    written = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "history").rglob("*.jsonl"))
    assert place.files() == written
    assert place.commits() == 2
    assert git(place.remote, "branch", "--list").split() == ["history"]


def test_the_checkout_stays_as_it_is(place: Place) -> None:
    before = git(place.work, "status", "--porcelain=v2", "--branch"), git(place.work, "for-each-ref", "refs/heads")
    assert place.publish(0) == 0
    assert place.publish(1) == 0
    assert (
        git(place.work, "status", "--porcelain=v2", "--branch"),
        git(place.work, "for-each-ref", "refs/heads"),
    ) == before


def test_a_run_that_is_there_is_not_added_again(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.publish(0) == 0
    assert place.publish(0) == 0
    assert capsys.readouterr().out.endswith("/night-0.json: is already on branch history of origin\n")
    assert place.commits() == 1


def test_jobs_that_race_all_add_their_files(place: Place, tmp_path: Path) -> None:
    forked = multiprocessing.get_context("fork")
    jobs = [forked.Process(target=lambda night: sys.exit(place.publish(night)), args=(n,)) for n in range(RACING)]
    for process in jobs:
        process.start()
    for process in jobs:
        process.join(timeout=60)
    assert [process.exitcode for process in jobs] == [0] * RACING
    assert place.nights(tmp_path / "seen") == [1, 2, 3]
    assert place.commits() == RACING


def test_a_job_that_pushes_first_keeps_its_file(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.publish(0) == 0
    commit = branch_module.HistoryBranch._commit

    def overtaken(self: branch_module.HistoryBranch, *arguments: Any) -> str:
        monkeypatch.setattr(branch_module.HistoryBranch, "_commit", commit)
        assert place.publish(1) == 0
        return commit(self, *arguments)

    monkeypatch.setattr(branch_module.HistoryBranch, "_commit", overtaken)
    assert place.publish(2) == 0
    assert capsys.readouterr().out.endswith(" of origin, after 1 commit of other jobs\n")
    assert place.nights(tmp_path / "seen") == [1, 2, 3]


def test_a_remote_that_refuses_is_named_with_its_reason(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.refuses()
    assert place.publish(0) == 4
    error = capsys.readouterr().err
    assert error.startswith("branch history of origin: git push failed: remote: protected branch")
    assert "next: check the remote, and that you may push to it" in error
    assert git(place.remote, "for-each-ref") == ""


def test_a_remote_that_refuses_once_is_asked_again(place: Place) -> None:
    place.refuses("test -e ../once || { : > ../once; exit 1; }")
    assert place.publish(0) == 0
    assert place.commits() == 1


def test_a_remote_that_is_not_there_is_named(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.publish(0, "--remote", place.work / "none") == 4
    assert "none: git ls-remote failed: fatal: " in capsys.readouterr().err


def test_without_git_the_message_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert place.publish(0) == 4
    assert capsys.readouterr().err == "branch history of origin: git is not installed\nnext: install git\n"


@pytest.mark.parametrize("name", ["-f", "a b", "history..x", ""])
def test_what_cannot_be_a_branch_is_refused(place: Place, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert place.publish(0, f"--branch={name}") == 4
    assert capsys.readouterr().err.endswith("next: name another branch, such as history\n")


def test_a_branch_of_the_project_is_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    git(place.work, "push", "--quiet", "origin", "main")
    assert place.publish(0, "--branch=main") == 4
    assert "is not the branch of a history: it holds 'file'\nnext: name another" in capsys.readouterr().err
    assert git(place.remote, "rev-list", "main").splitlines() == git(place.work, "rev-list", "main").splitlines()


def test_damaged_files_and_accepted_levels_on_the_branch_stay_as_they_are(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.publish(0) == 0
    (name,) = place.files()
    content = git(place.remote, "cat-file", "blob", f"history:{name}").encode()[:-40]
    place.holds(name, content)
    assert place.publish(1, "-o", tmp_path / "history") == 0
    assert "1 file of which cannot be used (mxperf history check)" in capsys.readouterr().out
    assert (tmp_path / name).read_bytes() == content
    assert place.publish(0) == 0, "the damaged file does not count as the run"
    assert len(place.files()) == 2


def test_a_link_on_the_branch_leads_nowhere(place: Place, tmp_path: Path) -> None:
    assert place.publish(0) == 0
    secret = tmp_path / "secret"
    secret.write_text("secret")
    other = tmp_path / "linked"
    git(tmp_path, "clone", "--quiet", "--branch=history", str(place.remote), str(other))
    (other / "history" / MACHINE_CLASS / "accepted.toml").symlink_to(secret)
    git(other, "add", "-A")
    git(other, "commit", "--quiet", "-m", "a link")
    git(other, "push", "--quiet", "origin", "history")
    assert place.publish(1, "-o", tmp_path / "out") == 0
    written = tmp_path / "out" / MACHINE_CLASS / "accepted.toml"
    assert (written.is_symlink(), written.read_text()) == (False, str(secret))


def test_a_file_in_place_of_the_class_on_the_branch_is_named(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    git(place.work, "push", "--quiet", "origin", "main:refs/heads/history")
    other = place.work.parent / "spoiled"
    git(place.work.parent, "clone", "--quiet", "--branch=history", str(place.remote), str(other))
    (other / "history").mkdir()
    (other / "file").rename(other / "history" / MACHINE_CLASS)
    git(other, "add", "-A")
    git(other, "commit", "--quiet", "-m", "a file")
    git(other, "push", "--quiet", "origin", "history")
    assert place.publish(0) == 4
    assert f"history/{MACHINE_CLASS}" in (error := capsys.readouterr().err)
    assert "cannot be written: " in error


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"complete": False}, "is an unfinished run"),
        ({"injected": {"mkl-fp32": 0.05}}, "was slowed down on purpose"),
        ({"schema": 1}, "has schema 1"),
    ],
)
def test_a_run_that_cannot_be_a_night_is_refused(
    place: Place, capsys: pytest.CaptureFixture[str], context: dict[str, Any], message: str
) -> None:
    assert place.publish(0, **context) == 4
    assert message in capsys.readouterr().err
    assert git(place.remote, "for-each-ref") == ""


def test_a_run_of_a_candidate_wheel_is_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    run = made_run(0, wheel="c")
    for benchmark in run["benchmarks"]:
        benchmark["extra_info"]["wheel_locked"] = benchmark["extra_info"]["variant"] == "native-fp32"
    path = write_run(place.work.parent / "candidate.json", run)
    assert place.history("publish", path, "--repository", place.work) == 4
    error = capsys.readouterr().err
    assert error.startswith(f"{path}: ran mxnet-mkl-c, and this history is that of the locked wheels\nnext: keep it")
    assert git(place.remote, "for-each-ref") == ""


def test_a_full_disk_pushes_nothing_and_is_named(
    place: Place, small_disk: SmallDisk, capsys: pytest.CaptureFixture[str]
) -> None:
    disk, make_read_only = small_disk
    make_read_only()
    assert place.publish(0, "-o", disk / "history") == 4
    assert f"{disk / 'history' / MACHINE_CLASS}: cannot be written: " in capsys.readouterr().err
    assert list(disk.iterdir()) == []
