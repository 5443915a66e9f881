"""The subcommand judge: verdicts from stored runs alone, with exit codes for programs."""

import json
import math
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from perf.cli import main
from tests.support.factories import (
    CASE,
    LOG_SPEEDUPS,
    benchmark,
    document,
    int8,
    measured_side_by_side,
    native,
    sample,
    stack,
)

NEW_WHEEL = stack(wheel="d" * 64, requirement="./new.whl")


def written(path: Path, *benchmarks: dict[str, Any], **context: Any) -> Path:
    path.write_text(json.dumps(document(*benchmarks, **context)))
    return path


MADE = (native, benchmark, int8)


def name_of(entry: dict[str, Any]) -> str:
    return f"{entry['extra_info']['workload']}-{entry['extra_info']['variant']}"


def moved(by: float) -> dict[str, Any]:
    values = [value + math.log1p(by) for value in LOG_SPEEDUPS]
    return benchmark(samples={"native-fp32": sample(values)})


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """A stored run, in a folder of its own."""
    folder = tmp_path / "stored"
    folder.mkdir()
    return written(folder / "0001_a.json")


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch, baseline: Path) -> Any:
    """Judges a run by the baseline and returns the exit code."""

    def run(now: Path, *options: str, by: Path = baseline) -> int:
        monkeypatch.setattr(sys, "argv", ["mxperf", "judge", str(now), str(by), *options])
        with pytest.raises(SystemExit) as caught:
            main.main()
        assert isinstance(caught.value.code, int)
        return caught.value.code

    return run


