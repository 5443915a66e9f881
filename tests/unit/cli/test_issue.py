"""`mxperf issue`: what gh is asked to do, and a text that is short and harmless."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.cli import main
from perf.report.issue import code, fenced
from tests.support.services.fake_gh import FakeGh, gh
from tests.unit.runs.night.made_nights import BASELINE, slowed, tonight

__all__ = ["gh"]
SLOW = "resnet50_v1-b4-mkl-int8"
REPOSITORY = "apache/incubator-mxnet"
PAGE = "https://github.com/apache/incubator-mxnet/actions/runs/1"
Issue = Callable[..., int]


@pytest.fixture
def issue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Issue:
    """Runs `mxperf issue` on a run, and returns the exit code."""

    def run(document: dict[str, Any], *options: str) -> int:
        path = tmp_path / "run.json"
        path.write_text(json.dumps(document))
        arguments = [str(path), str(BASELINE), f"--repository={REPOSITORY}", f"--address={PAGE}", *options]
        monkeypatch.setattr(sys, "argv", ["mxperf", "issue", *arguments])
        with pytest.raises(SystemExit) as caught:
            main.main()
        assert isinstance(caught.value.code, int)
        return caught.value.code

    return run


def test_an_issue_is_opened_updated_and_closed(gh: FakeGh, issue: Issue) -> None:
    regressed = slowed(tonight(), SLOW, 0.2)
    assert issue(regressed) == 0
    listed, label, opened = gh.asked()
    assert listed[0][:4] == ["issue", "list", "--state=open", "--label=performance-regression"]
    assert label[0][:4] == ["label", "create", "performance-regression", "--force"]
    assert opened[0][:2] == ["issue", "create"]
    assert f"--title=Performance regression on {BASELINE.parent.name}" in opened[0]
    assert all(f"--repo={REPOSITORY}" in call[0] for call in (listed, label, opened))
    body = opened[1]
    assert "**Regressed**: 1 of 18 judged cases on " in body
    assert f"| {code(SLOW)} | -20.0% [" in body
    assert f"pytest 'perf/cnn/test_inference.py::test_inference[{SLOW}]' --perf-tier=quick --benchmark-compare" in body
    assert code("wheel: mxnet-mkl==1.5.0 (c80de69bde7a) -> mxnet-mkl==1.5.1 (dddddddddddd)") in body
    assert PAGE in body

    gh.has({"number": 12, "body": body})
    assert issue(regressed) == 0
    assert gh.changes() == [["issue", "edit", "12"]]

    assert issue(slowed(tonight(), SLOW, 0.0)) == 0
    (closed,) = [call for call in gh.asked() if call[0][1] != "list"]
    assert closed[0][:4] == ["issue", "close", "12", "--reason=completed"]
    assert any(argument.startswith("--comment=Gone in the run of ") for argument in closed[0])


def test_a_quiet_night_changes_nothing(gh: FakeGh, issue: Issue, capsys: pytest.CaptureFixture[str]) -> None:
    assert issue(slowed(tonight(), SLOW, 0.0)) == 0
    assert gh.changes() == []
    assert capsys.readouterr().out == "nothing: no case has a confirmed regression\n"


def test_a_dry_run_shows_the_text_and_changes_nothing(
    gh: FakeGh, issue: Issue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert issue(slowed(tonight(), SLOW, 0.2), "--dry-run") == 0
    output = capsys.readouterr().out
    assert output.startswith("open issue: 1 case is slower than the baseline's stack\n<!-- mxperf-regression {")
    assert gh.changes() == []


def everything_slower() -> dict[str, Any]:
    document = slowed(tonight(), SLOW, 0.0)
    for benchmark in document["benchmarks"]:
        if benchmark["extra_info"]["beside"]:
            benchmark["extra_info"]["beside"]["values"] = [-0.3, -0.31, -0.29, -0.3]
    return document


def test_the_text_has_at_most_60_lines(gh: FakeGh, issue: Issue) -> None:
    document = everything_slower()
    entries = [each for each in document["benchmarks"] if each["extra_info"]["beside"]]
    for number, benchmark in enumerate(entries):
        variables = {f"KMP_{number}_{place}": "1" for place in range(5)}
        benchmark["extra_info"]["stack"]["variables"] |= variables
    gh.has({"number": 1, "body": mark_of_many()})
    assert issue(document) == 0
    body = next(call[1] for call in gh.asked() if call[0][1] == "edit")
    assert 40 < len(body.splitlines()) <= 60
    assert re.search(r"And \d+ more differences\.", body)


def mark_of_many() -> str:
    cases = [f"lost-b{number}-mkl-fp32" for number in range(30)]
    subject = {"machine_class": BASELINE.parent.name, "roles": [], "cases": cases}
    return f"<!-- mxperf-regression {json.dumps(subject).replace('-', chr(92) + 'u002d')} -->"


EVIL = "<script>alert(1)</script>`x`|y| **b** @team #1 [l](http://e.org) --> \n## h"


def test_a_hostile_name_does_no_harm(gh: FakeGh, issue: Issue) -> None:
    document = slowed(tonight(), SLOW, 0.2)
    for benchmark in document["benchmarks"]:
        info = benchmark["extra_info"]
        if f"{info['workload']}-{info['variant']}" == SLOW:
            benchmark["fullname"] += EVIL
            info["stack"]["requirement"] = f"./{EVIL}.whl"
    document["perf"]["arguments"] = [f"--perf-build={EVIL}=./{EVIL}.whl", f"--perf-build=mkl=./{EVIL}.whl"]
    assert issue(document) == 0
    arguments, body = next(call for call in gh.asked() if call[0][:2] == ["issue", "create"])
    outside = re.sub(r"(?ms)^(`{3,})sh\n.*?\n\1$", "", body)
    assert "script>" not in outside
    assert "@team" not in outside
    assert "**b**" not in outside
    assert "http://" not in outside.replace(PAGE, "")
    assert body.count("\n-->") == 0
    assert body.count("-->") - body.count("--> ") == 1
    assert all("\n" not in argument for argument in arguments)


@given(st.text())
def test_no_text_leaves_its_code(text: str) -> None:
    assert re.fullmatch(r"<code>([A-Za-z0-9 -]|&#[0-9]+;)*</code>", code(text))
    fence, line, end = fenced(text)
    assert fence == f"{end}sh"
    assert end not in line
    assert len(line.splitlines()) <= 1


def test_a_failing_gh_is_an_error(gh: FakeGh, issue: Issue, capsys: pytest.CaptureFixture[str]) -> None:
    gh.breaks()
    assert issue(tonight()) == 4
    assert capsys.readouterr().err.startswith("gh issue list: failed: HTTP 403: Resource not accessible by integration")
    (gh.folder / "broken").unlink()
    gh.answers("a login page")
    assert issue(tonight()) == 4
    assert "the answer of gh issue list cannot be decoded" in capsys.readouterr().err


def test_a_missing_gh_is_an_error(
    issue: Issue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert issue(tonight()) == 4
    assert "the program gh is not installed\nnext: install it" in capsys.readouterr().err


def test_the_tolerance_is_the_one_that_the_case_was_marked_with(gh: FakeGh, issue: Issue) -> None:
    document = slowed(tonight(), SLOW, 0.2)
    document["perf"]["tolerances"] = {SLOW: {"change": 0.033, "resolution": None}}
    assert issue(document) == 0
    assert " | 3.3% |" in gh.asked()[-1][1]
