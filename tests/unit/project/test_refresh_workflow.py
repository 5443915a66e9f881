"""The workflows that refresh a baseline: who may write, and that their commands work on stored runs."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from perf.cli import main
from perf.files import ROOT
from tests.unit.project.test_workflows import NIGHTLY_RUNNER

FOLDER = ROOT / ".github" / "workflows"
CLASS = "intel-xeon-6.207-2c-1n-amx"


def jobs_of(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(FOLDER / name)["jobs"]
    return loaded


def steps_of(job: dict[str, Any], word: str) -> list[dict[str, Any]]:
    """Return the steps whose command or action contains a word."""
    return [step for step in job["steps"] if word in step.get("run", step.get("uses", ""))]


MEASURE, PROPOSE = jobs_of("baseline.yml").values()
CHECK = jobs_of("pull-request.yml")["baselines"]


def test_what_runs_on_the_measuring_machine_can_write_nothing() -> None:
    assert MEASURE["runs-on"] == NIGHTLY_RUNNER
    assert MEASURE["permissions"] == {"contents": "read"}
    text = json.dumps(MEASURE)
    assert "secrets." not in text
    assert "token" not in text
    (checkout,) = steps_of(MEASURE, "actions/checkout")
    assert checkout["with"]["persist-credentials"] is False


def test_the_machine_is_examined_before_three_sessions_are_measured() -> None:
    commands = [step["run"] for step in MEASURE["steps"] if "run" in step]
    assert "mxperf doctor" in commands[1]
    measuring = [command for command in commands if "--benchmark-compare" in command]
    assert commands[2:] == measuring
    assert [f"--benchmark-json=session-{n}.json" in command for n, command in enumerate(measuring, 1)] == [True] * 3


def test_what_can_write_runs_elsewhere_and_measures_nothing() -> None:
    assert PROPOSE["runs-on"] == "ubuntu-latest"
    assert PROPOSE["needs"] == "measure"
    assert PROPOSE["permissions"] == {"contents": "write", "pull-requests": "write"}
    assert not steps_of(PROPOSE, "pytest")
    (propose,) = steps_of(PROPOSE, "create-pull-request")
    assert propose["with"]["add-paths"] == "baselines"
    assert propose["with"]["branch"] == "baseline/${{ steps.refresh.outputs.machine-class }}"


def test_the_check_reads_all_of_the_history_and_writes_nothing() -> None:
    (checkout,) = steps_of(CHECK, "actions/checkout")
    assert checkout["with"] == {"fetch-depth": 0, "persist-credentials": False}
    assert "permissions" not in CHECK
    assert CHECK["runs-on"] == "ubuntu-latest"


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=made", "-c", "user.email=made@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with three stored runs of a class, and three sessions in the folder of the artifact."""
    stored = tmp_path / "baselines" / CLASS
    stored.mkdir(parents=True)
    (tmp_path / "sessions").mkdir()
    for path in (ROOT / "baselines" / CLASS).glob("000[123]_*.json"):
        shutil.copy(path, stored)
    for path in (ROOT / "baselines" / CLASS).glob("000[456]_*.json"):
        shutil.copy(path, tmp_path / "sessions" / f"session-{int(path.name[:4]) - 3}.json")
    shutil.copy(ROOT / "baselines" / "tolerances.toml", tmp_path / "baselines")
    (tmp_path / ".gitignore").write_text("/sessions\n/refresh.md\n/outputs\n.lock\n")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "made")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, step: dict[str, Any], variables: dict[str, str], *more: str) -> int:
    """Run a step's command as a shell would, with these variables and `more` arguments; return its exit code."""
    arguments = shlex.split(step["run"])
    assert arguments[:3] == [".uv/bin/uv", "run", "mxperf"]
    replaced = [variables.get(word, word) for word in arguments[3:]]
    files = [[*map(str, sorted(Path().glob(word)))] if "*" in word else [word] for word in replaced]
    monkeypatch.setattr(sys, "argv", ["mxperf", *(name for names in files for name in names), *more])
    with pytest.raises(SystemExit) as caught:
        main.main()
    return int(caught.value.code or 0)


def refreshed(monkeypatch: pytest.MonkeyPatch, reason: str) -> int:
    (step,) = steps_of(PROPOSE, "mxperf refresh")
    assert step["env"] == {"REASON": "${{ inputs.reason }}", "DROP": "${{ inputs.drop }}"}
    variables = {"$REASON": reason, "$DROP": "", "$GITHUB_OUTPUT": "outputs"}
    return run(monkeypatch, step, variables, "--folder", f"baselines/{CLASS}")


def checked(monkeypatch: pytest.MonkeyPatch) -> int:
    git(Path(), "add", "--all")
    git(Path(), "commit", "--quiet", "--message", "made")
    (step,) = steps_of(CHECK, "mxperf check-baselines")
    return run(monkeypatch, step, {"$BASE": "HEAD~"}, "--repository", ".")


def test_a_refresh_by_the_commands_of_the_workflows(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refreshed(monkeypatch, "") == 0
    assert (checkout / "outputs").read_text() == f"machine-class={CLASS}\n"
    assert (checkout / "refresh.md").read_text().startswith("**stored**: <code>0004_refreshed.json</code>")
    assert checked(monkeypatch) == 0


def test_a_regression_in_the_sessions_is_not_proposed(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in checkout.glob("sessions/*.json"):
        document = json.loads(path.read_text())
        for benchmark in document["benchmarks"]:
            for sample in benchmark["extra_info"]["samples"].values():
                sample["floors"] = [[reference, 2 * case] for reference, case in sample["floors"]]
        path.write_text(json.dumps(document))
    assert refreshed(monkeypatch, "") == 4
    assert (checkout / "refresh.md").read_text().startswith(f"**refused**: <code>{CLASS}</code> keeps its baseline.")
    assert not (checkout / "outputs").exists()
    assert refreshed(monkeypatch, "the announcement's kernel") == 0
    assert checked(monkeypatch) == 0


@pytest.mark.usefixtures("checkout")
def test_more_than_a_stored_run_does_not_pass_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refreshed(monkeypatch, "") == 0
    Path("setup.py").write_text("print('<script>')\n")
    assert checked(monkeypatch) == 1
