"""Sessions that are killed and resumed, strict ones, and those whose baseline is damaged."""

import json
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from perf.builds import provision
from perf.runs.schema import read_run
from tests.support.inline import Finished, run_inline
from tests.support.session import RECURRENT, Session, cache_of, run

LSTM = "lstm-16-16-l2-n2-t5"
IN_MKL = f"{LSTM}-mkl-fp32"


def measured(journal: Path) -> list[Any]:
    """The invocations that a journal holds."""
    lines = [json.loads(line) for line in journal.read_bytes().split(b"\n")[:-1]]
    return [line["measured"] for line in lines if line.get("measured")]


@dataclass(frozen=True)
class Resumed:
    """A session that was killed twice and resumed to its end: what its journal held at each kill and at the end."""

    finished: Finished
    held: list[list[Any]]
    damaged: Path


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory, sound: Finished, store: Path) -> Resumed:
    """Each time, the baseline is a file that was cut off."""
    assert sound.code == 0, sound.output
    temporary = tmp_path_factory.mktemp("resumed")
    damaged = temporary / store.name / "0001_damaged.json"
    damaged.parent.mkdir()
    damaged.write_bytes((store / "0001_first.json").read_bytes()[:5000])
    compared = (f"--benchmark-storage=file://{damaged.parent}", "--benchmark-compare")
    options = (*RECURRENT, "--perf-invocations=3", *compared)
    held: list[list[Any]] = []
    for milestone in (f"{LSTM}, invocation 2", f"{LSTM}, invocation 3"):
        with Session(temporary, *options, *(["--perf-resume"] if held else [])) as session:
            session.wait_for(milestone)
            os.killpg(session.process.pid, signal.SIGKILL)
            session.process.wait()
        (journal,) = cache_of(temporary).glob("runs/*/journal.jsonl")
        held.append(measured(journal))
    finished = run(temporary, *options, "--perf-resume")
    held.append(measured(journal))
    return Resumed(finished, held, damaged)


def test_a_killed_session_is_resumed_and_measures_nothing_twice(resumed: Resumed) -> None:
    one, two, three = resumed.held
    assert [len(one), len(two), len(three)] == [1, 2, 3]
    assert three[:2] == two
    assert two[:1] == one
    assert "Reusing 2 of 3 invocations from the session of 2" in resumed.finished.output
    assert {(line["key"]["workload"], line["confirming"]) for line in three} == {(LSTM, None)}
    stored = read_run(Path(resumed.finished.part("This run: ")))
    assert len(stored.cases) == 2
    assert stored.perf.complete


def test_a_damaged_baseline_is_a_usage_error_and_the_run_is_kept(resumed: Resumed) -> None:
    finished = resumed.finished
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert f"NO CASE WILL BE JUDGED: {resumed.damaged}: is damaged: " in finished.output
    assert set(read_run(Path(finished.part("This run: "))).cases) == {f"{LSTM}-native-fp32", IN_MKL}
    assert "Traceback" not in finished.output


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, store: Path) -> tuple[Finished, Path]:
    """A strict session of a machine class without a baseline, and the folder of its temporary files."""
    folder = tmp_path_factory.mktemp("strict")
    options = ("--perf-strict", "--benchmark-compare", "--benchmark-save=partly")
    return run(folder, *RECURRENT, *options, f"--benchmark-storage=file://{folder / store.name}"), folder


def test_strict_fails_cases_that_were_not_judged_and_still_stores_a_first_run(
    strict: tuple[Finished, Path], store: Path
) -> None:
    finished, folder = strict
    assert finished.code == pytest.ExitCode.TESTS_FAILED
    assert f"{IN_MKL}: no-baseline: no run is stored" in finished.output
    stored = json.loads((folder / store.name / "0001_partly.json").read_text())
    assert [benchmark["extra_info"]["variant"] for benchmark in stored["benchmarks"]] == ["native-fp32", "mkl-fp32"]
    assert stored["perf"]["left_out"] == {}


def test_another_command_cannot_resume_it_and_a_complete_session_is_not_resumed(strict: tuple[Finished, Path]) -> None:
    finished, folder = strict
    assert read_run(Path(finished.part("This run: "))).perf.complete
    other = run_inline(cache_of(folder), *RECURRENT, "-kmkl", "--perf-resume", provide=provision, topology=None)
    assert other.code == pytest.ExitCode.USAGE_ERROR
    assert re.search(r"cannot be resumed: recorded under different conditions: .*cases: 2 \(", other.output)
    same = run_inline(cache_of(folder), *RECURRENT, "--perf-resume", provide=provision, topology=None)
    assert same.code == pytest.ExitCode.USAGE_ERROR
    assert "there is no unfinished session to resume: the session of " in same.output
