"""A whole night on stored runs, by the workflow's own commands: shards, merge, judge and issue; and a regression."""

import json
import math
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from perf.cli import judge as judge_module
from perf.cli import main
from perf.files import ROOT
from perf.report.github.annotations import annotation_lines
from perf.report.overview import overview_of_run
from perf.runs.baseline import TOLERANCES
from perf.runs.groups import RunVerdicts
from perf.runs.judges import Judge
from perf.runs.schema import StoredRun
from perf.runs.tolerances import Tolerances, read_tolerances
from tests.support.services.fake_gh import FakeGh, gh
from tests.unit.runs.night.made_nights import BASELINE, slowed, split, tonight, written

__all__ = ["gh"]
SLOW = "resnet50_v1-b4-mkl-int8"
Step = Callable[..., int]


def command_of(job: str) -> list[str]:
    """The command of the last step of a job of the nightly workflow."""
    jobs = YAML(typ="safe").load(ROOT / ".github" / "workflows" / "nightly.yml")["jobs"]
    lines = [step["run"] for step in jobs[job]["steps"] if "mxperf" in step.get("run", "")]
    return shlex.split(lines[-1].partition("mxperf ")[2].partition(" >> ")[0])


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gh: FakeGh) -> Step:
    """Runs the command of a job as the workflow does, judged by a stored run, and returns its exit code."""
    assert gh.asked() == []
    monkeypatch.chdir(tmp_path)
    shelf = tmp_path / "baselines" / BASELINE.parent.name
    shelf.mkdir(parents=True)
    (shelf / BASELINE.name).write_bytes(BASELINE.read_bytes())
    monkeypatch.setattr(judge_module, "BASELINES", shelf.parent)
    variables = {"$GITHUB_REPOSITORY": "apache/incubator-mxnet", "$PAGE": "https://github.com/a/b/actions/runs/1"}

    def run(job: str, *options: str) -> int:
        arguments = [*(variables.get(each, each) for each in command_of(job)), *options]
        paths = [str(path) for each in arguments for path in (sorted(tmp_path.glob(each)) if "*" in each else [each])]
        monkeypatch.setattr(sys, "argv", ["mxperf", *paths])
        with pytest.raises(SystemExit) as caught:
            main.main()
        assert isinstance(caught.value.code, int)
        return caught.value.code

    return run


