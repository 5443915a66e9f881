"""The workflows: valid, pinned and safe, one command a step, the nightly run on the announcement's machine."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from perf.cli.reference import GROUPS, SUBCOMMANDS
from perf.files import ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted([*FOLDER.glob("*.yml"), *FOLDER.glob("*.yaml")])
NIGHTLY_RUNNER = ["self-hosted", "linux", "x64", "c5.metal"]

BROKEN = """\
on: push
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - runs: echo
"""


def ran(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def validated(*paths: Path, schema: str = "github-workflows") -> subprocess.CompletedProcess[str]:
    return ran("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, paths))


def audited(path: Path) -> subprocess.CompletedProcess[str]:
    return ran("zizmor", "--offline", "--no-progress", "--persona=auditor", str(path))


def jobs(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(path)["jobs"]
    return loaded


def test_there_are_workflows() -> None:
    assert WORKFLOWS, f"{FOLDER} is empty"


def test_workflows_are_right_by_githubs_schema() -> None:
    done = validated(*WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_refuses_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "broken.yml"
    path.write_text(BROKEN)
    assert "runs" in validated(path).stdout
    path.write_text(BROKEN.replace("runs:", "run:"))
    assert validated(path).returncode == 0


def test_dependabot_is_right_by_its_schema() -> None:
    done = validated(FOLDER.with_name("dependabot.yml"), schema="dependabot")
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_no_weak_spot() -> None:
    done = audited(FOLDER.parent)
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_an_action_that_is_not_pinned(tmp_path: Path) -> None:
    path = tmp_path / ".github" / "workflows" / "loose.yml"
    path.parent.mkdir(parents=True)
    path.write_text(re.sub(r"@[0-9a-f]{40} # v[\d.]+", "@v7", (FOLDER / "nightly.yml").read_text()))
    assert "unpinned-uses" in audited(path).stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_step_runs_one_line(path: Path) -> None:
    commands = [step["run"] for job in jobs(path).values() for step in job.get("steps", []) if "run" in step]
    assert commands
    assert [command for command in commands if "\n" in command.strip()] == []


def test_only_the_measuring_job_of_a_night_runs_on_the_announcements_machine() -> None:
    runners = {name: job["runs-on"] for name, job in jobs(FOLDER / "nightly.yml").items()}
    assert {name for name, labels in runners.items() if labels == NIGHTLY_RUNNER} == {"measure"}
    assert {labels for name, labels in runners.items() if name != "measure"} == {"ubuntu-latest"}


def test_only_the_jobs_that_write_the_issue_and_the_history_may_write() -> None:
    rights = {name: job["permissions"] for name, job in jobs(FOLDER / "nightly.yml").items()}
    assert rights.pop("issue") == {"contents": "read", "issues": "write"}
    assert rights.pop("history") == {"contents": "write"}
    assert {right for by_scope in rights.values() for right in by_scope.values()} == {"read"}


def test_the_job_that_writes_the_history_measures_nothing_and_runs_on_the_default_branch_only() -> None:
    history = jobs(FOLDER / "nightly.yml")["history"]
    assert history["runs-on"] == "ubuntu-latest"
    ran = [step["run"].partition("mxperf ")[2] for step in history["steps"] if "mxperf" in step.get("run", "")]
    assert ran == ["history publish nightly.json --branch history -o history"]
    for condition in ("!inputs.builds", "!inputs.artifact", "github.event.repository.default_branch"):
        assert condition in history["if"]


def test_a_night_on_another_branch_leaves_the_issue_alone() -> None:
    condition = jobs(FOLDER / "nightly.yml")["issue"]["if"]
    assert "github.event_name == 'schedule' || github.ref_name == github.event.repository.default_branch" in condition


def test_no_workflow_of_pull_requests_may_write_to_the_repository() -> None:
    workflows = {path.name: YAML(typ="safe").load(path) for path in WORKFLOWS}
    of_requests = {name: flow for name, flow in workflows.items() if any("pull_request" in on for on in flow["on"])}
    assert list(of_requests) == ["pull-request.yml"]
    for workflow in of_requests.values():
        scopes = [workflow["permissions"], *(job.get("permissions", {}) for job in workflow["jobs"].values())]
        assert {rights.get("contents") for rights in scopes} <= {"read", None}


def commands(path: Path) -> list[str]:
    return [step["run"] for job in jobs(path).values() for step in job["steps"] if "run" in step]


def test_one_policy_decides_whether_a_machine_may_measure() -> None:
    decisions = [line for path in WORKFLOWS for line in commands(path) if "mxperf doctor" in line]
    assert len(decisions) == 2
    assert set(decisions) == {".uv/bin/uv run mxperf doctor --fit --window 10"}


def test_the_options_of_the_workflows_commands_exist() -> None:
    every: list[Callable[..., None]] = [*SUBCOMMANDS, *chain.from_iterable(GROUPS.values())]
    known = {f"--{name}" for command in every for name in names_of(command)}
    for path in WORKFLOWS:
        for line in commands(path):
            if "mxperf" in line:
                assert set(re.findall(r" (--[a-z-]+)", line)) <= known, line


def names_of(command: Callable[..., Any]) -> Iterator[str]:
    app = typer.Typer()
    app.command()(command)
    for parameter in typer.main.get_command(app).params:
        yield from (option.removeprefix("--") for option in parameter.opts)


def test_what_a_fork_can_start_gets_no_secret_and_no_machine_of_ours() -> None:
    for path in WORKFLOWS:
        triggers = set(YAML(typ="safe").load(path)["on"])
        assert triggers <= {"pull_request", "schedule", "workflow_dispatch"}, "may have secrets for a fork"
        if "pull_request" in triggers:
            assert "secrets" not in path.read_text()
            assert {job["runs-on"] for job in jobs(path).values()} == {"ubuntu-latest"}


def test_only_the_comment_may_write_to_a_pull_request_and_it_runs_reviewed_code() -> None:
    workflow = YAML(typ="safe").load(FOLDER / "pull-request.yml")
    assert workflow["permissions"] == {"contents": "read"}
    comment = workflow["jobs"].pop("comment")
    assert comment["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert comment["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    assert comment["steps"][0]["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    assert [job for job in workflow["jobs"].values() if "permissions" in job] == []
