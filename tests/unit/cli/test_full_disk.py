"""Every subcommand that writes without measuring, on a disk that is full at each of its writes in turn.

Bisections, ladders and the census, which measure, have tests of their own for what they write.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest

from perf.cli import main
from perf.cli.machine import runner as runner_subcommand
from perf.history.nights import keep, night_of
from tests.conftest import SmallDisk
from tests.support.services.fake_gh import FakeGh, gh
from tests.unit.machine.runner.fake_machine import FakeMachine, bare_machine
from tests.unit.report.exports.exported import STORED
from tests.unit.runs.made_runs import EQUAL, run_of, stored
from tests.unit.runs.night.made_nights import BASELINE, TONIGHT, slowed, split, tonight, written
from tests.unit.runs.refreshing.made_sessions import session_files
from tests.unit.runs.refreshing.test_proposal import Repository

__all__ = ["gh"]
pytestmark = pytest.mark.slow
BLOCK = 4096
# More blocks and files than any subcommand needs.
MOST = 1000
SLOW = "resnet50_v1-b4-mkl-int8"
Prepare = Callable[[Path, Path], Sequence[object]]


@dataclass(frozen=True)
class Disk:
    """A disk at `folder`, which holds the contents of the folder `seeds`, and room for as much as a test says."""

    folder: Path
    seeds: Path

    def refill(self, *, blocks: int = MOST, files: int = MOST) -> None:
        """Remove what was written, and leave room for this many blocks of 4 KiB and this many files and folders."""
        self._limit(f"size={2 * MOST * BLOCK},nr_inodes={2 * MOST}")
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self.seeds, self.folder, dirs_exist_ok=True)
        (self.folder / "tmp").mkdir()
        (self.folder / "filling").write_bytes(bytes(BLOCK))  # a limit of no block would be none
        used = os.statvfs(self.folder)
        size = (used.f_blocks - used.f_bfree) * used.f_frsize + blocks * BLOCK
        self._limit(f"size={size},nr_inodes={used.f_files - used.f_ffree + files}")

    def sizes(self) -> dict[str, int]:
        """Return the size of every file and, as -1, every folder on it."""
        return {
            str(path.relative_to(self.folder)): -1 if path.is_dir() else path.stat().st_size
            for path in self.folder.rglob("*")
        }

    def _limit(self, limits: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{limits}", str(self.folder)], check=True)


@pytest.fixture
def disk(small_disk: SmallDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk with the current folder and the one for temporary files on it."""
    folder, _ = small_disk
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder / "tmp"))
    with chdir(folder):
        yield Disk(folder, seeds)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    """What `mxperf runner` sets up."""
    made = bare_machine(tmp_path)
    monkeypatch.setenv("PATH", str(made.programs), prepend=os.pathsep)
    monkeypatch.setattr(runner_subcommand, "ROOT", made.root)
    return made


def exported(kind: str) -> Prepare:
    return lambda _, __: ("export", STORED, "--format", kind, "-o", "out")


def refreshed(folder: Path, seeds: Path) -> Sequence[object]:
    stored(seeds / "class", run_of(EQUAL))
    (seeds / "outputs").touch()  # GitHub makes it
    sessions = session_files(folder / "sessions", [run_of(EQUAL) for _ in range(3)])
    return ("refresh", "--from", *sessions, "--folder", "class", "--outputs", "outputs")


def merged(folder: Path, _: Path) -> Sequence[object]:
    return ("merge", *written(folder, split(tonight())), "-o", "run.json")


def exported_nights(folder: Path, _: Path) -> Sequence[object]:
    (folder / "nights").mkdir()
    keep(night_of(TONIGHT), folder / "nights")
    return ("history", "export", "--otava", "--folder", folder / "nights", "-o", "otava")


def checked(folder: Path, _: Path) -> Sequence[object]:
    repository = Repository(folder / "repository")
    repository.store(run_of(EQUAL))
    repository.commit()
    return ("check-baselines", "main", "--repository", repository.path)


def opened(folder: Path, _: Path) -> Sequence[object]:
    run = folder / "run.json"
    run.write_text(json.dumps(slowed(tonight(), SLOW, 0.2)))
    return ("issue", run, BASELINE, "--repository=a/b")


COMMANDS: Mapping[str, Prepare] = {
    **{f"export {kind}": exported(kind) for kind in ("csv", "openmetrics", "benchmark-action", "schema")},
    "report": lambda _, __: ("report", TONIGHT, BASELINE, "-o", "page.html"),
    "reference": lambda _, __: ("reference", "pages"),
    "night": lambda _, __: ("night", "-o", "night", "--shards=2"),
    "merge": merged,
    "refresh": refreshed,
    "runner": lambda _, __: ("runner", "apply", "--record", "record/runner.json"),
    "history add": lambda _, __: ("history", "add", TONIGHT, "--folder", "nights"),
    "history export": exported_nights,
    "check-baselines": checked,
    "issue": opened,
}


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("limit", ["blocks", "files"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_a_message_and_leaves_no_part_of_a_file(
    disk: Disk, gh: FakeGh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str, limit: str,
) -> None:  # fmt: skip
    """The room grows from nothing until the subcommand succeeds. Of files and folders by one, so that each of them is
    once the first that has no place; of blocks by a factor of two.
    """
    gh.has()
    arguments = COMMANDS[name](tmp_path, disk.seeds)
    monkeypatch.setattr(sys, "argv", ["mxperf", *map(str, arguments)])

    def code_with(**room: int) -> int:
        disk.refill(**room)
        with pytest.raises(SystemExit) as caught:
            main.main()
        return int(caught.value.code or 0)

    disk.refill()
    before = disk.sizes()
    left: list[dict[str, int]] = []
    room = 0
    while code_with(**{limit: room}):
        printed = capsys.readouterr().err
        assert "No space left on device" in printed, (room, printed)
        assert "\nnext: " in printed
        assert "Traceback" not in printed
        left.append(disk.sizes())
        room += 1 if limit == "files" else max(1, room)
    assert left
    whole = disk.sizes()
    partial = [item for one in left for item in one.items() if item not in {*before.items(), *whole.items()}]
    assert not partial, whole
