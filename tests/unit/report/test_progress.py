"""Progress: plain lines where nobody watches, a live line on a terminal, and no thread that would take cores."""

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
    ("elapsed_s", "share", "text"),
    [
        (0, 0, "time to go unknown yet"),
        (10, 0.5, "10 s to go"),
        (10, 0.25, "30 s to go"),
        (89, 0.5, "89 s to go"),
        (90, 0.5, "2 min to go"),
        (600, 0.1, "90 min to go"),
        (600, 1, "0 s to go"),
    ],
)
def test_time_to_go(elapsed_s: float, share: float, text: str) -> None:
    assert remaining_time(elapsed_s, share) == text


def test_elsewhere_each_word_is_a_plain_line(out: StringIO) -> None:
    line = ProgressLine(Console(file=out, width=30))
    with line.shown():
        line.say("[build] mkl: ready " + "x" * 60)
        line.tell("resnet50_v1-b1, invocation 1", 0)
        line.tell("resnet50_v1-b8, invocation 1", 0.25)
        line.tell("end", 1)
    assert out.getvalue().splitlines() == [
        "[build] mkl: ready " + "x" * 60,
        "[  0%] resnet50_v1-b1, invocation 1; time to go unknown yet",
        "[ 25%] resnet50_v1-b8, invocation 1; 0 s to go",
        "[100%] end; 0 s to go",
    ]


def test_a_terminal_shows_a_live_line(out: StringIO, terminal: Console) -> None:
    line = ProgressLine(terminal)
    threads = threading.active_count()
    with line.shown():
        line.tell("resnet50_v1-b8", 0.25)
        assert threading.active_count() == threads, "a thread would run on the cores that are measured"
        assert re.search(r" 25 % .*resnet50_v1-b8; 0 s to go", out.getvalue())
        drawn = out.tell()
        line.say("build mkl: ready")
        assert "build mkl: ready\n" in out.getvalue()[drawn:]
    assert out.getvalue().endswith("\x1b[2K"), "the live line is erased at the end"


def test_a_second_live_line_goes_on_where_the_first_ended(out: StringIO, terminal: Console) -> None:
    line = ProgressLine(terminal)
    with line.shown():
        line.tell("first", 0.75)
    before = out.tell()
    with line.shown():
        pass
    assert " 75 % " in out.getvalue()[before:]


def test_a_terminal_without_the_live_line_gets_plain_lines(out: StringIO, terminal: Console) -> None:
    line = ProgressLine(terminal)
    with line.shown():
        pass
    before = out.tell()
    line.tell("later", 0.5)
    assert out.getvalue()[before:] == "[ 50%] later; 0 s to go\n"


def test_what_is_begun_anew_has_a_time_to_go_of_its_own(out: StringIO) -> None:
    line = ProgressLine(Console(file=out, width=30))
    line.tell("first", 1)
    line.restart()
    line.tell("second", 0)
    assert out.getvalue().splitlines()[1] == "[  0%] second; time to go unknown yet"
