"""What each release answered to the examples of the known defects, kept in a TOML file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from perf.defects import Defect
from perf.errors import PerfError
from perf.files import read_toml, write_whole

# The answers of the releases in perf/builds/releases.toml.
ANSWERS = Path(__file__).with_name("answers.toml")
HEAD = """\
# What each wheel answered to the example of each known defect (perf/defects.toml), by defect and wheel. Written by
#     uv run pytest perf/known_defects
# which asks only what is missing here.
"""
Result = Literal["fails", "passes", "cannot be asked"]


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer of a wheel: whether it `fails` or `passes` an example, or cannot be asked.

    result: the answer.
    detail: what is wrong, or why it cannot be asked; "" if it passes.
    """

    result: Result
    detail: str = ""


# By the name of a defect, and then by the wheel: "mxnet-mkl 1.5.0".
Answers = Mapping[str, Mapping[str, Answer]]


def read_answers(path: Path = ANSWERS) -> Answers:
    """Return the answers in a file; none if there is no such file. Raises PerfError when it cannot be read."""
    return read_toml(path, dict[str, dict[str, Answer]]) if path.exists() else {}


def add_answer(path: Path, name: str, wheel: str, answer: Answer) -> None:
    """Add a wheel's answer about a defect to a file, in place of an older one.

    Raises PerfError when the file cannot be read or written; the old one is then kept.
    """
    answers = {defect: dict(wheels) for defect, wheels in read_answers(path).items()}
    answers.setdefault(name, {})[wheel] = answer
    try:
        write_whole(path, to_toml(answers).encode())
    except OSError as error:
        message = f"the answers cannot be written: {error.strerror}"
        raise PerfError(message, subject=str(path), next_step="name another file, or make room for it") from error


def to_toml(answers: Answers) -> str:
    """Return answers as the text of a file."""
    tables = [
        "\n".join([f"[{name}]", *(f"{_text(wheel)} = {_inline(wheels[wheel])}" for wheel in sorted(wheels))])
        for name, wheels in answers.items()
    ]
    return "\n\n".join([HEAD.rstrip(), *tables]) + "\n"


def _inline(answer: Answer) -> str:
    detail = f", detail = {_text(answer.detail)}" if answer.detail else ""
    return f'{{ result = "{answer.result}"{detail} }}'


def _text(text: str) -> str:
    """Return a text as TOML has it: as JSON does, but for pairs of surrogates and the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def contradictions(defects: Mapping[str, Defect], answers: Answers) -> list[str]:
    """Return what answers say against the declarations of defects, a line each."""
    lines = []
    for name, defect in defects.items():
        for wheel, answer in answers.get(name, {}).items():
            distribution, _, version = wheel.partition(" ")
            declared = version in defect.affects.get(distribution, [])
            if answer.result != "cannot be asked" and declared != (answer.result == "fails"):
                lines.append(f"{name}: {'declared' if declared else 'not declared'} for {wheel}, which {answer.result}")
    return lines
