"""A program gh that records what it is asked to do, and lists the issues that a test gives it."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """\
#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
asked = sys.argv[1:]
body = [pathlib.Path(a.partition("=")[2]).read_text() for a in asked if a.startswith("--body-file=")]
with (folder / "asked.jsonl").open("a") as file:
    file.write(json.dumps([asked, *body]) + "\\n")
if (folder / "broken").exists():
    sys.exit("HTTP 403: Resource not accessible by integration")
if asked[:2] == ["issue", "list"]:
    print((folder / "issues.json").read_text())
"""


@dataclass(frozen=True)
class FakeGh:
    """Where the program keeps what it was asked, and finds the issues."""

    folder: Path

    def has(self, *issues: dict[str, Any]) -> None:
        (self.folder / "issues.json").write_text(json.dumps(issues))

    def breaks(self) -> None:
        (self.folder / "broken").touch()

    def answers(self, text: str) -> None:
        (self.folder / "issues.json").write_text(text)

    def asked(self) -> list[list[Any]]:
        """Each call: its arguments, and the text of the file that it named; the calls since the last time."""
        path = self.folder / "asked.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def changes(self) -> list[Sequence[str]]:
        """The first words of the calls that changed something."""
        return [call[0][:3] for call in self.asked() if call[0][:2] != ["issue", "list"]]


@pytest.fixture
def gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGh:
    """The program, first in PATH, in a repository without issues."""
    folder = tmp_path / "gh's"
    folder.mkdir()
    program = folder / "gh"
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    fake = FakeGh(folder)
    fake.has()
    return fake
