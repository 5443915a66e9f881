"""What a pull request with stored runs may change, tested on real git repositories."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perf.cli import main
from perf.errors import PerfError
from perf.runs.acceptance import Waiver
from perf.runs.refreshing.proposal import Proposal, judge_proposal
from tests.support.factories import MACHINE_CLASS
from tests.unit.runs.made_runs import EQUAL, SLOWER, WORKLOADS, run_of, stored
from tests.unit.runs.refreshing.made_sessions import CASE_NAMES, built, written

# The same as the tolerances by which `stored` stores.
TOLERANCES_FILE = """
[default]
change = 0.01
resolution = 0.05
[published]
change = 0.25
resolution = 0.5
[assumed.default]
invocations = 0.01
side_by_side = 0.005
sessions = 0.01
degrees = 10
"""


class Repository:
    """A git repository with a stored run on its branch main, and a branch that is to be merged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs = path / "baselines" / MACHINE_CLASS
        self.runs.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        (path / "baselines" / "tolerances.toml").write_text(TOLERANCES_FILE)
        (path / "code.py").write_text("print(1)\n")
        self.store(run_of(EQUAL))
        self.store(run_of(EQUAL))
        self.commit()
        self.git("checkout", "--quiet", "-b", "refresh")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=made", "-c", "user.email=made@example.org", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(self.path), *identity, *arguments]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout

    def store(self, content: dict[str, Any], waiver: Waiver | None = None) -> Path:
        before = {*self.runs.glob("*.json")}
        stored(self.runs, content, waiver or Waiver())
        (self.runs / ".lock").unlink(missing_ok=True)
        (path,) = {*self.runs.glob("*.json")} - before
        return path

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "made")

    def judged(self, base: str = "main") -> Proposal:
        self.commit()
        return judge_proposal(self.path, base, "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_an_equal_run_may_be_merged(repository: Repository) -> None:
    name = repository.store(run_of(EQUAL)).name
    proposal = repository.judged()
    assert proposal.problems == ()
    (line,) = proposal.judged
    assert line.startswith(f"baselines/{MACHINE_CLASS}/{name}: judged again by 0002_made.json: nothing lost. ")
    assert "Sum of drift since the anchor 0001_made.json: median +0.0% of 3 cases" in line


def test_a_run_of_sessions_may_be_merged(repository: Repository, tmp_path: Path) -> None:
    repository.store(built(tmp_path / "sessions", *(run_of(EQUAL) for _ in range(3))))
    assert repository.judged().problems == ()


def test_the_first_run_of_a_class_may_be_merged(repository: Repository) -> None:
    for path in repository.runs.glob("*.json"):
        path.unlink()
    repository.git("commit", "--quiet", "--all", "--message", "made")
    repository.git("branch", "--force", "main")
    repository.store(run_of(EQUAL))
    (line,) = repository.judged().judged
    assert line.endswith("0001_made.json: the first run of its class.")


def test_two_runs_are_judged_one_after_the_other(repository: Repository) -> None:
    for _ in range(2):
        repository.store(run_of(EQUAL))
    proposal = repository.judged()
    assert proposal.problems == ()
    assert [re.findall(r"again by (\w+)", line) for line in proposal.judged] == [["0002_made"], ["0003_made"]]


def test_a_branch_without_stored_runs_is_not_judged(repository: Repository) -> None:
    (repository.path / "code.py").write_text("print(2)\n")
    assert repository.judged() == Proposal((), ())


def test_an_accepted_loss_may_be_merged_and_is_named(repository: Repository) -> None:
    repository.store(run_of(SLOWER), Waiver(reason="wanted"))
    proposal = repository.judged()
    assert proposal.problems == ()
    assert f"accepted for the reason 'wanted': {CASE_NAMES[1]}. " in proposal.judged[0]


def edited(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def without_reason(document: dict[str, Any]) -> None:
    document["perf"]["accepted"] = None


def of_another_case(document: dict[str, Any]) -> None:
    document["perf"]["accepted"]["verdicts"] = {CASE_NAMES[0]: "drifted"}


def without_drift(document: dict[str, Any]) -> None:
    document["perf"]["drift"] = None


def flattered(document: dict[str, Any]) -> None:
    document["perf"]["drift"]["cases"][CASE_NAMES[1]]["change"] = 1.0


def since_another_run(document: dict[str, Any]) -> None:
    document["perf"]["drift"]["cases"][CASE_NAMES[1]]["since"] = "0002_made.json"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (without_reason, rf"cannot replace the stored ones: {CASE_NAMES[1]} \(drifted against 0002_made\.json\)"),
        (of_another_case, f"it hides what it does not name: {CASE_NAMES[1]}$"),
        (without_drift, "it states another drift since the anchor"),
        (flattered, "it states another drift since the anchor"),
        (since_another_run, "it states another drift since the anchor"),
        (lambda document: document["perf"].update(complete=False), "is an unfinished run"),
        (lambda document: document["perf"].update(injected={"mkl-fp32": 0.1}), "was slowed down on purpose"),
        (lambda document: document["perf"].update(machine_class="another"), "was measured on machine class another"),
        (lambda document: document.pop("perf"), "was not stored by this suite"),
    ],
)
def test_a_run_that_hides_something_is_refused(
    repository: Repository, change: Callable[[dict[str, Any]], None], problem: str
) -> None:
    edited(repository.store(run_of(SLOWER), Waiver(reason="wanted")), change)
    proposal = repository.judged()
    assert proposal.judged == ()
    (text,) = proposal.problems
    assert re.search(problem, text)
    assert text.startswith(f"baselines/{MACHINE_CLASS}/0003_made.json: ")


