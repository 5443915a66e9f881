"""The workflows: valid, pinned and safe, one command a step, the nightly run on the announcement's machine."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

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
    return ran("zizmor", "--offline", "--no-progress", "--persona=pedantic", str(path))


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


def test_nightly_runs_on_the_announcements_machine() -> None:
    measuring = jobs(FOLDER / "nightly.yml")
    assert {name: job["runs-on"] for name, job in measuring.items()} == dict.fromkeys(measuring, NIGHTLY_RUNNER)


def test_only_the_comment_may_write_to_a_pull_request_and_it_runs_reviewed_code() -> None:
    workflow = YAML(typ="safe").load(FOLDER / "pull-request.yml")
    assert workflow["permissions"] == {"contents": "read"}
    comment = workflow["jobs"].pop("comment")
    assert comment["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert comment["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    assert comment["steps"][0]["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    assert [job for job in workflow["jobs"].values() if "permissions" in job] == []
