"""Progress: a live line on a terminal, plain lines elsewhere, and no thread that would use the measured cores."""

import re
import threading
from io import StringIO

import pytest
from rich.console import Console

from perf.report.progress import ProgressLine, remaining_time


@pytest.fixture
def out() -> StringIO:
    return StringIO()


@pytest.fixture
def terminal(out: StringIO, monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setenv("TERM", "xterm")
    return Console(file=out, force_terminal=True, width=100)


@pytest.mark.parametrize(
    ("elapsed_s", "done", "text"),
    [
        (0, 0, "remaining time unknown"),
        (10, 0.5, "10 s left"),
        (10, 0.25, "30 s left"),
        (89, 0.5, "89 s left"),
        (90, 0.5, "2 min left"),
        (600, 0.1, "90 min left"),
        (600, 1, "0 s left"),
    ],
)
def test_the_remaining_time_is_extrapolated(elapsed_s: float, done: float, text: str) -> None:
    assert remaining_time(elapsed_s, done) == text


def test_without_a_terminal_every_step_is_a_plain_line(out: StringIO) -> None:
    line = ProgressLine(Console(file=out, width=30))
    with line.shown():
        line.say("[build] mkl: ready " + "x" * 60)
        line.show("resnet50_v1-b1, invocation 1", 0)
        line.show("resnet50_v1-b8, invocation 1", 0.25)
        line.show("end", 1)
    assert out.getvalue().splitlines() == [
        "[build] mkl: ready " + "x" * 60,
        "[  0%] resnet50_v1-b1, invocation 1; remaining time unknown",
        "[ 25%] resnet50_v1-b8, invocation 1; 0 s left",
        "[100%] end; 0 s left",
    ]


def test_a_terminal_shows_a_live_line(out: StringIO, terminal: Console) -> None:
    line = ProgressLine(terminal)
    threads = threading.active_count()
    with line.shown():
        line.show("resnet50_v1-b8", 0.25)
        assert threading.active_count() == threads, "a thread would run on the cores that are measured"
        assert re.search(r" 25 % .*resnet50_v1-b8; 0 s left", out.getvalue())
        drawn = out.tell()
        line.say("build mkl: ready")
        assert "build mkl: ready\n" in out.getvalue()[drawn:]
    assert out.getvalue().endswith("\x1b[2K"), "the live line is erased at the end"


def test_a_second_live_line_continues_where_the_first_ended(out: StringIO, terminal: Console) -> None:
    line = ProgressLine(terminal)
    with line.shown():
        line.show("first", 0.75)
    before = out.tell()
    with line.shown():
        pass
    assert " 75 % " in out.getvalue()[before:]


def test_a_terminal_without_the_live_line_gets_plain_lines(out: StringIO, terminal: Console) -> None:
    line = ProgressLine(terminal)
    with line.shown():
        pass
    before = out.tell()
    line.show("later", 0.5)
    assert out.getvalue()[before:] == "[ 50%] later; 0 s left\n"


def test_a_restart_resets_the_remaining_time(out: StringIO) -> None:
    line = ProgressLine(Console(file=out, width=30))
    line.show("first", 1)
    line.restart()
    line.show("second", 0)
    assert out.getvalue().splitlines()[1] == "[  0%] second; remaining time unknown"