def test_cases_that_were_dropped_without_a_word_are_refused(repository: Repository) -> None:
    path = repository.store(run_of({WORKLOADS[0]: 0.0}), Waiver(dropped=("*",)))
    edited(path, without_reason)
    (text,) = repository.judged().problems
    assert "it lacks 4 cases of 0002_made.json" in text


@pytest.mark.parametrize("change", ["edited", "removed", "renamed", "made a link"])
def test_a_stored_run_that_does_not_stay_is_refused(repository: Repository, change: str) -> None:
    path = repository.runs / "0001_made.json"
    if change == "edited":
        path.write_text(path.read_text() + "\n")
    elif change == "renamed":
        path.rename(repository.runs / "0001_other.json")
    else:
        path.unlink()
        if change == "made a link":
            path.symlink_to("0002_made.json")
    problems = repository.judged().problems
    word = "removed" if change in {"removed", "renamed"} else "edited"
    assert f"baselines/{MACHINE_CLASS}/0001_made.json: a stored run was {word}" in problems


@pytest.mark.parametrize("path", ["code.py", "new <script>.py", "baselines.py", ".github/workflows/a.yml"])
def test_nothing_else_may_change_with_a_stored_run(repository: Repository, path: str) -> None:
    repository.store(run_of(EQUAL))
    written(repository.path / path, {})
    (text,) = repository.judged().problems
    assert text == f"a stored run changes together with 1 file outside baselines: {path}"


@pytest.mark.parametrize("name", ["tolerances.toml", f"{MACHINE_CLASS}/anchor", "answers/resnet18_v1.json"])
def test_what_judges_a_run_may_not_change_with_it(repository: Repository, name: str) -> None:
    repository.store(run_of(EQUAL))
    path = f"baselines/{name}"
    (repository.path / path).parent.mkdir(exist_ok=True)
    with (repository.path / path).open("a") as stream:
        stream.write("# 0002_made.json")
    assert f"a stored run changes together with what it is judged by: {path}" in repository.judged().problems


