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


class Clock:
    """Stands in for `time`: shows `now` seconds."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("perf.report.progress.time", made)
    return made


@pytest.mark.parametrize(
    ("left_s", "text"), [(0, "0 s left"), (89, "89 s left"), (90, "2 min left"), (5400, "90 min left")]
)
def test_long_estimates_are_in_minutes(left_s: float, text: str) -> None:
    assert remaining_time(left_s) == text


def test_without_a_terminal_every_step_is_a_plain_line(out: StringIO, clock: Clock) -> None:
    line = ProgressLine(Console(file=out, width=30))
    with line.shown():
        line.say("[build] mkl: ready " + "x" * 60)
        line.show("resnet50_v1-b1, invocation 1", 240)
        clock.now += 60
        line.show("resnet50_v1-b8, invocation 1", 180)
        clock.now += 200
        line.show("end", 0)
    assert out.getvalue().splitlines() == [
        "[build] mkl: ready " + "x" * 60,
        "[  0%] resnet50_v1-b1, invocation 1; 4 min left",
        "[ 25%] resnet50_v1-b8, invocation 1; 3 min left",
        "[100%] end; 0 s left",
    ]


def test_without_a_terminal_there_is_a_line_a_minute(out: StringIO, clock: Clock) -> None:
    line = ProgressLine(Console(file=out, width=30), every_s=60)
    for second in range(0, 600, 5):
        clock.now = 1000.0 + second
        line.show(f"step {second}", 600 - second)
    line.show("step 595", 0)
    shown = [text.partition("step ")[2].partition(";")[0] for text in out.getvalue().splitlines()]
    assert shown == [*(str(second) for second in range(0, 600, 60)), "595"], "and one at the end"


def test_a_live_line_shows_every_step_however_rare_plain_lines_are(out: StringIO, terminal: Console) -> None:
    line = ProgressLine(terminal, every_s=60)
    with line.shown():
        line.show("first", 9)
        line.show("second", 8)
    assert "first" in out.getvalue()
    assert "second" in out.getvalue()


def test_a_fraction_is_extrapolated_since_the_last_restart(out: StringIO, clock: Clock) -> None:
    line = ProgressLine(Console(file=out, width=30))
    line.show("before", 0)
    clock.now += 1000
    line.restart()
    clock.now += 10
    line.show_fraction("100 images", 0.25)
    assert out.getvalue().splitlines()[1] == "[ 25%] 100 images; 30 s left"


def test_a_terminal_shows_a_live_line(out: StringIO, terminal: Console, clock: Clock) -> None:
    line = ProgressLine(terminal)
    threads = threading.active_count()
    with line.shown():
        line.show("resnet50_v1-b8", 10)
        clock.now += 5
        line.show("resnet50_v1-b8", 15)
        assert threading.active_count() == threads, "a thread would run on the cores that are measured"
        assert re.search(r" 25 % .*resnet50_v1-b8; 15 s left", out.getvalue())
        drawn = out.tell()
        line.say("build mkl: ready")
        assert "build mkl: ready\n" in out.getvalue()[drawn:]
    assert out.getvalue().endswith("\x1b[2K"), "the live line is erased at the end"


def test_a_second_live_line_continues_where_the_first_ended(out: StringIO, terminal: Console, clock: Clock) -> None:
    line = ProgressLine(terminal)
    with line.shown():
        line.show("first", 100)
        clock.now += 75
        line.show("first", 25)
    before = out.tell()
    with line.shown():
        pass
    assert " 75 % " in out.getvalue()[before:]


def test_a_terminal_without_the_live_line_gets_plain_lines(out: StringIO, terminal: Console) -> None:
    line = ProgressLine(terminal)
    with line.shown():
        pass
    before = out.tell()
    line.show("later", 5)
    assert out.getvalue()[before:] == "[  0%] later; 5 s left\n"
