"""The subcommand comment: a stored run and spoiled copies of it, printed, and posted with a gh that keeps comments."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from perf.cli import main
from perf.report.github.comment import MARK
from perf.runs.baseline import BASELINES
from tests.support.factories import document
from tests.support.services.fake_gh import FakeGh, gh

__all__ = ["gh"]
STORED = BASELINES / "intel-xeon-6.207-2c-1n-amx"
BASELINE, RUN = STORED / "0005_quick-5.json", STORED / "0006_quick-6.json"
CASE = "resnet50_v1-b1-mkl-int8"


@dataclass(frozen=True)
class Printed:
    """What the command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def comment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Printed]:
    def run(*arguments: object) -> Printed:
        monkeypatch.setattr(sys, "argv", ["mxperf", "comment", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main.main()
        printed = capsys.readouterr()
        return Printed(int(caught.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def github(gh: FakeGh, monkeypatch: pytest.MonkeyPatch) -> FakeGh:
    """A pull request behind a gh of its own, in a workflow on it."""
    monkeypatch.setenv("GITHUB_REPOSITORY", "apache/mxnet-perf")
    monkeypatch.setenv("GITHUB_REF", "refs/pull/12/merge")
    return gh


def headings(github: FakeGh) -> list[str]:
    """Return the heading of each comment that has one, in the order of writing."""
    lines = [line for comment in github.comments for line in str(comment["body"]).splitlines()]
    return [line for line in lines if line.startswith("## ")]


def spoiled(path: Path, *, hour: int = 0, name: str | None = None, loss: float = 0.1) -> Path:
    """Write a copy of the stored run in which a case ran another wheel and lost speed side by side."""
    run = json.loads(RUN.read_text())
    run["datetime"] = f"2026-12-01T{hour:02}:00:00+00:00"
    for benchmark in run["benchmarks"]:
        case = benchmark["extra_info"]
        if case["workload"] == "resnet50_v1-b1":
            case["workload"] = name or case["workload"]
        if benchmark["fullname"].endswith(f"[{CASE}]"):
            then = dict(case["stack"])
            case["stack"]["wheel"] = "e" * 64
            case["beside"] = {"values": [-loss, -loss - 0.002, -loss + 0.001], "stack": then, "problem": None}
    path.write_text(json.dumps(run))
    return path


def test_a_stored_run_that_is_ok_is_no_news(comment: Callable[..., Printed]) -> None:
    assert comment(RUN, BASELINE) == Printed(0, "", "No news, no comment: ok (18 ok).\n")


def test_the_latest_stored_run_of_the_class_judges(comment: Callable[..., Printed], tmp_path: Path) -> None:
    latest = max(STORED.glob("[0-9]*.json")).name
    assert f"Compared with <code>{latest}</code>" in comment(spoiled(tmp_path / "now.json")).out


def test_without_a_stored_run_of_the_class_nothing_is_compared(comment: Callable[..., Printed], tmp_path: Path) -> None:
    (tmp_path / "now.json").write_text(json.dumps(document()))
    printed = comment(tmp_path / "now.json")
    assert (printed.code, printed.out) == (0, "")
    assert printed.err == "No news, no comment: not compared (6 no-baseline).\n"


def test_a_planted_regression_is_the_first_thing_to_read(comment: Callable[..., Printed], tmp_path: Path) -> None:
    printed = comment(spoiled(tmp_path / "now.json"), BASELINE)
    lines = printed.out.splitlines()
    assert (printed.code, printed.err) == (0, "")
    assert lines[0].startswith(MARK)
    assert lines[2] == "## regressed (unconfirmed)"
    assert "1 regressed, 17 ok. Compared with <code>0005_quick-5.json</code>;" in printed.out
    row = next(line for line in lines if line.startswith("| <code>"))
    assert re.fullmatch(
        rf"\| <code>{CASE}</code> \| regressed \(unconfirmed\) \| -9\.5% \[-1\d\.\d%, -\d\.\d%\] \| side by side "
        r"\| 2\.0% \| \d+\.\d% \| build \|",
        row,
    )
    item = f"'perf/cnn/test_inference.py::test_inference[{CASE}]'"
    assert f"run pytest {item} --perf-tier=quick --benchmark-compare=0005_quick-5.json" in printed.out
    assert len(lines) <= 60


def test_names_in_a_file_do_no_harm(comment: Callable[..., Printed], tmp_path: Path) -> None:
    name = "<script>alert(1)</script>|`@someone`\n## ok"
    printed = comment(spoiled(tmp_path / "now.json", name=name), BASELINE)
    assert printed.code == 0
    assert "<script" not in printed.out
    assert "@" not in printed.out
    assert [line for line in printed.out.splitlines() if line.startswith("#")] == ["## incomplete"]


def test_the_comment_before_confirms_and_ends_silence(comment: Callable[..., Printed], tmp_path: Path) -> None:
    previous = tmp_path / "comment.md"
    previous.write_text(comment(spoiled(tmp_path / "now.json"), BASELINE).out)
    again = comment(spoiled(tmp_path / "now.json", hour=1), BASELINE, "--previous", previous).out
    assert again.splitlines()[2] == "## regressed"
    fine = comment(RUN, BASELINE, "--previous", previous).out
    assert fine.splitlines()[2] == "## ok"
    previous.write_text(fine)
    assert comment(RUN, BASELINE, "--previous", previous).out == ""
    previous.write_text("")
    assert comment(RUN, BASELINE, "--previous", previous).out == ""


def test_a_comment_of_something_else_is_refused(comment: Callable[..., Printed], tmp_path: Path) -> None:
    printed = comment(RUN, BASELINE, "--previous", RUN)
    assert (printed.code, printed.out) == (4, "")
    assert printed.err.startswith(f"{RUN}: is no comment that this version of mxperf printed")
    assert comment(RUN, BASELINE, "--previous", tmp_path / "gone.md").code == 4
    assert comment(tmp_path / "gone.json").code == 4


def test_a_posted_comment_is_edited_in_place(comment: Callable[..., Printed], github: FakeGh, tmp_path: Path) -> None:
    github.keep({"id": 1, "body": "Looks good.", "type": "User"})
    assert comment(RUN, BASELINE, "--post").err == "No news, no comment: ok (18 ok).\n"
    assert comment(spoiled(tmp_path / "now.json"), BASELINE, "--post").err == (
        "Added the comment on pull request 12.\n"
    )
    assert headings(github) == ["## regressed (unconfirmed)"]
    assert comment(spoiled(tmp_path / "now.json", hour=1), BASELINE, "--post").err == (
        "Edited the comment on pull request 12.\n"
    )
    assert headings(github) == ["## regressed"]
    assert comment(RUN, BASELINE, "--post").err == "Edited the comment on pull request 12.\n"
    assert headings(github) == ["## ok"]
    assert github.comments[0]["body"] == "Looks good."
    assert len(github.comments) == 2


def test_gh_is_called_as_its_manual_says(comment: Callable[..., Printed], github: FakeGh, tmp_path: Path) -> None:
    for hour in (0, 1):
        comment(spoiled(tmp_path / "now.json", hour=hour), BASELINE, "--post")
    (listing,), (post, _), _, (patch, _) = github.asked()
    assert listing[:3] == ["api", "repos/apache/mxnet-perf/issues/12/comments", "--paginate"]
    assert post[:4] == ["api", "repos/apache/mxnet-perf/issues/12/comments", "--method", "POST"]
    assert patch[:4] == ["api", "repos/apache/mxnet-perf/issues/comments/71", "--method", "PATCH"]
    assert not Path(post[post.index("-F") + 1].removeprefix("body=@")).exists()


def test_only_a_comment_of_a_workflow_on_the_same_class_is_edited(
    comment: Callable[..., Printed], github: FakeGh, tmp_path: Path
) -> None:
    now = spoiled(tmp_path / "now.json")
    body = comment(now, BASELINE).out
    elsewhere = body.replace("intel-xeon-6.207-2c-1n-amx", "c5.metal")
    github.keep(
        {"id": 1, "body": body, "type": "User"},
        {"id": 2, "body": elsewhere, "type": "Bot"},
        {"id": 3, "body": "Merged.\n\nx", "type": "Bot"},
    )
    comment(spoiled(tmp_path / "now.json", hour=1), BASELINE, "--post")
    assert [one["body"] for one in github.comments[:3]] == [body, elsewhere, "Merged.\n\nx"]
    assert headings(github) == ["## regressed (unconfirmed)"] * 3
    assert len(github.comments) == 4


def test_a_token_that_may_only_read_is_named(comment: Callable[..., Printed], github: FakeGh, tmp_path: Path) -> None:
    github.breaks()
    printed = comment(spoiled(tmp_path / "now.json"), BASELINE, "--post")
    assert printed.code == 4
    assert "HTTP 403" in printed.err
    assert "next: set GH_TOKEN to a token that may write to pull requests" in printed.err


def test_without_gh_there_is_a_message(
    comment: Callable[..., Printed], github: FakeGh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (github.folder / "gh").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    printed = comment(spoiled(tmp_path / "now.json"), BASELINE, "--post")
    assert (printed.code, printed.out) == (4, "")
    assert printed.err.startswith("gh api repos/apache/mxnet-perf/issues/12/comments: the program gh is not installed")


def test_comments_of_deleted_accounts_do_not_matter(
    comment: Callable[..., Printed], github: FakeGh, tmp_path: Path
) -> None:
    now = spoiled(tmp_path / "now.json")
    github.keep({"id": 1, "body": comment(now, BASELINE).out, "type": None}, {"id": 2, "body": "", "type": "User"})
    assert comment(now, BASELINE, "--post").err == "Added the comment on pull request 12.\n"
    assert len(github.comments) == 3


@pytest.mark.parametrize("listed", ["null", "{}", "<html>502</html>", '{"id": "1"}'])
def test_an_odd_list_of_comments_is_a_message(
    comment: Callable[..., Printed], github: FakeGh, tmp_path: Path, listed: str
) -> None:
    (github.folder / "gh").write_text(f"#!/bin/sh\necho '{listed}'\n")
    printed = comment(spoiled(tmp_path / "now.json"), BASELINE, "--post")
    assert printed.code == 4
    assert printed.err.startswith(f"pull request 12 of apache/mxnet-perf: the comment '{listed}' cannot be decoded: ")
    assert printed.err.endswith("\nnext: update gh\n")


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("#!/bin/sh\nexec sleep 60\n", "no answer within 0 s\nnext: try again; "),
        ("not a program", "cannot be run: Exec format error\nnext: make sure that "),
        ("#!/bin/sh\nexit 7\n", "failed: ended with exit code 7\nnext: set GH_TOKEN "),
    ],
    ids=["hangs", "cannot run", "is silent"],
)
def test_a_gh_that_does_not_work_is_a_message(
    comment: Callable[..., Printed], github: FakeGh, monkeypatch: pytest.MonkeyPatch, program: str, problem: str
) -> None:
    monkeypatch.setattr("perf.cli.github.TIMEOUT_S", 0.1)
    (github.folder / "gh").write_text(program)
    printed = comment(RUN, BASELINE, "--post")
    assert printed.code == 4
    assert printed.err.startswith(f"gh api repos/apache/mxnet-perf/issues/12/comments: {problem}")


@pytest.mark.parametrize(
    ("name", "value"),
    [("GITHUB_REF", "refs/heads/main"), ("GITHUB_REF", "refs/pull/../merge"), ("GITHUB_REPOSITORY", "../x y")],
)
def test_only_the_workflow_of_a_pull_request_can_post(
    comment: Callable[..., Printed], github: FakeGh, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    printed = comment(RUN, BASELINE, "--post")
    assert printed.code == 4
    assert "next: leave out --post to print the comment" in printed.err
    assert github.asked() == []


def test_the_comment_before_is_read_from_one_place(
    comment: Callable[..., Printed], github: FakeGh, tmp_path: Path
) -> None:
    (tmp_path / "comment.md").touch()
    assert comment(RUN, BASELINE, "--post", "--previous", tmp_path / "comment.md").code == 4
    assert github.asked() == []
