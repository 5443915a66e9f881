"""The workflow's commands over two weeks of nights on a branch: a creep is noticed, and flat nights are silent."""

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perf.history import nights
from perf.history.nights import keep, night_of
from perf.runs.night.issue import Subject
from tests.support.services.fake_gh import FakeGh, gh
from tests.unit.runs.night.made_nights import BASELINE, slowed, tonight
from tests.unit.runs.night.test_dry_run import SLOW, Step, measured, mxperf, step

__all__ = ["gh", "mxperf", "step"]
NETWORK = "resnet50_v1"
# Nights that earlier jobs have kept; two more follow by the workflow's commands.
KEPT = 12
JOBS = ("merge", "history", "creep", "regressed", "issue")
# The standard deviation of a night's log ratio side by side.
NIGHT_SD = 0.001
# A loss of this much each night: 2.5 % after two weeks. The tolerance is 2 %.
CREEP = 0.0018
ACCEPTED = '[[accepted]]\ncases = "{case}"\nsince = {since}\nby = "a maintainer"\nwhy = "wanted"\n'


def night_run(night: int, creep: float) -> dict[str, Any]:
    """The run of a night after a new lock: all cases of a network, one of which loses `creep` more each night."""
    document = slowed(tonight(), SLOW, 0.0)
    document["benchmarks"] = [b for b in document["benchmarks"] if b["extra_info"]["subject"] == NETWORK]
    draw = np.random.default_rng(night)
    for benchmark in document["benchmarks"]:
        info = benchmark["extra_info"]
        info["wheel_locked"] = True
        if info.get("beside"):
            loss = creep * (night + 1) if f"{info['workload']}-{info['variant']}" == SLOW else 0.0
            moved = float(draw.normal(0, NIGHT_SD)) - loss
            info["beside"]["values"] = [round(value + moved, 6) for value in info["beside"]["values"]]
    document["datetime"] = (datetime.fromisoformat(document["datetime"]) + timedelta(days=night)).isoformat()
    return document


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], list[str]]:
    """Puts the first nights on the branch of a bare repository, and returns the options that name a checkout of it."""
    monkeypatch.setattr(nights, "HISTORY", tmp_path / "history")
    remote, work = tmp_path / "remote.git", tmp_path / "work"
    git(tmp_path, "init", "--quiet", "--bare", "--template=", str(remote))
    git(tmp_path, "init", "--quiet", "--template=", "-b", "history", str(work))
    git(work, "remote", "add", "origin", str(remote))

    def nights_of(creep: float) -> list[str]:
        run = tmp_path / "run.json"
        for night in range(KEPT):
            run.write_text(json.dumps(night_run(night, creep)))
            keep(night_of(run), work / "history" / BASELINE.parent.name)
        commit(work)
        return ["--repository", str(work)]

    return nights_of


def commit(work: Path) -> None:
    git(work, "add", "-A")
    git(work, "commit", "--quiet", "-m", "by hand")
    git(work, "push", "--quiet", "origin", "history")


def night_by_workflow(folder: Path, step: Step, night: int, creep: float, checkout: list[str]) -> list[int]:
    """Run a night by the workflow's commands, each job with a folder of its own; return their exit codes."""
    for name in ("shards", "history"):
        shutil.rmtree(folder / name, ignore_errors=True)
    measured(folder, night_run(night, creep))
    return [step(job, *(checkout if job == "history" else [])) for job in JOBS]


def test_a_creep_over_14_nights_is_noticed_and_followed_until_it_is_accepted(
    tmp_path: Path,
    step: Step,
    mxperf: Step,
    gh: FakeGh,
    kept: Callable[[float], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The gate accepts every single night."""
    checkout = kept(CREEP)
    night_by_workflow(tmp_path, step, KEPT, CREEP, checkout)
    gh.asked()
    capsys.readouterr()
    assert night_by_workflow(tmp_path, step, KEPT + 1, CREEP, checkout) == [0, 0, 1, 0, 0]
    summary = capsys.readouterr().out
    assert "## History: 1 loss\n" in summary
    assert f"| <code>{SLOW}</code> over <code>mxnet-mkl==1.5.0 (" in summary
    assert "creep from 2026-11-" in summary
    assert "1 case lost speed over the nights" in summary
    (opened,) = [call for call in gh.asked() if call[0][:2] == ["issue", "create"]]
    assert "**Lost over the nights**: 1 ratio on <code>" in opened[1]
    assert f"<code>{SLOW}</code> over <code>" in opened[1]
    assert mxperf("report", "nightly.json", "--history", "history", "-o", "page.html") == 0
    page = (tmp_path / "page.html").read_text()
    assert "<h3>Lost speed over the nights</h3>" in page
    assert f"<strong>{SLOW}</strong> over mxnet-mkl==1.5.0" in page
    gh.has({"number": 3, "body": opened[1]})
    accepted = tmp_path / "work" / "history" / BASELINE.parent.name / "accepted.toml"
    git(tmp_path / "work", "pull", "--quiet", "origin", "history")
    accepted.write_text(ACCEPTED.format(case=SLOW, since="2026-12-10"))
    commit(tmp_path / "work")
    assert night_by_workflow(tmp_path, step, KEPT + 2, CREEP, checkout) == [0, 0, 0, 0, 0]
    assert gh.changes() == [["issue", "close", "3"]]


def test_14_flat_nights_are_silent(
    tmp_path: Path,
    step: Step,
    gh: FakeGh,
    kept: Callable[[float], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    checkout = kept(0.0)
    for night in (KEPT, KEPT + 1):
        assert night_by_workflow(tmp_path, step, night, 0.0, checkout) == [0, 0, 0, 0, 0]
    assert gh.changes() == []
    assert "History" not in capsys.readouterr().out


def test_a_night_that_cannot_be_kept_is_judged_all_the_same_and_leaves_the_issue_open(
    tmp_path: Path,
    step: Step,
    mxperf: Step,
    gh: FakeGh,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The job of the history failed, so the other jobs find no folder."""
    subject = Subject(BASELINE.parent.name, (), (), (SLOW,))
    gh.has({"number": 3, "body": subject.mark})
    measured(tmp_path, night_run(0, 0.0))
    assert [step(job) for job in ("merge", "regressed", "issue")] == [0, 0, 0]
    output = capsys.readouterr().out
    assert f"The history was not judged: history/{BASELINE.parent.name}: does not exist\n" in output
    assert "1 case of the issue cannot be called cured" in output
    assert gh.changes() == []
    assert mxperf("report", "nightly.json", "--history", "history", "-o", "page.html") == 0
    assert (
        f"The history was not judged: history/{BASELINE.parent.name}: does not" in (tmp_path / "page.html").read_text()
    )
