"""The subcommand refresh: sessions become a baseline, and the text of a pull request says why or why not."""

import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from perf.cli import main
from perf.report.github.refresh import MOST_LINES
from perf.runs.schema import read_run
from tests.conftest import SmallDisk
from tests.unit.runs.made_runs import EQUAL, SLOWER, run_of, stored
from tests.unit.runs.refreshing.made_sessions import CASE_NAMES, session_files, written

HOSTILE = "<script>alert(1)</script> | **x** `y` [z](http://z) @all #1\\"


@pytest.fixture
def refresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Stores runs in a folder and returns the exit code."""

    def run(*arguments: str | Path) -> int:
        folder = ("--folder", str(tmp_path / "stored"))
        monkeypatch.setattr(sys, "argv", ["mxperf", "refresh", *map(str, arguments), *folder])
        with pytest.raises(SystemExit) as caught:
            main.main()
        return int(caught.value.code or 0)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The stored runs of a class, with one in it."""
    stored(tmp_path / "stored", run_of(EQUAL))
    return tmp_path / "stored"


def sessions(folder: Path, changes: dict[str, float], **context: Any) -> list[Path]:
    return session_files(folder / "sessions", [run_of(changes, **context) for _ in range(3)])


def test_sessions_are_stored_as_one_run_that_names_them(
    refresh: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = tmp_path / "outputs"
    assert refresh("--from", *sessions(tmp_path, EQUAL), "--name=three", "--outputs", outputs) == 0
    output = capsys.readouterr().out
    assert re.search(
        r"^Built from session-1\.json \(2026-11-23T15:00, sha256 [0-9a-f]{12}\): \d cases?$", output, re.MULTILINE
    )
    assert "Sum of drift since the anchor 0001_made.json: median +0.0% of 3 cases" in output
    run = read_run(folder / "0002_three.json")
    assert [source.file for source in run.perf.sources] == ["session-1.json", "session-2.json", "session-3.json"]
    assert outputs.read_text() == f"machine-class={run.perf.machine_class}\n"


def test_the_sessions_of_a_baseline_are_shown_when_it_judges(
    refresh: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refresh("--from", *sessions(tmp_path, EQUAL))
    capsys.readouterr()
    assert refresh(written(tmp_path / "next.json", run_of(EQUAL))) == 0
    output = capsys.readouterr().out
    assert "0002_refreshed.json: built from session-1.json (2026-11-23T15:00, sha256 " in output
    assert len(list(folder.glob("*.json"))) == 3


@pytest.mark.usefixtures("folder")
def test_a_workflow_without_cases_to_drop_names_no_pattern(
    refresh: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refresh("--from", *sessions(tmp_path, EQUAL), "--drop", "") == 0
    assert "pattern matches" not in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_a_loss_is_refused_and_the_text_says_why(
    refresh: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = tmp_path / "body.md"
    assert refresh("--from", *sessions(tmp_path, SLOWER), "--body", body, "--outputs", tmp_path / "outputs") == 4
    assert "1 case cannot replace the stored ones" in capsys.readouterr().err
    text = body.read_text()
    assert text.startswith("**refused**: ")
    assert f"{CASE_NAMES[1]} (drifted against 0001_made.json)" in text
    assert f"| <code>{CASE_NAMES[1]}</code> | drifted | -39.3 % [" in text
    assert not (tmp_path / "outputs").exists()


@pytest.mark.usefixtures("folder")
def test_an_accepted_loss_is_named_with_its_reason(refresh: Any, tmp_path: Path) -> None:
    body = tmp_path / "body.md"
    assert refresh("--from", *sessions(tmp_path, SLOWER), "--body", body, f"--reason={HOSTILE}") == 0
    text = body.read_text()
    assert text.startswith("**stored**: <code>0002_refreshed.json</code>")
    assert "Accepted for the reason '&#60;script&#62;alert(1)" in text
    assert f"- {CASE_NAMES[1]}: drifted against 0001_made.json" in text


@pytest.mark.usefixtures("folder")
def test_names_with_markdown_in_them_do_no_harm(refresh: Any, tmp_path: Path) -> None:
    body = tmp_path / "body.md"
    names = dict.fromkeys([f"{HOSTILE.replace('/', '')}{number}" for number in range(40)], 0.0)
    assert refresh("--from", *sessions(tmp_path, {**EQUAL, **names}), "--body", body) == 0
    text = body.read_text()
    assert "&#60;script&#62;" in text
    assert not re.search(r"<script|(?<!\\)\*x|@all|\](?=\()(?<!\\\])|(?<!&)#1", text)
    for row in re.findall(r"^\|.*\|$", text, re.MULTILINE):
        assert row.count("|") == 5


@pytest.mark.parametrize("lost", [0.0, -0.5])
def test_the_text_is_short_however_many_cases_and_sessions(refresh: Any, tmp_path: Path, lost: float) -> None:
    many = {f"net{number}-b1": 0.0 for number in range(60)}
    stored(tmp_path / "stored", run_of(many))
    left_out = {f"gone{number}-b1-mkl-fp32": "it failed" for number in range(30)}
    made = [run_of(dict.fromkeys(list(many)[10:], lost), left_out=left_out) for _ in range(15)]
    body = tmp_path / "body.md"
    arguments = ("--drop=net*", "--reason=wanted", "--body", body)
    assert refresh("--from", *session_files(tmp_path / "sessions", made), *arguments) == 0
    assert 30 < len(body.read_text().splitlines()) <= MOST_LINES


def test_the_first_run_of_a_class_has_a_text_too(refresh: Any, tmp_path: Path) -> None:
    body = tmp_path / "body.md"
    assert refresh("--from", *sessions(tmp_path, EQUAL), "--body", body) == 0
    assert "It is the first stored run of its class" in body.read_text()


def test_a_single_run_is_stored_as_before(refresh: Any, folder: Path, tmp_path: Path) -> None:
    assert refresh(written(tmp_path / "run.json", run_of(EQUAL))) == 0
    assert read_run(folder / "0002_refreshed.json").perf.sources == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "2 runs, but one is stored at a time"),
        (("--from",), "2 sessions, but a baseline needs 3 or more"),
    ],
)
def test_two_runs_are_refused(
    refresh: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: Any, message: str
) -> None:
    assert refresh(*arguments, *sessions(tmp_path, EQUAL)[:2]) == 4
    assert message in capsys.readouterr().err
    assert len(list(folder.glob("*.json"))) == 1


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("option", "path", "problem"),
    [
        ("--body", "file/body.md", "Not a directory"),
        ("--body", "folder", "Is a directory"),
        ("--outputs", "/dev/full", "No space left on device"),
    ],
)
def test_a_text_that_cannot_be_written_is_named(
    refresh: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, path: str, problem: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert refresh("--from", *sessions(tmp_path, EQUAL), option, tmp_path / path) == 4
    assert capsys.readouterr().err.startswith(f"{tmp_path / path}: cannot be written: {problem}\nnext: ")


def test_a_full_disk_stores_nothing(
    small_disk: SmallDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    disk, _ = small_disk
    (disk / "runs").mkdir()
    with suppress(OSError), (disk / "rest").open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
    arguments = ["mxperf", "refresh", "--from", *map(str, sessions(tmp_path, EQUAL)), "--folder", str(disk / "runs")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 4
    assert "the run cannot be stored: No space left on device" in capsys.readouterr().err
    assert [path.name for path in (disk / "runs").iterdir()] == [".lock"]
