"""The file of answers: whole, resumable, and in agreement with what is declared."""

import tomllib
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.builds.releases import ladder
from perf.defects import Defect, all_defects
from perf.errors import PerfError
from perf.known_defects.answers import ANSWERS, Answer, add_answer, contradictions, read_answers, to_toml
from tests.conftest import SmallDisk

FAILS, PASSES, NOT_ASKED = Answer("fails", "wrong"), Answer("passes"), Answer("cannot be asked", "no INT8")
DEFECT = Defect("rnn", "", "", {"mxnet-mkl": ["1.5.0"]}, {})


def test_answers_are_added_one_by_one_and_replace_older_ones(tmp_path: Path) -> None:
    path = tmp_path / "answers.toml"
    assert read_answers(path) == {}
    add_answer(path, "one", "mxnet 1.5.0", FAILS)
    add_answer(path, "two", "mxnet 1.5.0", NOT_ASKED)
    add_answer(path, "one", "mxnet 1.5.0", PASSES)
    assert read_answers(path) == {"one": {"mxnet 1.5.0": PASSES}, "two": {"mxnet 1.5.0": NOT_ASKED}}


def test_a_damaged_file_is_named_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "answers.toml"
    path.write_text("[one]\n'mxnet 1.5.0' = { result = 'may")
    with pytest.raises(PerfError, match=r"answers\.toml"):
        add_answer(path, "one", "mxnet 1.5.0", FAILS)
    assert path.read_text().endswith("may")


def test_a_full_disk_is_an_error_and_keeps_the_old_file(small_disk: SmallDisk) -> None:
    folder, _ = small_disk
    path = folder / "answers.toml"
    add_answer(path, "one", "mxnet 1.5.0", PASSES)
    before = path.read_text()
    with suppress(OSError):
        (folder / "ballast").write_bytes(b"x" * 30_000_000)
    with pytest.raises(PerfError, match=r"answers\.toml: the answers cannot be written: No space left"):
        add_answer(path, "two", "mxnet 1.5.0", FAILS)
    assert path.read_text() == before


@given(st.text())
def test_any_detail_is_written_and_read_again(detail: str) -> None:
    answers = {"one": {"mxnet 1.5.0": Answer("fails", detail)}}
    assert msgspec.convert(tomllib.loads(to_toml(answers)), dict[str, dict[str, Answer]]) == answers


@pytest.mark.parametrize(
    ("wheel", "answer", "lines"),
    [
        ("mxnet-mkl 1.5.0", FAILS, []),
        ("mxnet-mkl 1.5.0", PASSES, ["one: declared for mxnet-mkl 1.5.0, which passes"]),
        ("mxnet-mkl 1.5.1", FAILS, ["one: not declared for mxnet-mkl 1.5.1, which fails"]),
        ("mxnet 1.5.0", PASSES, []),
        ("mxnet-mkl 1.5.0", NOT_ASKED, []),
    ],
)
def test_answers_that_contradict_a_declaration_are_listed(wheel: str, answer: Answer, lines: list[str]) -> None:
    assert contradictions({"one": DEFECT}, {"one": {wheel: answer}}) == lines


def test_every_release_was_asked_about_every_defect_and_agrees_with_its_declaration() -> None:
    answers = read_answers(ANSWERS)
    wheels = {
        f"{wheels[0].partition('==')[0]} {release.version}"
        for release in ladder()
        for wheels in (release.plain, release.mkldnn)
        if wheels
    }
    assert {name: set(answers[name]) for name in answers} == dict.fromkeys(all_defects(), wheels)
    assert contradictions(all_defects(), answers) == []
