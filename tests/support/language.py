"""The texts of the project that a person reads, and what docs/contributing/style.md rules out in them.

`python -m tests.support.language [PATH ...]` lists what is ruled out in all texts, or in those below some paths.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from perf.files import ROOT, read_toml

RULES = ROOT / "tests" / "unit" / "project" / "language.toml"
# What holds the rules, and the examples that break them.
EXEMPT = {
    "docs/contributing/style.md",
    "tests/unit/project/language.toml",
    "tests/unit/project/test_language.py",
}
SUFFIXES = {".md", ".py", ".toml", ".yml", ".sh", ""}


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `language.toml`: what to write instead, by pattern."""

    texts: dict[str, str]
    names: dict[str, str]


@dataclass(frozen=True)
class Slip:
    """A place where a rule is broken."""

    path: str
    line: int
    text: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text!r} - {self.instead}"


@cache
def rules() -> Rules:
    """The rules, read once."""
    return read_toml(RULES, Rules)


def texts_of_the_project() -> list[str]:
    """The files that hold texts, relative to the checkout: all that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "-o", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [name for name in listed if Path(name).suffix in SUFFIXES and name not in EXEMPT and (ROOT / name).is_file()]


def slips_in(name: str, content: str) -> list[Slip]:
    """What is ruled out in a file: in a Python module's comments, strings and names, else in all of it."""
    if not name.endswith(".py"):
        return list(_in_text(name, 1, content))
    return sorted(_in_python(name, content), key=lambda slip: slip.line)


def _in_python(name: str, content: str) -> Iterator[Slip]:
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type in {tokenize.COMMENT, tokenize.STRING}:
            # An f-string's expressions are names, which the syntax tree holds.
            text = re.sub(r"\{[^{}]*\}", "{}", token.string) if token.type == tokenize.STRING else token.string
            yield from _in_text(name, token.start[0], text)
    for node in ast.walk(ast.parse(content)):
        for label in _names_of(node):
            yield from _matches(name, node.lineno, label, rules().names)  # type: ignore[attr-defined]
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield from _in_text(name, node.lineno, node.name.replace("_", " "))


def _names_of(node: ast.AST) -> list[str]:
    """The names that a node of the syntax tree introduces."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    return []


def _in_text(name: str, first: int, text: str) -> Iterator[Slip]:
    for number, line in enumerate(text.splitlines(), first):
        yield from _matches(name, number, line, rules().texts)


def _matches(name: str, line: int, text: str, patterns: dict[str, str]) -> Iterator[Slip]:
    for pattern, instead in patterns.items():
        for match in re.finditer(pattern, text, re.IGNORECASE):
            yield Slip(name, line, match[0], instead)


def main() -> int:
    """Print what is ruled out below the paths on the command line; 1 when there is any."""
    wanted = tuple(sys.argv[1:]) or ("",)
    names = [name for name in texts_of_the_project() if name.startswith(wanted)]
    slips = [slip for name in names for slip in slips_in(name, (ROOT / name).read_text())]
    print(*slips, sep="\n")
    return int(bool(slips))


if __name__ == "__main__":
    sys.exit(main())
