"""What a bisection prints: the table, the sentence, and the command."""

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from perf.bisection.report import conclusion, heading, print_steps, progress_line
from perf.bisection.search import Answer
from perf.bisection.state import Step, Wheel
from tests.unit.bisection.test_state import BASE

BISECTION = msgspec.structs.replace(BASE, wheels=[Wheel(*[f"mxnet-mkl==1.5.{number}"] * 2) for number in range(5)])


def step(wheel: int, answer: Answer, change: float | None = None) -> Step:
    low, high = (None, None) if change is None else (change - 0.01, change + 0.01)
    values = [] if change is None else [0.0] * 6
    return Step(
        wheel=wheel,
        answer=answer,
        reason="[red]pip[/red] failed" if change is None else "",
        change=change,
        change_low=low,
        change_high=high,
        values=values,
        sessions=1,
        seconds=75.0,
    )


def printed(*steps: Step) -> str:
    console = Console(file=io.StringIO(), width=120)
    print_steps(BISECTION, steps, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_has_every_wheel_with_its_change_and_step() -> None:
    rows = [line.split() for line in printed(step(4, "slower", 0.9), step(2, "not slower", 1.0)).splitlines()]
    assert ["5/5", "mxnet-mkl==1.5.4", "slower", "-10.0%", "[-11.0%,", "-9.0%]", "6", "1", "1.2", "min", "1"] in rows
    assert [
        "3/5",
        "mxnet-mkl==1.5.2",
        "not",
        "slower",
        *["+0.0%", "[-1.0%,", "+1.0%]", "6", "1", "1.2", "min", "2"],
    ] in rows
    assert ["2/5", "mxnet-mkl==1.5.1", "not", "compared", *"-----"] in rows


def test_reasons_are_shown_as_they_are() -> None:
    assert "mxnet-mkl==1.5.4 is undecided: [red]pip[/red] failed." in printed(step(4, "undecided"))
    assert progress_line(BISECTION, step(4, "undecided")) == "5/5 mxnet-mkl==1.5.4: undecided ([red]pip[/red] failed)"
    assert progress_line(BISECTION, step(4, "slower", 0.9)) == "5/5 mxnet-mkl==1.5.4: slower -10.0% [-11.0%, -9.0%]"


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        (
            [step(4, "slower", 0.9), step(2, "not slower", 1.0), step(3, "slower", 0.9)],
            "first slower: mxnet-mkl==1.5.3 (after mxnet-mkl==1.5.2)",
        ),
        (
            [step(4, "slower", 0.9), step(2, "undecided"), step(3, "slower", 0.9), step(1, "not slower", 1.0)],
            "first slower: one of mxnet-mkl==1.5.2, mxnet-mkl==1.5.3 (after mxnet-mkl==1.5.1); 1 wheel between stayed "
            "undecided.",
        ),
        (
            [step(4, "not slower", 1.0)],
            "nothing to bisect: mxnet-mkl==1.5.4 is not slower than mxnet-mkl==1.5.0 in resnet18_v1-b1-mkl-fp32.",
        ),
        (
            [step(4, "undecided")],
            "nothing to bisect: mxnet-mkl==1.5.4 could not be compared with mxnet-mkl==1.5.0 in "
            "resnet18_v1-b1-mkl-fp32.",
        ),
    ],
)
def test_the_sentence_says_what_is_known_and_no_more(steps: list[Step], sentence: str) -> None:
    assert conclusion(BISECTION, steps) == [sentence]


def test_the_heading_says_what_is_searched_for() -> None:
    assert heading(BISECTION, Path("bisection")) == (
        "resnet18_v1-b1-mkl-fp32: which of 5 wheels in the build mkl is the first that is slower than "
        "mxnet-mkl==1.5.0? (bisection)"
    )