def test_the_tolerances_of_the_base_count(repository: Repository) -> None:
    path = repository.path / "baselines" / "tolerances.toml"
    edited(repository.store(run_of(SLOWER), Waiver(reason="wanted")), without_reason)
    path.write_text(
        path.read_text().replace("change = 0.02", "change = 0.9").replace("resolution = 0.05", "resolution = 0.95")
    )
    assert any("cannot replace the stored ones" in text for text in repository.judged().problems)


def test_a_run_with_a_number_that_was_taken_meanwhile_is_refused(repository: Repository) -> None:
    repository.store(run_of(EQUAL))
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.store(run_of(EQUAL)).rename(repository.runs / "0003_first.json")
    repository.commit()
    repository.git("checkout", "--quiet", "refresh")
    repository.git("commit", "--quiet", "--allow-empty", "--message", "made")
    (text,) = judge_proposal(repository.path, "main", "HEAD").problems
    assert text.endswith("0003_made.json: its number is taken: the next one is 0004; refresh again")


def test_a_link_is_not_a_stored_run(repository: Repository) -> None:
    (repository.runs / "0003_made.json").symlink_to("0001_made.json")
    (text,) = repository.judged().problems
    assert text.endswith("0003_made.json: is not a regular file (mode 120000)")


def check(monkeypatch: pytest.MonkeyPatch, repository: Path, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mxperf", "check-baselines", *arguments, "--repository", str(repository)])
    with pytest.raises(SystemExit) as caught:
        main.main()
    return int(caught.value.code or 0)


def test_the_command_says_what_is_wrong_and_ends_with_1(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.store(run_of(EQUAL))
    repository.commit()
    assert check(monkeypatch, repository.path, "main") == 0
    assert "judged again by 0002_made.json" in capsys.readouterr().out
    (repository.path / "code.py").unlink()
    repository.commit()
    assert check(monkeypatch, repository.path, "main") == 1
    output = capsys.readouterr().out
    assert "refused: a stored run changes together with 1 file outside baselines: code.py\n" in output
    assert output.endswith("1 problem: it must not be merged.\n")
    assert check(monkeypatch, repository.path, "HEAD") == 0
    assert capsys.readouterr().out == "No stored run changed: there is nothing to judge.\n"


@pytest.mark.parametrize("name", ["nowhere", "--output=x", ""])
def test_a_commit_that_is_not_there_is_named(repository: Repository, name: str) -> None:
    with pytest.raises(PerfError, match="git rev-parse failed") as caught:
        judge_proposal(repository.path, name, "HEAD")
    assert caught.value.subject == name


def test_a_folder_without_git_is_named(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match=r"git rev-parse failed: .*not a git repository"):
        judge_proposal(tmp_path, "main", "HEAD")


def test_unrelated_histories_need_the_whole_history(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "--orphan", "alone")
    repository.store(run_of(EQUAL))
    repository.commit()
    with pytest.raises(PerfError, match="git merge-base failed") as caught:
        judge_proposal(repository.path, "main", "HEAD")
    assert caught.value.next_step == "fetch the whole history (fetch-depth: 0)"


def test_wider_tolerances_that_the_run_does_not_name_are_a_problem(repository: Repository) -> None:
    path = repository.store(run_of(EQUAL))
    content = json.loads(path.read_text())
    content["perf"]["tolerances"] = {CASE_NAMES[1]: {"change": 0.5, "resolution": 0.7}}
    path.write_text(json.dumps(content))
    (problem,) = repository.judged().problems
    assert f"{CASE_NAMES[1]} (marked with a wider tolerance than in " in problem


def test_tolerances_that_the_run_brings_are_named(repository: Repository) -> None:
    content = run_of(EQUAL)
    content["perf"]["tolerances"] = {CASE_NAMES[1]: {"change": 0.5, "resolution": 0.7}}
    repository.store(content, Waiver(reason="noisy"))
    (line,) = repository.judged().judged
    assert f"Tolerance by the marker perf: {CASE_NAMES[1]} (change 50.0%, resolution 70.0%)" in line