@pytest.fixture
def mxperf(monkeypatch: pytest.MonkeyPatch) -> Step:
    """Runs a command, and returns its exit code."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["mxperf", *arguments])
        with pytest.raises(SystemExit) as caught:
            main.main()
        return int(caught.value.code or 0)

    return run


def judged_night(run: str) -> tuple[StoredRun, Judge, RunVerdicts, Tolerances]:
    """A night with its verdicts, as the commands judge it."""
    return *judge_module.judge_files(Path(run), None), read_tolerances(TOLERANCES)


def measured(folder: Path, document: dict[str, Any], *, lost: int | None = None) -> None:
    """Leave the shards of a run where the workflow fetches them to."""
    for number, part in enumerate(split(document)):
        if number != lost:
            place = folder / "shards" / f"shard-{number}"
            place.mkdir(parents=True)
            written(place, [part])[0].rename(place / "shard.json")


def test_a_quiet_night_is_silent_and_green(
    tmp_path: Path, step: Step, gh: FakeGh, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(tmp_path, slowed(tonight(), SLOW, 0.0))
    assert [step(job) for job in ("merge", "regressed", "undecided", "issue")] == [0, 0, 0, 0]
    assert gh.changes() == []
    output = capsys.readouterr().out
    assert "Merged 2 shards of 2: 28 cases, nightly.json" in output
    assert "regressed" not in output.partition("nothing: ")[0]


def test_a_regression_in_one_shard_is_followed_to_its_issue_and_until_it_is_gone(
    tmp_path: Path, step: Step, gh: FakeGh, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(tmp_path, slowed(tonight(), SLOW, 0.1))
    assert [step(job) for job in ("merge", "regressed", "issue")] == [0, 1, 0]
    assert "1 regressed" in capsys.readouterr().out
    (opened,) = [call for call in gh.asked() if call[0][:2] == ["issue", "create"]]
    assert SLOW in re.sub(r"\\u002d", "-", opened[1].splitlines()[0])
    assert f"test_inference[{SLOW}]" in opened[1]
    gh.has({"number": 3, "body": opened[1]})
    (tmp_path / "shards").rename(tmp_path / "last night")
    measured(tmp_path, slowed(tonight(), SLOW, 0.0))
    assert [step(job) for job in ("merge", "regressed", "issue")] == [0, 0, 0]
    assert gh.changes() == [["issue", "close", "3"]]


def test_a_night_that_lost_a_shard_is_undecided_and_opens_and_closes_nothing(
    tmp_path: Path, step: Step, gh: FakeGh, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(tmp_path, slowed(tonight(), SLOW, 0.0), lost=1)
    assert [step(job) for job in ("merge", "regressed", "undecided", "issue")] == [0, 0, 3, 0]
    assert "not run: shard 2 of 2 is missing" in capsys.readouterr().out
    assert gh.changes() == []


def test_an_undecided_night_is_another_outcome_than_a_regressed_one(tmp_path: Path, step: Step, gh: FakeGh) -> None:
    document = slowed(tonight(), SLOW, 0.0)
    for benchmark in document["benchmarks"]:
        info = benchmark["extra_info"]
        if f"{info['workload']}-{info['variant']}" == SLOW:
            info["beside"]["values"] = [-0.2, 0.15, -0.1, 0.2]
    measured(tmp_path, document)
    assert [step(job) for job in ("merge", "regressed", "undecided", "issue")] == [0, 0, 3, 0]
    assert gh.changes() == []


def test_without_any_shard_nothing_is_judged(tmp_path: Path, step: Step, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shards").mkdir()
    assert step("merge") in {2, 4}
    assert "SHARDS" in capsys.readouterr().err or not (tmp_path / "nightly.json").exists()


def test_a_regression_is_in_every_report_and_no_refresh_hides_it(
    tmp_path: Path, step: Step, mxperf: Step, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(tmp_path, slowed(tonight(), SLOW, 0.1))
    assert step("merge") == 0
    capsys.readouterr()
    assert mxperf("comment", "nightly.json") == 0
    comment = capsys.readouterr().out
    assert "\n## regressed (unconfirmed)\n" in comment
    assert SLOW in comment
    assert mxperf("report", "nightly.json", "-o", "page.html") == 0
    assert capsys.readouterr().out == "page.html: regressed: 1 regressed, 17 ok\n"
    assert SLOW in (tmp_path / "page.html").read_text()
    assert mxperf("history", "add", "nightly.json", "--folder", "history") == 0
    (night,) = (tmp_path / "history").glob("*.jsonl")
    (line,) = (line for line in night.read_text().splitlines() if SLOW in line and '"over":"side-by-side"' in line)
    assert json.loads(line)["log_ratio"] == pytest.approx(math.log(0.9), abs=1e-3)
    overview = overview_of_run(*judged_night("nightly.json"))
    (finding,) = overview.findings
    (annotation,) = annotation_lines(overview, {finding.item: "regressed"})
    assert annotation.startswith("::error file=perf/cnn/test_inference.py,title=" + SLOW)
    before = sorted(tmp_path.glob("baselines/*/*.json"))
    assert mxperf("refresh", "nightly.json", "--folder", str(before[0].parent)) == 4
    refusal = capsys.readouterr().err
    assert "the run was not stored" in refusal
    assert f"{SLOW} (regressed" in refusal
    assert sorted(tmp_path.glob("baselines/*/*.json")) == before


def test_the_same_night_without_it_is_silent_and_may_be_stored(
    tmp_path: Path, step: Step, mxperf: Step, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(tmp_path, slowed(tonight(), SLOW, 0.0))
    assert step("merge") == 0
    capsys.readouterr()
    assert mxperf("comment", "nightly.json") == 0
    assert capsys.readouterr().out == ""
    assert mxperf("report", "nightly.json", "-o", "page.html") == 0
    assert capsys.readouterr().out == "page.html: ok: 18 ok\n"
    assert list(annotation_lines(overview_of_run(*judged_night("nightly.json")), {})) == []
    (shelf,) = tmp_path.glob("baselines/*")
    assert mxperf("refresh", "nightly.json", "--folder", str(shelf)) == 0
    assert len(list(shelf.glob("*.json"))) == 2


def test_the_merged_night_can_be_summed_up(
    tmp_path: Path, step: Step, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(tmp_path, slowed(tonight(), SLOW, 0.1))
    assert step("merge") == 0
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["mxperf", "comment", "nightly.json"])
    with pytest.raises(SystemExit, match="0"):
        main.main()
    output = capsys.readouterr().out
    assert "regressed" in output
    assert "vanished" not in output
    assert len(output.splitlines()) <= 60
