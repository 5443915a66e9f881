"""The subcommand export: every format, whole or not at all, and errors without a traceback."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from perf.cli import main
from tests.support.factories import document
from tests.unit.report.exports.exported import STORED

SmallDisk = tuple[Path, Callable[[], None]]
Export = Callable[..., int]


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch) -> Export:
    """Exports a run and returns the exit code."""

    def run(kind: str, output: Path, stored: Path = STORED) -> int:
        monkeypatch.setattr(sys, "argv", ["mxperf", "export", str(stored), "--format", kind, "-o", str(output)])
        with pytest.raises(SystemExit) as caught:
            main.main()
        assert isinstance(caught.value.code, int)
        return caught.value.code

    return run


@pytest.mark.parametrize(("kind", "files"), [("csv", 11), ("benchmark-action", 2)])
def test_a_folder_is_written_and_never_mixed_with_another_run(
    export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, files: int
) -> None:
    output = tmp_path / "new" / "folder"
    assert export(kind, output) == 0
    assert len(list(output.iterdir())) == files
    assert oct(output.stat().st_mode & 0o777) == oct(0o755)
    assert export(kind, output) == 4
    assert capsys.readouterr().err == (
        f"{output}: cannot be written: Directory not empty\nnext: name another file or folder with --output\n"
    )
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.parametrize("kind", ["openmetrics", "schema"])
def test_a_file_is_written_and_replaced(export: Export, tmp_path: Path, kind: str) -> None:
    output = tmp_path / "file"
    output.write_text("old")
    assert export(kind, output) == 0
    assert output.stat().st_size > 10_000


def test_the_exported_schema_describes_the_run(export: Export, tmp_path: Path) -> None:
    assert export("schema", tmp_path / "schema.json") == 0
    schema = json.loads((tmp_path / "schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads(STORED.read_text()))


def test_a_run_with_all_that_a_session_adds_is_exported(export: Export, tmp_path: Path) -> None:
    run = json.loads(STORED.read_text())
    run["perf"] |= {
        "wall_time_s": {"measuring": 12.5},
        "curves": {"digits": {"1": [[0.5, 0.4], [0.9, 0.8]], "2": [[0.5, 0.4]]}},
    }
    (tmp_path / "run.json").write_text(json.dumps(run))
    assert export("openmetrics", tmp_path / "out", tmp_path / "run.json") == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (STORED.read_text()[:5000], "is damaged"),
        ('{"results": []}', "was not stored by this suite"),
        (json.dumps(document()), "holds no complete records, since another version of the suite measured it"),
    ],
    ids=["truncated", "of another tool", "without records"],
)
def test_a_run_that_cannot_be_exported_is_an_error(
    export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    (tmp_path / "run.json").write_text(content)
    assert export("csv", tmp_path / "out", tmp_path / "run.json") == 4
    error = capsys.readouterr().err
    assert error.startswith(f"{tmp_path / 'run.json'}: {message}")
    assert "\nnext: " in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["csv", "openmetrics"])
def test_a_full_disk_leaves_nothing(
    export: Export, small_disk: SmallDisk, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    folder, _ = small_disk
    free = os.statvfs(folder)
    (folder / "filling").write_bytes(bytes(free.f_bavail * free.f_frsize - 12_000))
    assert export(kind, folder / "out") == 4
    assert "No space left on device" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["filling"]
