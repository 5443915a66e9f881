"""A refresh on real stored runs: three of a class become sessions, and the other three judge them."""

import json
import math
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from perf.errors import PerfError
from perf.files import ROOT
from perf.runs.acceptance import StoredBaseline, Waiver, store
from perf.runs.baseline import TOLERANCES
from perf.runs.refreshing.sessions import combined, read_session
from perf.runs.schema import read_run
from perf.runs.tolerances import read_tolerances
from tests.unit.runs.refreshing.made_sessions import written

CLASS = ROOT / "baselines" / "intel-xeon-6.207-2c-1n-amx"
CASE = "resnet50_v1-b1-mkl-int8"
NEW_WHEEL = {"requirement": "mxnet-mkl==1.5.1", "wheel": "d" * 64}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The first three stored runs of the class, in a folder of their own."""
    copied = tmp_path / CLASS.name
    copied.mkdir()
    for path in sorted(CLASS.glob("000[123]_*.json")):
        shutil.copy(path, copied)
    return copied


@pytest.fixture
def sessions(tmp_path: Path) -> list[Path]:
    """Copies of the last three, as sessions."""
    return [
        written(tmp_path / "sessions" / path.name, json.loads(path.read_text()))
        for path in sorted(CLASS.glob("000[456]_*.json"))
    ]


def refreshed(sessions: Iterable[Path], folder: Path, waiver: Waiver | None = None) -> StoredBaseline:
    document = combined([read_session(path) for path in sessions])
    return store(document, folder, "refreshed", waiver or Waiver(), read_tolerances(TOLERANCES))


def spoiled(path: Path, slower: float, **stack: Any) -> None:
    """Make a case of a session slower by a factor; with another `stack`, side by side with its own."""
    document = json.loads(path.read_text())
    for info in (benchmark["extra_info"] for benchmark in document["benchmarks"]):
        if f"{info['workload']}-{info['variant']}" != CASE:
            continue
        if stack:
            noise = (0.002, -0.002, 0.001, -0.001)
            info["beside"] = {"values": [x - math.log(slower) for x in noise], "stack": info["stack"], "problem": None}
            info["stack"] = {**info["stack"], **stack}
        for sample in info["samples"].values():
            sample["floors"] = [[reference, case * slower] for reference, case in sample["floors"]]
    written(path, document)


def test_the_last_three_runs_replace_the_first_three(folder: Path, sessions: list[Path]) -> None:
    outcome = refreshed(sessions, folder)
    assert outcome.path.name == "0004_refreshed.json"
    assert outcome.accepted is None
    run = read_run(outcome.path)
    assert [source.file for source in run.perf.sources] == [path.name for path in sessions]
    assert sum(len(source.cases) for source in run.perf.sources) == len(run.cases) == 28
    assert run.perf.drift is not None
    assert run.perf.drift.anchor == "0001_quick-1.json"
    assert len(run.perf.drift.cases) == 18


@pytest.mark.parametrize("count", [1, 3])
def test_a_slowdown_planted_in_one_session_or_in_all_is_refused(folder: Path, sessions: list[Path], count: int) -> None:
    """The machine class is noisy: a case drifts by 27 %, in the middle, before that is significant."""
    for path in sessions[-count:]:
        spoiled(path, 2.0)
    with pytest.raises(PerfError, match=rf"{CASE} \(drifted") as caught:
        refreshed(sessions, folder)
    assert (f"in {sessions[-1].name}, over" in str(caught.value)) == (count == 1)
    assert "Sum of drift since the anchor 0001_quick-1.json" in str(caught.value)
    assert len(list(folder.glob("*.json"))) == 3
    accepted = refreshed(sessions, folder, Waiver(reason="a fix of the kernel costs that")).accepted
    assert accepted is not None
    assert list(accepted.verdicts) == [CASE]


def test_a_wheel_that_lost_7_percent_side_by_side_is_refused(folder: Path, sessions: list[Path]) -> None:
    for path in sessions:
        spoiled(path, 1.07, **NEW_WHEEL)
    with pytest.raises(PerfError, match=rf"{CASE} \(regressed against 0003_quick-3\.json\)"):
        refreshed(sessions, folder)


def test_a_wheel_that_lost_7_percent_in_one_session_only_is_undecided(folder: Path, sessions: list[Path]) -> None:
    for path, slower in zip(sessions, (1.0, 1.0, 1.07), strict=True):
        spoiled(path, slower, **NEW_WHEEL)
    with pytest.raises(PerfError, match=rf"{CASE} \(inconclusive against 0003_quick-3\.json\)"):
        refreshed(sessions, folder)


def test_a_slow_session_is_judged_by_the_tolerance_that_the_case_was_marked_with(
    folder: Path, sessions: list[Path]
) -> None:
    spoiled(sessions[-1], 2.0)
    for path in [*sessions, *folder.rglob("*.json")]:
        document = json.loads(path.read_text())
        document["perf"]["tolerances"] = {CASE: {"change": 0.6, "resolution": 0.8}}
        written(path, document)
    assert refreshed(sessions, folder).accepted is None
