"""Storing runs and judging by them: what becomes a baseline, what a regression says, and what is not run."""

import io
import json
import os
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from perf.cli.main import main
from perf.profile.explain import OVERHEAD
from perf.runs.schema import read_run
from perf.wording import uv
from tests.integration.plugin.conftest import IGNORED, NETWORK, OTHER_VARIABLE, Slowed, properties
from tests.support.inline import Finished

pytestmark = pytest.mark.alone
LSTM = "lstm-16-16-l2-n2-t5"
LSTM_IN_MKL = f"{LSTM}-mkl-fp32"


def baseline(store: Path) -> Path:
    (path,) = store.rglob("*.json")
    return path


def mxperf(*arguments: str) -> Finished:
    """The command's exit code and all it printed."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
        patch.setattr(sys, "argv", ["mxperf", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    return Finished(int(ended.value.code or 0), printed.getvalue())


def measured(journal: Path) -> list[tuple[str | None, str, Any]]:
    lines = [json.loads(line) for line in journal.read_bytes().split(b"\n")[:-1]]
    entries = [line["measured"] for line in lines if line.get("measured")]
    return [(entry["confirming"], entry["key"]["workload"], entry["invocation"]) for entry in entries]


def test_without_a_baseline_every_case_is_reported_as_not_judged(sound: Finished, store: Path) -> None:
    assert sound.code == 0, sound.output
    reason = sound.part("no-baseline: ")
    assert reason.startswith(f"no run is stored for machine class {store.name} (store one with: ")
    assert "--benchmark-save=NAME" in reason
    assert "5 cases: " in reason
    assert "Verdicts: 5 no-baseline." in sound.output


def test_a_stored_run_is_small_and_names_what_it_ran(sound: Finished, store: Path) -> None:
    assert f"Stored as a baseline: {store}/0001_first.json (8 cases)" in sound.output
    path = baseline(store)
    assert path.name == "0001_first.json"
    content = json.loads(path.read_text())
    assert path.stat().st_size < 8 * 8000
    assert not any("data" in benchmark["stats"] for benchmark in content["benchmarks"]), "raw samples"
    context = content["perf"]
    assert (context["schema"], context["complete"], context["injected"], context["left_out"]) == (2, True, {}, {})
    assert context["machine_class"] == store.name
    assert not context.keys() & {"comparable", "wheels"}, "stacks hold them"
    assert context["settings"]["kernel"] == os.uname().release
    case = read_run(path).cases[f"{NETWORK}-b1-mkl-int8"]
    assert case.stack.requirement == "mxnet-mkl==1.5.0"
    assert re.fullmatch(r"[0-9a-f]{64}", case.stack.wheel)
    assert {over: len(sample.floors) for over, sample in case.samples.items()} == {"native-fp32": 3, "mkl-fp32": 3}
    assert {over: len(sample.typical) for over, sample in case.samples.items()} == {"native-fp32": 3, "mkl-fp32": 3}
    assert not list(store.glob(".0*")), "a half-written file"


def test_both_written_files_hold_the_suites_own_part(sound: Finished, written: Path, store: Path) -> None:
    """pytest-benchmark calls the hook once for each file."""
    assert sound.code == 0
    both = [json.loads(path.read_text()) for path in (written / "run.json", baseline(store))]
    assert both[0]["perf"]["settings"] == both[1]["perf"]["settings"]
    assert both[0]["perf"]["complete"] is True
    assert len(both[0]["benchmarks"]) == len(both[1]["benchmarks"]) == 8


def test_the_same_stack_can_only_drift(unchanged: tuple[Finished, Path]) -> None:
    finished, kept = unchanged
    assert finished.code == 0, finished.output
    assert "Verdicts: 3 ok." in finished.output
    assert "Every case ran the baseline's stack, so no two builds were compared." in finished.output
    infos = [benchmark["extra_info"] for benchmark in json.loads(kept.read_text())["benchmarks"]]
    verdicts = [info["verdict"] for info in infos if info["verdict"]]
    assert len(verdicts) == 3
    for verdict in verdicts:
        assert re.fullmatch(r"same stack; a drift of \d+\.\d% or more would have been detected", verdict["reason"])
        assert (verdict["changes"], verdict["beside"]) == ([], None)
    assert [info["beside"] for info in infos] == [None] * 5, "nothing ran beside"


def test_shell_variables_that_no_worker_inherits_are_named(unchanged: tuple[Finished, Path]) -> None:
    ignored = unchanged[0].part("ignored, though the shell sets them: ", " (")
    assert set(IGNORED) <= set(ignored.split(", "))


def test_a_regression_fails_its_own_case_with_figures_changes_and_command(slowed: Slowed, doctored: Path) -> None:
    finished = slowed.finished
    assert finished.code == 1
    said = finished.part(f"{LSTM_IN_MKL}: regressed by ", "\n____")
    assert re.match(
        r"\d\d\.\d%: .* % confidence that it changed, and .* % that the change exceeds the tolerance; ", said
    ), said
    assert said.partition("\n")[0].endswith("; changed: injected: 0.0 -> 4.0")
    assert re.search(r"side by side with the baseline's stack: -\d\d\.\d% \[", said)
    figure = r"\d+\.\d\d \[.*\]"
    assert re.search(rf"over native-fp32: now {figure} \(3 invocations\), baseline {figure} \(3 invocations\)", said)
    assert "baseline: 0001_first.json; this run makes 6 comparisons" in said
    assert "  changed: injected: 0.0 -> 4.0\n" in said
    item = f"perf/rnn/test_inference.py::test_inference[{LSTM_IN_MKL}]"
    assert f"alone: {uv()} run pytest '{item}' --perf-tier=smoke" in said
    assert f"--benchmark-storage=file://{doctored} --benchmark-compare=0001" in said
    assert "Traceback" not in finished.output


def test_a_regression_is_explained_by_what_is_between_operators(slowed: Slowed) -> None:
    """Extra work on purpose follows the operators of the network."""
    said = slowed.finished.part(f"{LSTM_IN_MKL}: regressed by ", "\n____")
    assert f"\n  by operator: {OVERHEAD}: +" in said
    assert "explained, in " in slowed.finished.output
    stored = json.loads(slowed.kept.read_text())["benchmarks"]
    (info,) = (benchmark["extra_info"] for benchmark in stored if benchmark["name"].endswith(f"[{LSTM_IN_MKL}]"))
    explanation = info["explanation"]
    assert explanation["layers"][0]["name"] == OVERHEAD
    assert explanation["culprits"] >= 1
    assert explanation["pass_ms"] > explanation["then_pass_ms"]


def test_a_regression_has_its_change_in_junit_xml_and_what_was_not_run_is_not_judged(slowed: Slowed) -> None:
    items = properties(slowed.junit_xml)
    shown = items[f"test_inference[{LSTM_IN_MKL}]"]
    assert (shown["perf_verdict"], shown["perf_baseline"]) == ("regressed", "0001_first.json")
    assert float(shown["perf_change_low"]) < float(shown["perf_change"]) < float(shown["perf_change_high"]) < 1
    stored = json.loads(slowed.kept.read_text())["benchmarks"]
    (info,) = (benchmark["extra_info"] for benchmark in stored if benchmark["name"].endswith(f"[{LSTM_IN_MKL}]"))
    assert float(shown["perf_speedup"]) == info["speedup"]["value"]
    assert float(shown["perf_baseline_speedup"]) == info["verdict"]["ratios"][0]["then"]
    unprepared = [shown for name, shown in items.items() if "mobilenet1.0_int8" in name]
    assert [shown["perf_verdict"] for shown in unprepared] == ["not judged"] * 3


def test_a_regression_is_an_error_of_the_workflow_and_the_summarys_first_word(slowed: Slowed) -> None:
    lines = slowed.finished.output.splitlines()
    errors = [line for line in lines if line.startswith("::error ")]
    assert any(
        line.startswith(f"::error file=perf/rnn/test_inference.py,title={LSTM_IN_MKL}%3A regressed::-")
        for line in errors
    )
    assert any("alone: " in line and "%0A" in line for line in errors)
    summary = slowed.summary.read_text().splitlines()
    assert summary[2] == "## regressed (unconfirmed)"
    assert any(
        re.match(rf"\| <code>{LSTM_IN_MKL}</code> \| regressed \(unconfirmed\) \| -\d\d\.\d% \[", line)
        for line in summary
    )
    assert "\n## " in slowed.summary.read_text(), "the tables follow"


def test_a_baseline_arm_runs_with_the_variables_of_the_baseline(slowed: Slowed) -> None:
    (name, value) = next(iter(OTHER_VARIABLE.items()))
    assert name not in slowed.variables
    assert slowed.variables_of_baseline_arm[name] == value
    assert slowed.variables["KMP_AFFINITY"] == slowed.variables_of_baseline_arm["KMP_AFFINITY"]
    case = read_run(slowed.kept).cases[f"{NETWORK}-b1-mkl-fp32"]
    assert case.side_by_side is not None
    assert (case.side_by_side.problem, len(case.side_by_side.values)) == (None, 3)
    assert case.side_by_side.stack.variables == {**case.stack.variables, name: value}
    assert (case.side_by_side.stack.injected, case.stack.injected) == (0.0, 4.0)
    said = slowed.finished.part(f"{NETWORK}-b1-mkl-fp32: regressed by ")
    assert said.endswith(f"; changed: variables {name}: {value} -> not set; injected: 0.0 -> 4.0")


def test_a_variant_and_its_baseline_arm_have_two_turns_in_each_block(slowed: Slowed) -> None:
    workloads = {workload: invocation for _, workload, invocation in measured(slowed.kept.with_name("journal.jsonl"))}
    for block in workloads[f"{NETWORK}-b1"]["blocks"]:
        assert {name: len(slot["turns_ns"]) for name, slot in block["slots"].items()} == {
            "native-fp32": 0,
            "mkl-fp32": 2,
            "mkl-fp32@baseline": 2,
            "mkl-int8": 0,
        }


def test_a_wheel_that_a_stored_run_names_is_not_installed_from_a_file(slowed: Slowed, doctored: Path) -> None:
    """A stored run may come from anywhere; of what it names only releases are installed."""
    (evil,) = doctored.parent.glob("*.whl")
    case = f"{NETWORK}-b1-mkl-int8"
    output = slowed.finished.output
    assert not re.search(r": installing$", output, re.MULTILINE)
    assert "the baseline cannot run side by side with it: of what differs (wheel) nothing can be put back" in output
    why = slowed.finished.part(
        "inconclusive: the stack changed, and the baseline's stack was not measured side by side"
    )
    assert why.endswith(f"1 case: {case}.")
    kept_cases = [benchmark["extra_info"] for benchmark in json.loads(slowed.kept.read_text())["benchmarks"]]
    (verdict,) = [info["verdict"] for info in kept_cases if f"{info['workload']}-{info['variant']}" == case]
    assert verdict["changes"][0].startswith(f"wheel: {evil} (000000000000) -> mxnet-mkl==1.5.0 (")
    kept = read_run(slowed.kept).cases[case]
    assert kept.side_by_side is not None
    assert (kept.side_by_side.values, kept.side_by_side.problem) == (
        [],
        "of what differs (wheel) nothing can be put back",
    )
    assert kept.stack.requirement == "mxnet-mkl==1.5.0"


def test_a_slowdown_on_purpose_is_marked_loudly(slowed: Slowed) -> None:
    injected = "INJECTED: mkl-fp32 does 400 % more work in every pass, on purpose"
    assert slowed.finished.output.count(injected) == 2
    assert json.loads(slowed.kept.read_text())["perf"]["injected"] == {"mkl-fp32": 4.0}


def test_cases_that_only_the_baseline_holds_are_listed(slowed: Slowed) -> None:
    listed = slowed.finished.part("Only in the baseline: ")
    assert listed.startswith("3 cases: ")
    assert f"{NETWORK}-b4-mkl-int8" in listed


def test_a_network_that_cannot_be_prepared_stops_no_other(slowed: Slowed) -> None:
    output = slowed.finished.output
    before = output.partition("= performance =")[0]  # annotations and pytest's own summary repeat it
    assert before.count("mobilenet1.0_int8: it is quantised already") == 3, "once for each of its cases"
    assert "name the network in FP32: --perf-model=mobilenet1.0" in output
    assert "another exception occurred" not in output


def test_the_run_can_be_judged_again_without_measuring(slowed: Slowed, doctored: Path) -> None:
    again = mxperf("judge", str(slowed.kept), str(baseline(doctored)))
    assert again.code == 1
    assert again.part("Verdicts: ") == slowed.finished.part("Verdicts: ")
    itself = mxperf("judge", str(baseline(doctored)), str(baseline(doctored)))
    assert itself.code == 0
    assert "Verdicts: 5 ok." in itself.output


def test_the_command_refuses_runs_that_cannot_be_baselines(slowed: Slowed, store: Path, tmp_path: Path) -> None:
    refused = mxperf("judge", str(baseline(store)), str(slowed.kept))
    assert refused.code == 4
    assert f"{slowed.kept}: was slowed down on purpose" in refused.output
    short = tmp_path / "short.json"
    short.write_bytes(baseline(store).read_bytes()[:1000])
    refused = mxperf("judge", str(short), str(baseline(store)))
    assert refused.code == 4
    assert f"{short}: is damaged: " in refused.output
    assert "Traceback" not in refused.output
