"""The command mxperf history: exit codes, tables, exports, and errors that say what to do next."""

import csv
import io
import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from perf.files import ROOT
from perf.history.accepted import AcceptedLevels
from perf.history.findings import findings_of
from perf.history.nights import read_nights
from perf.history.otava import otava_files
from perf.history.tables import finding_lines, history_table, sparkline
from tests.support.factories import TOLERANCES
from tests.unit.history.made_history import CASE, CASES, fill, made_run, write_run

RUNS = sorted((ROOT / "baselines" / "intel-xeon-6.207-2c-1n-amx").glob("*.json"))


def test_stored_runs_are_added_shown_and_checked(
    tmp_path: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "class"
    assert history("add", *RUNS, "--folder", folder) == 0
    assert len(list(folder.glob("*.jsonl"))) == len(RUNS)
    assert history("show", "resnet50_v1-b1-*", "--folder", folder) == 0
    out = capsys.readouterr().out
    assert out.count("resnet50_v1-b1-mkl-int8") == 2
    assert "squeezenet" not in out
    assert history("check", "--folder", folder) == 0
    assert capsys.readouterr().out.endswith("0 losses.\n")


def test_a_loss_ends_with_exit_code_1_and_says_what_changed(
    folder: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    before = [made_run(night) for night in range(12)]
    fill(folder, [*before, *(made_run(night, {"resnet50_v1-b1": -0.3}, wheel="c") for night in range(12, 16))])
    assert history("check", "--folder", folder) == 1
    out = capsys.readouterr().out
    assert f"{CASE} over native-fp32: -2" in out
    assert "step of -2" in out
    assert "on 2026-11-13 02:00, noticed 2026-11-" in out
    assert "    changed: wheel: mxnet-mkl-b (bbbbbbbbbbbb) -> mxnet-mkl-c (cccccccccccc)\n" in out
    assert f"run mxperf history show '{CASE}'\n" in out
    assert out.endswith("History: 3 series judged, 1 loss.\n")
    assert history("show", CASE, "--folder", folder) == 0
    assert "▁" in capsys.readouterr().out


def test_a_loss_planted_in_real_runs_is_the_only_finding(
    tmp_path: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    for night in range(20):
        run = json.loads(RUNS[night % len(RUNS)].read_bytes())
        run["datetime"] = f"2026-11-{night + 1:02}T02:00:00+00:00"
        for case in (benchmark["extra_info"] for benchmark in run["benchmarks"]):
            factor = 1 + night / 1e5  # of a run that was measured once more: the same figures would count once
            if night >= 16 and (case["workload"], case["variant"]) == ("mobilenet1.0-b1", "mkl-int8"):
                case["stack"]["variables"]["KMP_BLOCKTIME"] = "0"
                factor *= 1.15
            for own in case["samples"].values():
                own["floors"] = [[reference, slower * factor] for reference, slower in own["floors"]]
        path = write_run(tmp_path / "run.json", run)
        assert history("add", path, "--folder", tmp_path / "class") == 0
    capsys.readouterr()
    assert history("check", "--folder", tmp_path / "class") == 1
    out = capsys.readouterr().out
    assert out.count("step of -1") == out.count("changed: variables KMP_BLOCKTIME: not set -> 0") == 2
    assert out.count("on 2026-11-17 02:00, noticed 2026-11-1") == 2
    assert "mobilenet1.0-b1-mkl-int8 over native-fp32: -1" in out
    assert out.endswith("History: 27 series judged, 2 losses.\n")


def test_too_few_nights_are_not_judged(
    folder: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    fill(folder, [made_run(0)])
    assert history("check", "--folder", folder) == 0
    assert capsys.readouterr().out.endswith(
        "Not judged: 3 series with too few nights.\nHistory: 0 series judged, 0 losses.\n"
    )


@pytest.mark.parametrize("command", ["show", "check", "export"])
def test_no_history_is_an_error_that_says_what_to_do(
    folder: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    options = ["--otava"] if command == "export" else []
    assert history(command, *options, "--folder", folder) == 4
    assert capsys.readouterr().err.startswith(f"{folder}: does not exist\nnext: add a run: ")
    folder.mkdir(parents=True)
    assert history(command, *options, "--folder", folder) == 4
    assert "holds no file that can be used: it is empty\nnext: " in capsys.readouterr().err
    (folder / "run.json").write_text("{}")
    assert history(command, *options, "--folder", folder) == 4
    assert "is not a history file of this suite\nnext: " in capsys.readouterr().err


def test_names_and_figures_are_whole_on_a_narrow_terminal(
    folder: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, [made_run(night) for night in range(5)])
    monkeypatch.setenv("COLUMNS", "40")
    assert history("show", CASE, "--folder", folder) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if CASE in line)
    case, over, count, ratio, _ = row.split()
    assert (case, over, count) == (CASE, "native-fp32", "5")
    assert re.fullmatch(r"\d+\.\d\d", ratio)


def test_a_terminal_without_bars_shows_the_rest(
    folder: Path, history: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, [made_run(night) for night in range(5)])
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert history("show", CASE, "--folder", folder) == 0
    assert CASE.encode() in terminal.buffer.getvalue()


def test_a_class_without_a_history_is_an_error(history: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert history("show", "--class", "no-such-class") == 4
    assert "history/no-such-class: does not exist" in capsys.readouterr().err


def test_an_unknown_case_is_an_error(
    folder: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    fill(folder, [made_run(0)])
    assert history("show", "vgg16*", "--folder", folder) == 4
    assert capsys.readouterr().err.startswith("vgg16*: no case of the history matches\nnext: name one of them")


def test_markup_in_names_is_shown_as_it_is(folder: Path) -> None:
    fill(folder, [made_run(night, cases=("[red]x[/]<script>",)) for night in range(5)])
    findings = findings_of(read_nights(folder), AcceptedLevels(), TOLERANCES)
    console = Console(width=160, record=True)
    console.print(history_table(findings.judged))
    assert "[red]x[/]<script>-mkl-fp32" in console.export_text()


def test_many_findings_are_cut_to_nine(folder: Path) -> None:
    cases = tuple(f"case{number}-b1" for number in range(12))
    loss = dict.fromkeys(cases, -0.4)
    fill(folder, [made_run(night, loss if night >= 12 else None, cases=cases) for night in range(16)])
    lines = list(finding_lines(findings_of(read_nights(folder), AcceptedLevels(), TOLERANCES)))
    assert sum(line.startswith("case") for line in lines) == 9
    assert any(line.startswith("and 3 more: ") for line in lines)
    assert lines[-1] == "History: 12 series judged, 12 losses."


def test_otava_gets_a_file_for_each_series_without_empty_cells(
    folder: Path, tmp_path: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    fill(folder, [*(made_run(night) for night in range(3)), made_run(3, cases=CASES[1:])])
    output = tmp_path / "otava"
    assert history("export", "--otava", "-o", output, "--folder", folder) == 0
    assert capsys.readouterr().out == f"Written: {output}/otava.yaml and 3 series\n"
    tests = json.loads((output / "otava.yaml").read_text())["tests"]
    assert list(tests) == [f"{case}-mkl-fp32.native-fp32" for case in sorted(CASES)]
    for name, test in tests.items():
        rows = list(csv.DictReader(Path(test["file"]).read_text().splitlines()))
        assert [row["time"] for row in rows][:2] == ["2026-11-01T02:00:00+00:00", "2026-11-02T02:00:00+00:00"]
        assert len(rows) == (3 if name.startswith(CASES[0]) else 4)
        assert all(abs(math.log(float(row["ratio"])) - 1.6) < 0.1 for row in rows)


def test_an_export_that_cannot_be_written_is_an_error(
    folder: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = fill(folder, [made_run(0)])
    assert history("export", "--folder", folder) == 4
    assert capsys.readouterr().err == "history export: no format was named\nnext: add --otava\n"
    assert history("export", "--otava", "-o", path, "--folder", folder) == 4
    assert capsys.readouterr().err.startswith(f"{path}: cannot be written to: File exists\nnext: ")


def test_a_case_whose_name_is_no_file_name_is_exported(folder: Path, tmp_path: Path) -> None:
    fill(folder, [made_run(night, cases=("../<script>",)) for night in range(3)])
    (series,) = [one.series for one in findings_of(read_nights(folder), AcceptedLevels(), TOLERANCES).judged]
    paths = list(otava_files([series], tmp_path))
    assert [path.parent for path in paths] == [tmp_path, tmp_path]
    assert paths[0].name == "001-.._script_-mkl-fp32.native-fp32.csv"


@pytest.mark.parametrize(("values", "line"), [([], ""), ([1.0, 1.0], "▄▄"), ([0.0, 1.0, 0.5], "▁█▅")])
def test_a_sparkline_goes_from_the_lowest_to_the_highest(values: list[float], line: str) -> None:
    assert sparkline(values) == line


def test_a_shard_is_refused_since_the_merged_night_holds_it_too(
    tmp_path: Path, folder: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    shard = {"number": 1, "of": 2, "items": {}, "balanced_by": "cases"}
    path = write_run(tmp_path / "one.json", made_run(0, shard=shard))
    assert history("add", path, "--folder", folder) == 4
    assert capsys.readouterr().err.startswith(f"{path}: is shard 1 of 2 of a night\nnext: join all shards")
    assert not folder.exists()


@pytest.mark.parametrize(("merged", "lost"), [(False, [CASE]), (True, [])])
def test_a_measurement_in_two_files_counts_once(folder: Path, merged: bool, lost: list[str]) -> None:
    """One night is no step. A failed shard that was measured again makes another night of the other shards."""
    loss = {"resnet50_v1-b1": -0.06}
    runs = [made_run(night, loss if night > 11 else None, side_by_side=True, wheel="c") for night in range(14)]
    if merged:
        runs[13]["benchmarks"][2:] = runs[12]["benchmarks"][2:]
    fill(folder, runs)
    findings = findings_of(read_nights(folder), AcceptedLevels(), TOLERANCES)
    assert [one.series.case for one in findings.lost] == lost
    assert [len(one.series.nights) for one in findings.judged] == [14, *[13 if merged else 14] * 2]
