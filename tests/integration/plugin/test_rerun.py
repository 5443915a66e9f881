"""Sessions after a failed one that measure only some of its cases: pytest's --lf, and --perf-rerun."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from perf.runs.schema import read_run
from tests.integration.plugin.conftest import NETWORK, store_in, stored, widen
from tests.support.inline import Finished
from tests.support.session import SMOKE, run

pytestmark = [pytest.mark.alone, pytest.mark.slow]
INT8 = f"{NETWORK}-b1-mkl-int8"
# A network of which all variants are compared, and nothing else.
BATCH = "--perf-batch=1"


# What a user's own plugin may do.
MARKS = f"""
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if "{NETWORK}" in item.name and "mkl" in item.name:
            item.add_marker(pytest.mark.perf(tolerance=0.1, resolution=0.3))
"""


@dataclass(frozen=True)
class Rerun:
    """A session and what it measured: the variants of each workload, from its journal, and its run."""

    finished: Finished
    variants: dict[str, set[str]]
    run: dict[str, Any]


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory, sound: Finished, store: Path) -> dict[str, Rerun]:
    """A session in which INT8 was slowed down on purpose and fails, then pytest's --lf, then a rerun of what was ok
    with tolerances of the user's, in one cache.
    """
    content = stored(sound, store)
    for benchmark in content["benchmarks"]:
        for sample in benchmark["extra_info"]["samples"].values():
            widen(sample)
    temporary = tmp_path_factory.mktemp("rerun")
    shelf = store_in(temporary, content)
    options = (
        *SMOKE,
        BATCH,
        "--perf-invocations=3",
        "--perf-inject=mkl-int8=400",
        f"--benchmark-storage=file://{shelf}",
        "--benchmark-compare",
        "-o",
        f"cache_dir={temporary / 'pytest'}",
    )
    (temporary / "marks.py").write_text(MARKS)
    done: dict[str, Rerun] = {}
    rerun = ("--perf-rerun=ok", "--perf-rerun=improved", "-p", "marks")
    for name, more in {"first": (), "lf": ("--lf",), "ok": rerun}.items():
        chosen = [option for option in options if name != "ok" or not option.startswith("--perf-inject")]
        with pytest.MonkeyPatch.context() as shell:
            shell.setenv("PYTHONPATH", str(temporary))
            finished = run(temporary, *chosen, *more)
        newest = max(temporary.glob("cache/runs/*/run.json"))
        lines = [json.loads(line) for line in newest.with_name("journal.jsonl").read_text().splitlines()]
        measured = [line["measured"] for line in lines if line.get("measured")]
        variants = {entry["key"]["workload"]: set(entry["stacks"]) for entry in measured}
        done[name] = Rerun(finished, variants, json.loads(newest.read_text()))
    return done


def cases(session: Rerun) -> list[str]:
    return [f"{b['extra_info']['workload']}-{b['extra_info']['variant']}" for b in session.run["benchmarks"]]


def test_the_slowed_case_fails(sessions: dict[str, Rerun]) -> None:
    first = sessions["first"]
    assert first.finished.code == 1, first.finished.output
    assert f"{INT8}: regressed by " in first.finished.output
    assert len(cases(first)) == 3


def test_lf_measures_a_failed_case_again_with_its_reference_and_its_baseline_arm(sessions: dict[str, Rerun]) -> None:
    again = sessions["lf"]
    assert again.finished.code == 1, again.finished.output
    assert cases(again) == [INT8]
    assert again.variants == {f"{NETWORK}-b1": {"native-fp32", "mkl-int8", "mkl-int8@baseline"}}
    assert f"{INT8}: regressed by " in again.finished.output
    (case,) = again.run["benchmarks"]
    assert case["extra_info"]["speedup"] is not None
    assert len(case["extra_info"]["beside"]["values"]) == 3


def test_a_rerun_measures_the_cases_whose_last_verdict_is_of_the_kind(sessions: dict[str, Rerun]) -> None:
    rerun = sessions["ok"]
    assert rerun.finished.code == 0, rerun.finished.output
    assert "1 case with the last verdict ok or improved" in rerun.finished.output
    assert cases(rerun) == [f"{NETWORK}-b1-mkl-fp32"]
    assert rerun.variants == {f"{NETWORK}-b1": {"native-fp32", "mkl-fp32"}}
    assert "Verdicts: 1 ok." in rerun.finished.output


def test_the_users_tolerances_are_in_the_run_and_printed(sessions: dict[str, Rerun]) -> None:
    rerun = sessions["ok"]
    assert rerun.run["perf"]["tolerances"] == {f"{NETWORK}-b1-mkl-fp32": {"change": 0.1, "resolution": 0.3}}
    assert "Tolerance by the marker perf: change 10.0%, resolution 30.0% (1 case)." in rerun.finished.output
    assert sessions["first"].run["perf"]["tolerances"] == {}


def test_every_session_keeps_a_whole_run(sessions: dict[str, Rerun], tmp_path: Path) -> None:
    for session in sessions.values():
        path = tmp_path / "run.json"
        path.write_text(json.dumps(session.run))
        assert read_run(path).perf.complete