@pytest.mark.parametrize("options", [[], ["--strict"]])
def test_an_equal_run_passes(
    tmp_path: Path, judge: Any, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert judge(written(tmp_path / "now.json"), *options) == 0
    out = capsys.readouterr().out
    assert out.startswith("Compared with 0001_a.json, stored 2026-11-23T15:00.")
    assert "no two builds were compared" in out
    assert out.endswith("Verdicts: 6 ok.\n")


@pytest.mark.parametrize(
    ("entry", "kind", "code", "strict_code"),
    [
        (moved(-0.6), "drifted", 1, 1),
        (benchmark(stack=NEW_WHEEL, beside=measured_side_by_side(*[-0.5, -0.51] * 3)), "regressed", 1, 1),
        (benchmark(stack=NEW_WHEEL, beside=measured_side_by_side(*[0.5, 0.51] * 3)), "improved", 0, 0),
        (benchmark(stack=NEW_WHEEL, beside=measured_side_by_side(*[0.0, 0.001] * 6)), "ok", 0, 0),
        (benchmark(stack=NEW_WHEEL), "inconclusive", 0, 3),
        (benchmark("resnet50_v1-b2"), "no-baseline", 0, 3),
        (benchmark(samples={"native-fp32": sample([])}, invocations_disturbed=3), "invalid", 0, 3),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_exit_code_says_whether_a_case_failed(
    tmp_path: Path,
    judge: Any,
    capsys: pytest.CaptureFixture[str],
    entry: dict[str, Any],
    kind: str,
    code: int,
    strict_code: int,
) -> None:
    every = [made(name) for name in ("resnet18_v1-b1", "resnet50_v1-b1", "squeezenet1.0-b1") for made in MADE]
    unchanged = [other for other in every if name_of(other) != name_of(entry)]
    now = written(tmp_path / "now.json", entry, *unchanged)
    assert judge(now) == code
    assert re.search(rf"\b(1|6) {kind}\b", capsys.readouterr().out.splitlines()[-1])
    assert judge(now, "--strict") == strict_code


def test_cases_that_only_the_baseline_holds_are_listed(
    tmp_path: Path, judge: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(written(tmp_path / "now.json", native(), benchmark()))
    assert "Only in the baseline: 7 cases: resnet18_v1-b1-mkl-fp32, " in capsys.readouterr().out


def test_the_runs_in_the_baselines_folder_say_how_much_sessions_vary(
    tmp_path: Path, judge: Any, baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [[native(name), benchmark(name)] for name in ("resnet18_v1-b1", "resnet50_v1-b1", "squeezenet1.0-b1")]
    now = written(tmp_path / "now.json", native(), moved(-0.18))
    assert judge(now) == 1
    assert "assumed until three runs are stored" in capsys.readouterr().out
    for number, by in enumerate((-0.5, 0.0, 0.5), 2):
        for _, entry in entries:
            entry["extra_info"]["samples"]["native-fp32"] = sample([value + by for value in LOG_SPEEDUPS])
        written(baseline.parent / f"{number:04}_b.json", *[entry for pair in entries for entry in pair])
    assert judge(now) == 0
    assert "from 4 stored runs" in capsys.readouterr().out


def test_a_run_in_the_baselines_folder_is_not_one_of_the_sessions_that_it_is_judged_by(
    judge: Any, baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (2, 3):
        now = written(baseline.parent / f"{number:04}_b.json")
    assert judge(now) == 0
    assert "assumed until three runs are stored" in capsys.readouterr().out
    written(baseline.parent / "0004_c.json")
    assert judge(now) == 0
    assert "from 3 stored runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"machine_class": "c5.metal"}, "was measured on machine class c5.metal"),
        ({"complete": False}, "is an unfinished run"),
        ({"injected": {"mkl-fp32": 5.0}}, "slowed down on purpose"),
        ({"schema": 1}, "has schema 1"),
    ],
)
def test_a_baseline_that_cannot_be_used_ends_in_a_message_and_exit_code_4(
    tmp_path: Path, judge: Any, capsys: pytest.CaptureFixture[str], context: dict[str, Any], message: str
) -> None:
    unusable = written(tmp_path / "0002_b.json", **context)
    assert judge(written(tmp_path / "now.json"), by=unusable) == 4
    output = capsys.readouterr()
    assert output.err.startswith(f"{unusable}: ")
    assert message in output.err
    assert output.out == ""


def test_a_run_that_is_not_there_ends_in_a_message_and_exit_code_4(
    tmp_path: Path, judge: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(tmp_path / "gone.json") == 4
    assert "gone.json: cannot be read: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({"complete": False}, "The run is unfinished."),
        ({"injected": {"mkl-fp32": 0.05}}, "slowed down on purpose (--perf-inject): mkl-fp32 by 5.0%."),
        ({"left_out": {"test[x]": "it failed"}}, "Left out of the run: test[x]: it failed"),
    ],
)
def test_a_run_that_is_not_a_baseline_can_still_be_judged_but_not_strictly(
    tmp_path: Path, judge: Any, capsys: pytest.CaptureFixture[str], context: dict[str, Any], said: str
) -> None:
    now = written(tmp_path / "now.json", **context)
    assert judge(now) == 0
    assert said in capsys.readouterr().out
    assert judge(now, "--strict") == 3


def test_cases_that_are_gone_fail_strictly(tmp_path: Path, judge: Any) -> None:
    now = written(tmp_path / "now.json", native(), benchmark())
    assert judge(now) == 0
    assert judge(now, "--strict") == 3


def test_a_defect_is_no_verdict(
    tmp_path: Path, judge: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("perf.cli.judge.print_verdicts", broken)
    assert judge(written(tmp_path / "now.json")) == 70
    assert "RuntimeError: a defect" in capsys.readouterr().err


def test_the_settings_that_changed_are_shown(tmp_path: Path, judge: Any, capsys: pytest.CaptureFixture[str]) -> None:
    judge(written(tmp_path / "now.json", settings={"kernel": "6.2.0", "governor": "performance"}))
    assert "Machine setting changed since the baseline: kernel: 6.1.0 -> 6.2.0\n" in capsys.readouterr().out


def test_the_name_of_a_case_that_drifted_is_shown(
    tmp_path: Path, judge: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(written(tmp_path / "now.json", native(), moved(-0.6)))
    assert f". 1 case: {CASE}.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("machine_class", "said"),
    [
        ("made-2c-1n-avx2", "Compared with 0002_b.json, stored 2026-11-23T15:00."),
        ("c5.metal", "Compared with the published tables."),
        ("m5-2c", "there is no stored run of machine class m5-2c. 6 cases: "),
    ],
)
def test_without_a_named_baseline_the_latest_of_the_class_judges(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    machine_class: str,
    said: str,
) -> None:
    shelf = tmp_path / "baselines" / "made-2c-1n-avx2"
    shelf.mkdir(parents=True)
    for name in ("0001_a.json", "0002_b.json"):
        written(shelf / name)
    monkeypatch.setattr("perf.cli.judge.BASELINES", shelf.parent)
    monkeypatch.setattr(
        sys, "argv", ["mxperf", "judge", str(written(tmp_path / "now.json", machine_class=machine_class))]
    )
    with pytest.raises(SystemExit):
        main.main()
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("name", ["typical", "sessions", "floors"])
def test_a_baseline_with_figures_of_1e308_is_named(
    tmp_path: Path, judge: Any, baseline: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    spoiled = json.loads(baseline.read_text())
    stored = spoiled["benchmarks"][-1]["extra_info"]["samples"]["native-fp32"]
    stored[name] = [[1e308, 0.1]] if name == "floors" else [1e308]
    baseline.write_text(json.dumps(spoiled))
    assert judge(written(tmp_path / "now.json")) == 4
    assert f"{baseline}: contains an impossible " in capsys.readouterr().err


def test_a_baseline_of_200_mb_is_named_and_not_read(
    tmp_path: Path, judge: Any, baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.truncate(baseline, 200_000_000)
    assert judge(written(tmp_path / "now.json")) == 4
    assert f"{baseline}: is too large: 200 MB, and the limit is 50 MB" in capsys.readouterr().err
