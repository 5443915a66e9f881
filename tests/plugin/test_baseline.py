"""Storing runs and judging by them: what becomes a baseline, what a regression says, and the traps that are closed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perf.runs.document import read_run

from .session import ROOT, SMOKE, Finished, Session, cache_of, run

pytestmark = pytest.mark.real

NETWORK = "cifar_resnet20_v1"


def baseline(store: Path) -> Path:
    (found,) = store.rglob("*.json")
    return found


def mxperf(*words: str) -> Finished:
    """The command's exit code and all it printed."""
    command = [str(Path(sys.executable).with_name("mxperf")), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return Finished(done.returncode, done.stdout + done.stderr)


def test_first_comparison_tells_of_every_case_that_it_was_not_judged(sound: Finished, store: Path) -> None:
    assert sound.code == 0, sound.output
    told = sound.part("no-baseline: ")
    assert told.startswith(f"no run is stored for machine class {store.name} (store one with: ")
    assert "--benchmark-save=NAME" in told
    assert "5 cases: " in told
    assert "Verdicts: 5 no-baseline." in sound.output


def test_stored_run_is_small_whole_and_names_what_it_needs(sound: Finished, store: Path) -> None:
    assert f"Stored as a baseline: {store}/0001_first.json (8 cases)" in sound.output
    path = baseline(store)
    assert path.name == "0001_first.json"
    content = json.loads(path.read_text())
    assert path.stat().st_size < 8 * 5000
    assert not any("data" in benchmark["stats"] for benchmark in content["benchmarks"]), "raw samples"
    context = content["perf"]
    assert (context["schema"], context["complete"], context["injected"], context["left_out"]) == (1, True, {}, {})
    assert context["machine_class"] == store.name
    assert context["comparable"]["threads"] >= 1
    assert context["wheels"]["mkl"]["requirement"] == "mxnet-mkl==1.5.0"
    assert re.fullmatch(r"[0-9a-f]{64}", context["wheels"]["mkl"]["record_sha256"])
    assert context["settings"]["kernel"] == os.uname().release
    case = read_run(path).cases[f"{NETWORK}-b1-mkl-int8"]
    assert {over: len(sample.first) for over, sample in case.samples.items()} == {"native-fp32": 3, "mkl-fp32": 3}
    assert not list(store.glob(".0*")), "a half-written file"


def test_the_part_of_the_suite_is_in_both_files_that_are_written(sound: Finished, written: Path, store: Path) -> None:
    """pytest-benchmark calls the hook once for each file."""
    assert sound.code == 0
    both = [json.loads(path.read_text()) for path in (written / "run.json", baseline(store))]
    assert both[0]["perf"]["comparable"] == both[1]["perf"]["comparable"]
    assert both[0]["perf"]["complete"] is True
    assert len(both[0]["benchmarks"]) == len(both[1]["benchmarks"]) == 8


def test_a_regression_fails_its_own_case_and_says_all_that_matters(slowed: tuple[Finished, Path], store: Path) -> None:
    finished, _ = slowed
    assert finished.code == 1
    case = f"{NETWORK}-b1-mkl-fp32"
    told = finished.part(f"{case}: regressed by ", "\n____")
    assert re.match(r"\d\d\.\d%: sure at .* % that it changed, and at .* % that it exceeds the tolerance\n", told), told
    figure = r"\d+\.\d\d \[.*\]"
    assert re.search(rf"over native-fp32: now {figure} \(\d+ invocations\), then {figure} \(3 invocations\)", told)
    assert re.search(r"side by side with mxnet-mkl==1\.5\.0, the baseline's: -\d\d\.\d% \[", told)
    assert "baseline: 0001_first.json, 1 comparisons in this run" in told
    assert "changed since then: nothing that is recorded" in told
    assert f"alone: uv run pytest 'perf/cnn/test_inference.py::test_inference[{case}]' --perf-tier=smoke" in told
    assert f"--benchmark-storage=file://{store} --benchmark-compare=0001" in told
    assert "Traceback" not in finished.output


def test_the_second_look_is_told(slowed: tuple[Finished, Path]) -> None:
    assert f"{NETWORK}-b1, second look of mkl-fp32 beside mxnet-mkl==1.5.0 1;" in slowed[0].output


def test_a_slowdown_on_purpose_is_marked_loudly(slowed: tuple[Finished, Path]) -> None:
    finished, kept = slowed
    assert finished.output.count("INJECTED: mkl-fp32 does 400 % more work in every pass, on purpose") == 2
    assert json.loads(kept.read_text())["perf"]["injected"] == {"mkl-fp32": 4.0}


def test_cases_that_only_the_baseline_holds_are_listed(slowed: tuple[Finished, Path]) -> None:
    told = slowed[0].part("Only in the baseline: ")
    assert told.startswith("6 cases: ")
    assert f"{NETWORK}-b4-mkl-int8" in told


def test_unknown_network_names_near_ones_and_stops_no_other(slowed: tuple[Finished, Path]) -> None:
    output = slowed[0].output
    told = output.partition("short test summary info")[0]  # which repeats it whole under CI
    assert told.count("GluonCV has no network 'resnet5_v1'; near: resnet50_v1") == 2, "once for each of its cases"
    assert "name another network with --perf-model" in output
    assert "another exception occurred" not in output


def test_the_run_can_be_judged_again_without_measuring(slowed: tuple[Finished, Path], store: Path) -> None:
    finished, kept = slowed
    again = mxperf("judge", str(kept), str(baseline(store)))
    assert again.code == 1
    assert again.part("Verdicts: ") == finished.part("Verdicts: ")
    itself = mxperf("judge", str(baseline(store)), str(baseline(store)))
    assert itself.code == 0
    assert "regressed" not in itself.output


def test_the_command_refuses_what_is_no_baseline(slowed: tuple[Finished, Path], store: Path, tmp_path: Path) -> None:
    refused = mxperf("judge", str(baseline(store)), str(slowed[1]))
    assert refused.code == 4
    assert f"{slowed[1]}: was slowed down on purpose" in refused.output
    short = tmp_path / "short.json"
    short.write_bytes(baseline(store).read_bytes()[:1000])
    refused = mxperf("judge", str(short), str(baseline(store)))
    assert refused.code == 4
    assert f"{short}: is damaged or no stored run" in refused.output
    assert "Traceback" not in refused.output


def test_strict_fails_what_was_not_judged_and_a_failed_case_is_left_out(tmp_path: Path, store: Path) -> None:
    folder = tmp_path / store.name
    finished = run(
        tmp_path,
        *SMOKE,
        "-kb1-mkl-fp32 or b1-native",
        "--perf-strict",
        f"--benchmark-storage=file://{folder}",
        "--benchmark-compare",
        "--benchmark-save=partly",
    )
    assert finished.code == 1
    assert f"{NETWORK}-b1-mkl-fp32: no-baseline: no run is stored" in finished.output
    stored = json.loads((folder / "0001_partly.json").read_text())
    assert [benchmark["extra_info"]["variant"] for benchmark in stored["benchmarks"]] == ["native-fp32"]
    (left_out,) = stored["perf"]["left_out"].items()
    assert left_out[0].endswith("[cifar_resnet20_v1-b1-mkl-fp32]")
    assert "Left out of the baseline: perf/cnn/test_inference.py::test_inference[cifar" in finished.output


def test_a_damaged_baseline_is_a_usage_error_and_the_run_is_kept(sound: Finished, store: Path, tmp_path: Path) -> None:
    assert sound.code == 0
    folder = tmp_path / store.name
    folder.mkdir()
    damaged = folder / "0001_damaged.json"
    damaged.write_bytes(baseline(store).read_bytes()[:5000])
    finished = run(tmp_path, *SMOKE, "-kb1-mkl-fp32", f"--benchmark-storage=file://{folder}", "--benchmark-compare")
    assert finished.code == 4
    assert f"NO CASE WILL BE JUDGED: {damaged}: is damaged or no stored run" in finished.output
    kept = Path(finished.part("This run: "))
    assert list(read_run(kept).cases) == [f"{NETWORK}-b1-mkl-fp32"]
    assert "Traceback" not in finished.output


def measured(journal: Path) -> list[tuple[str, str, Any]]:
    lines = [json.loads(line) for line in journal.read_bytes().split(b"\n")[:-1]]
    found = [line["measured"] for line in lines if line.get("measured")]
    return [(entry["phase"], entry["workload"], entry["invocation"]) for entry in found]


def test_a_killed_session_goes_on_and_measures_nothing_twice(tmp_path: Path) -> None:
    options = (*SMOKE, "--perf-invocations=2")
    before: list[tuple[str, str, Any]] = []
    for milestone in (f"{NETWORK}-b4, invocation 1", f"{NETWORK}-b4, invocation 2"):
        with Session(tmp_path, *options, *(["--perf-resume"] if before else [])) as session:
            session.wait_for(milestone)
            os.killpg(session.process.pid, signal.SIGKILL)
            session.process.wait()
        (journal,) = cache_of(tmp_path).glob("runs/*/journal.jsonl")
        found = measured(journal)
        assert found[: len(before)] == before
        assert len(found) > len(before)
        before = found
    for scratch in tmp_path.glob("mxnet-perf-*"):
        shutil.rmtree(scratch)  # what a kill leaves
    finished = run(tmp_path, *options, "--perf-resume")
    assert finished.code == 0, finished.output
    found = measured(journal)
    assert found[: len(before)] == before
    assert sorted(f"{workload} {phase}" for phase, workload, _ in found) == sorted(
        [f"{NETWORK}-b{batch} invocation" for batch in (1, 4) for _ in range(2)]
    )
    cases = read_run(Path(finished.part("This run: "))).cases
    assert len(cases) == 6
    assert read_run(Path(finished.part("This run: "))).perf.complete


def test_another_command_cannot_go_on_with_it(tmp_path: Path) -> None:
    first = run(tmp_path, *SMOKE, "-kb1-native")
    assert first.code == 0
    other = run(tmp_path, *SMOKE, "-kb4-native", "--perf-resume")
    assert other.code == 4
    assert "was written under other conditions and cannot be gone on with: cases 1 (" in other.output
    same = run(
        tmp_path,
        *SMOKE,
        "-kb1-native",
        "--perf-resume",
        f"--benchmark-storage=file://{tmp_path / 'kept'}",
        "--benchmark-save=late",
    )
    assert same.code == 0
    assert "0001_late.json (1 cases)" in same.output
    assert "invocation 1" not in same.output, "nothing was measured"
