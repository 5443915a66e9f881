"""The console: what a run's file says appears and does nothing, and the end of a pipe is not a verdict."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from perf.cli import main
from perf.report.console import CLOSED_PIPE, PlainConsole, emit, plain_text, printable, say
from perf.report.tables import TextTable, rendered

RED = "\x1b[31m"
BACKWARDS = "\N{RIGHT-TO-LEFT OVERRIDE}"


def shown(line: str) -> str:
    out = io.StringIO()
    say(PlainConsole(file=out, width=80), line)
    return out.getvalue()


@contextmanager
def closed_pipe() -> Iterator[TextIO]:
    """Yield a pipe that nobody reads, as standard output."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream, pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        yield stream


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet50_v1-b1", "resnet50_v1-b1"),
        (f"{RED}red", "[31mred"),
        (f"abc{BACKWARDS}def", "abcdef"),
        ("a\n::error::b\r\nc", "a ::error::b c"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
    ],
)
def test_a_name_is_text_on_one_line(name: str, expected: str) -> None:
    assert shown(name) == f"{expected}\n"


def test_no_name_begins_a_line_of_a_workflow_as_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["::error::a", ":" * 3 + "warning::b", "##[group]c", "wide" * 5 + "::add-mask::d", "sound::e"]
    table = Table(box=None, padding=0, pad_edge=True)
    table.add_column("Case", overflow="fold", width=20)
    for name in names:
        table.add_row(Text(name, "bold"))

    def printed() -> list[str]:
        out = io.StringIO()
        console = PlainConsole(file=out, width=80)
        console.print(table)
        for name in names:
            say(console, name)
        return [line.strip() for line in out.getvalue().splitlines()]

    assert [line for line in printed() if line.startswith("::")], "outside of a workflow a name is shown whole"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert [line for line in printed() if line.startswith("::") or "##[" in line] == []
    assert "error::a" in printed()
    assert "sound::e" in printed()


@given(st.lists(st.text("a:# [\n", max_size=12), max_size=6))
def test_no_segments_make_a_command_of_a_workflow(texts: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GITHUB_ACTIONS", "true")
        out = io.StringIO()
        PlainConsole(file=out, width=80).print(Text.assemble(*((text, "bold") for text in texts)), soft_wrap=True)
    lines = out.getvalue().splitlines()
    assert not [line for line in lines if line.strip().startswith("::")]


def test_a_name_in_a_table_is_text_and_styles_stay() -> None:
    out = io.StringIO()
    table = Table()
    table.add_column("Case")
    table.add_row(Text(f"{RED}red{BACKWARDS}", "bold"))
    PlainConsole(file=out, width=40, force_terminal=True, color_system="standard").print(table)
    assert RED not in out.getvalue()
    assert BACKWARDS not in out.getvalue()
    assert "\x1b[1m[31mred" in out.getvalue()


@given(st.text())
def test_what_is_left_can_be_printed_and_is_as_wide(text: str) -> None:
    left = printable(text)
    assert left.replace("\n", "").isprintable()
    assert cell_len(left) == cell_len(text)
    assert printable(left) == left


@pytest.mark.parametrize(
    "write", [lambda pipe: say(PlainConsole(file=pipe), "text"), lambda _: emit("text")], ids=["say", "emit"]
)
def test_a_closed_pipe_is_not_a_verdict(write: Callable[[TextIO], None]) -> None:
    with closed_pipe() as pipe, pytest.raises(SystemExit) as caught:
        write(pipe)
    assert caught.value.code == CLOSED_PIPE


def test_a_full_disk_behind_the_output_is_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mxperf", "--help"])
    with open("/dev/full", "w") as full, monkeypatch.context() as patched:  # noqa: PTH123 - a device
        patched.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as caught:
            main.main()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # closing writes the rest
    assert caught.value.code == main.USAGE_ERROR
    assert capsys.readouterr().err == (
        "standard output, or a temporary file in the folder TMPDIR: cannot be written: No space left on device\n"
        "next: free some space there, or let the variable TMPDIR name another folder\n"
    )


@pytest.mark.parametrize("name", ["conv[/red]", "[bold]conv", "[link=file:///]conv[/]", "conv:warning:", "conv[0]"])
@pytest.mark.parametrize("figures", [True, False])
def test_a_name_that_looks_like_markup_is_shown_as_it_is(name: str, figures: bool) -> None:
    console = PlainConsole(width=80)
    with console.capture() as shown:
        console.print(rendered(TextTable(name, ["Layer", name], [[name, "1"]], figures=figures)))
    assert shown.get().count(name) == 3


def test_a_text_of_several_lines_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    text = "a\n ::error::b\u202e\x1b[31m\n##[group]\tc"
    assert plain_text(text) == "a\n ::error::b[31m\n##[group]       c"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert plain_text(text) == "a\n   error::b[31m\n# [group]       c"
