"""A program gh that records what it is asked to do, lists the issues that a test gives it, and keeps comments."""

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
folder, asked = pathlib.Path({folder!r}), sys.argv[1:]
named = [a.partition("=")[2].removeprefix("@") for a in asked if a.startswith(("--body-file=", "body=@"))]
body = [pathlib.Path(name).read_text() for name in named]
with (folder / "asked.jsonl").open("a") as file:
    file.write(json.dumps([asked, *body]) + "\\n")
if (folder / "broken").exists():
    sys.exit("HTTP 403: Resource not accessible by integration")
if asked[:2] == ["issue", "list"]:
    print((folder / "issues.json").read_text())
elif asked[0] == "api":
    kept = folder / "comments.json"
    comments = json.loads(kept.read_text())
    if "--paginate" in asked:
        print("\\n".join(map(json.dumps, comments)))
    elif "POST" in asked:
        comments.append({{"id": 71 + len(comments), "body": body[0], "type": "Bot"}})
    else:
        next(c for c in comments if asked[1].endswith("/comments/%d" % c["id"]))["body"] = body[0]
    kept.write_text(json.dumps(comments))
"""


@dataclass(frozen=True)
class FakeGh:
    """Where the program keeps what it was asked, and finds the issues and the comments of a pull request."""

    folder: Path

    def has(self, *issues: dict[str, Any]) -> None:
        (self.folder / "issues.json").write_text(json.dumps(issues))

    def keep(self, *comments: dict[str, Any]) -> None:
        """Let the pull request have these comments."""
        (self.folder / "comments.json").write_text(json.dumps(comments))

    @property
    def comments(self) -> list[dict[str, Any]]:
        comments: list[dict[str, Any]] = json.loads((self.folder / "comments.json").read_text())
        return comments

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
    """The program, first in PATH, in a repository without issues and comments."""
    folder = tmp_path / "gh's"
    folder.mkdir()
    program = folder / "gh"
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    fake = FakeGh(folder)
    fake.has()
    fake.keep()
    return fake
