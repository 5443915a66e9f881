"""What a session prints and writes for GitHub when nothing could be measured."""

import json
from pathlib import Path

import pytest

from perf.errors import UnavailableError
from perf.machine.identity import read_machine
from tests.support.factories import document
from tests.support.inline import Finished, run_inline

TRAIN = ("perf/dist/test_scaling.py", "--perf-tier=smoke", "-k", "not 2hosts", "--perf-ranks=2")
CASE = "train-mobilenet0.25-b1-mkl-r2"


def unavailable(role: str, **_: object) -> None:
    raise UnavailableError("there is no compiler: g++, cmake", subject=role, next_step="install them")


def run(folder: Path, *options: str, workflow: bool = True) -> Finished:
    """Run a session in which no build can be made."""
    return run_inline(folder, *TRAIN, *options, provide=unavailable, workflow=workflow)  # type: ignore[arg-type]


def annotations(finished: Finished) -> list[str]:
    return [line for line in finished.output.splitlines() if line.startswith("::")]


def test_what_was_not_run_is_a_warning(tmp_path: Path) -> None:
    finished = run(tmp_path)
    assert finished.code == pytest.ExitCode.OK
    assert f"::warning title={CASE}%3A not run::Skipped: not run: mkl-dist: there is no compiler" in "\n".join(
        annotations(finished)
    )
    assert all(line.startswith("::warning ") for line in annotations(finished))


def test_what_failed_is_an_error(tmp_path: Path) -> None:
    finished = run(tmp_path, "--perf-strict", "--benchmark-compare")
    assert finished.code == pytest.ExitCode.TESTS_FAILED
    item = f"perf/dist/test_scaling.py%3A%3Atest_scaling[{CASE}]"
    start = f"::error file=perf/dist/test_scaling.py,title={item} failed::not run: "
    assert [line for line in annotations(finished) if line.startswith(start)]


def test_nothing_of_it_is_printed_anywhere_else(tmp_path: Path) -> None:
    assert annotations(run(tmp_path, workflow=False)) == []


def test_the_summary_says_first_what_was_compared(tmp_path: Path) -> None:
    summary, store = tmp_path / "summary.md", tmp_path / "store"
    store.mkdir()
    content = document(machine_class=read_machine().machine_class)
    (store / "0001_made.json").write_text(json.dumps(content))
    run(tmp_path, "--benchmark-compare", f"--benchmark-storage=file://{store}", f"--perf-summary={summary}")
    lines = summary.read_text().splitlines()
    assert lines[:3] == ["# Speedup over native, smoke tier", "", "## incomplete"]
    assert [line for line in lines if line.startswith(f"- <code>{CASE}</code>: Skipped: not run: ")]
    run(tmp_path, f"--perf-summary={summary}")
    assert "## " not in summary.read_text(), "nothing was to be compared"


def test_a_class_without_a_stored_run_is_not_compared(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    run(tmp_path, "--benchmark-compare", f"--benchmark-storage=file://{tmp_path}/none", f"--perf-summary={summary}")
    assert summary.read_text().splitlines()[2] == "## not compared"
