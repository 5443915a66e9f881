"""The files of stored runs and their numbers, also when several processes store at the same time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from perf.errors import PerfError
from perf.files import ROOT
from perf.runs.store import check_inside, find_run_files, locked, next_number, save
from tests.support.factories import MACHINE_CLASS, document

SAVER = """
import sys
from pathlib import Path
from perf.runs.store import locked, save
folder = Path(sys.argv[1])
for turn in range(5):
    with locked(folder):
        save(folder, sys.argv[2] + str(turn), sys.argv[2].encode() * 100_000)
"""


def test_numbers_go_up(tmp_path: Path) -> None:
    folder = tmp_path / "c5.metal"
    with locked(folder):
        pass
    assert [save(folder, name, b"{}").name for name in ("a", "b")] == ["0001_a.json", "0002_b.json"]
    assert save(folder, "a", b"{}").name == "0003_a.json"


def test_the_largest_number_counts_also_in_pytest_benchmarks_own_layout(tmp_path: Path) -> None:
    (tmp_path / "Linux-CPython-3.11-64bit").mkdir()
    (tmp_path / "Linux-CPython-3.11-64bit" / "0007_old.json").touch()
    (tmp_path / "0002_new.json").touch()
    (tmp_path / "notes.json").touch()
    assert next_number(tmp_path) == 8


def test_processes_that_store_at_once_get_a_number_each_and_whole_files(tmp_path: Path) -> None:
    savers = [
        subprocess.Popen(
            [sys.executable, "-c", SAVER, str(tmp_path), name], env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        for name in "abcd"
    ]
    assert [saver.wait(60) for saver in savers] == [0] * 4
    names = sorted(path.name for path in tmp_path.glob("*.json"))
    assert [name[:4] for name in names] == [f"{number:04}" for number in range(1, 21)]
    for path in tmp_path.glob("*.json"):
        assert path.read_text() == path.name[5] * 100_000


def written(folder: Path, name: str, machine_class: str = MACHINE_CLASS) -> None:
    (folder / name).write_text(json.dumps(document(machine_class=machine_class)))


def test_runs_of_other_classes_are_ignored_and_named(tmp_path: Path) -> None:
    written(tmp_path, "0001_mine.json")
    written(tmp_path, "0002_other.json", "c5.metal")
    files = find_run_files(tmp_path, MACHINE_CLASS)
    assert files.latest == tmp_path / "0001_mine.json"
    assert files.ignored == ("0002_other.json (c5.metal)",)
    assert find_run_files(tmp_path / "missing", MACHINE_CLASS).latest is None


def test_two_runs_with_the_same_number_are_an_error(tmp_path: Path) -> None:
    written(tmp_path, "0001_a.json")
    written(tmp_path, "0001_z.json", "c5.metal")
    assert find_run_files(tmp_path, MACHINE_CLASS).latest == tmp_path / "0001_a.json"
    written(tmp_path, "0001_b.json")
    with pytest.raises(PerfError, match=r"same number 0001: 0001_a\.json and 0001_b\.json"):
        find_run_files(tmp_path, MACHINE_CLASS)


def test_a_damaged_file_matters_only_if_it_is_the_newest(tmp_path: Path) -> None:
    (tmp_path / "0001_damaged.json").write_text("{")
    written(tmp_path, "0002_mine.json")
    assert find_run_files(tmp_path, MACHINE_CLASS).paths == (tmp_path / "0002_mine.json",)
    written(tmp_path, "0004_other.json", "c5.metal")
    (tmp_path / "0003_damaged.json").write_text("{")
    with pytest.raises(PerfError, match=r"0003_damaged\.json: is damaged"):
        find_run_files(tmp_path, MACHINE_CLASS)


def test_numbers_may_have_more_digits(tmp_path: Path) -> None:
    written(tmp_path, "9999_a.json")
    assert next_number(tmp_path) == 10_000
    written(tmp_path, "10000_b.json")
    assert find_run_files(tmp_path, MACHINE_CLASS).latest == tmp_path / "10000_b.json"
    assert next_number(tmp_path) == 10_001


def test_a_link_to_a_file_outside_the_folder_is_refused(tmp_path: Path) -> None:
    folder, outside = tmp_path / "c5.metal", tmp_path / "elsewhere.json"
    folder.mkdir()
    outside.touch()
    (folder / "0001_link.json").symlink_to(outside)
    (folder / "0002_inside.json").touch()
    (folder / "0003_link.json").symlink_to("0002_inside.json")
    with pytest.raises(PerfError, match=r"0001_link\.json: is a link to .*elsewhere\.json, outside "):
        check_inside(folder / "0001_link.json", folder)
    check_inside(folder / "0002_inside.json", folder)
    check_inside(folder / "0003_link.json", folder)
