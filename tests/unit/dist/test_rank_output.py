"""Messages and last lines of ranks, whatever the pieces in which they arrive."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.builds import Mpi
from perf.dist.launch.rank_output import MAX_LAST_LINES, RankOutput

INTEL = Mpi("intel", "2021.18.1", Path("/opt/mpi"), bundled=False)
OPEN = Mpi("open", "4.1.4", Path("/usr"), bundled=False)


@given(st.lists(st.integers(0, 10**6), max_size=30), st.integers(1, 40))
def test_messages_in_pieces(numbers: list[int], piece: int) -> None:
    text = "".join(f'{{"step": {number}}}\n' for number in numbers)
    with tempfile.TemporaryDirectory() as name:
        folder, messages = Path(name), []
        output = RankOutput(folder, INTEL, 2)
        for start in range(0, len(text), piece):
            with (folder / "out.1").open("a") as stream:
                stream.write(text[start : start + piece])
            messages += list(output.new_messages())
    assert messages == [(1, {"step": number}) for number in numbers]


def test_tagged_output(tmp_path: Path) -> None:
    (tmp_path / "launcher.out").write_text('[1,0]<stdout>:{"alive": 0}\n[1,1]<stdout>:hello\n')
    (tmp_path / "launcher.err").write_text("[1,1]<stderr>:a word\nmpirun has something to say\n")
    output = RankOutput(tmp_path, OPEN, 2)
    assert list(output.new_messages()) == [(0, {"alive": 0})]
    assert output.last_lines(1) == "hello\na word"
    assert output.last_lines(0) == "mpirun has something to say"


def test_a_line_that_is_nested_too_deeply_is_no_message(tmp_path: Path) -> None:
    deep = '{"step": ' + "[" * 100_000
    (tmp_path / "out.0").write_text(f'{deep}\n{{"step": 1}}\n')
    output = RankOutput(tmp_path, INTEL, 1)
    assert list(output.new_messages()) == [(0, {"step": 1})]
    assert output.errors[0] == [deep]


def tagged(rank: int, piece: str) -> str:
    """A piece of a rank's standard output as Open MPI passes it on."""
    tag = f"[1,{rank}]<stdout>:"
    return tag + piece[:-1].replace("\n", f"\n{tag}") + piece[-1:]


@given(st.lists(st.tuples(st.integers(0, 1), st.text("abc", max_size=30)), max_size=20), st.data())
def test_long_messages_of_several_ranks_are_put_together(sent: list[tuple[int, str]], data: st.DataObject) -> None:
    left = {rank: "".join(f'{{"say": "{text}"}}\n' for sender, text in sent if sender == rank) for rank in (0, 1)}
    output = ""
    while any(left.values()):
        rank = data.draw(st.sampled_from([rank for rank in left if left[rank]]))
        cut = data.draw(st.integers(1, len(left[rank])))
        output, left[rank] = output + tagged(rank, left[rank][:cut]), left[rank][cut:]
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "launcher.out").write_text(output)
        messages = list(RankOutput(Path(name), OPEN, 2).new_messages())
    for rank in (0, 1):
        assert [message["say"] for sender, message in messages if sender == rank] == [
            text for sender, text in sent if sender == rank
        ]


def test_a_line_that_is_not_a_message_counts_as_an_error(tmp_path: Path) -> None:
    (tmp_path / "out.0").write_text('[1]\nOMP: Info\n{"alive": 1}\n{"half": ')
    output = RankOutput(tmp_path, INTEL, 1)
    assert list(output.new_messages()) == [(0, {"alive": 1})]
    assert output.last_lines(0) == "[1]\nOMP: Info"


@pytest.mark.parametrize("count", [1, 100])
def test_only_the_last_lines(tmp_path: Path, count: int) -> None:
    (tmp_path / "err.0").write_text("".join(f"line {number}\n\n" for number in range(count)))
    output = RankOutput(tmp_path, INTEL, 1)
    assert not list(output.new_messages())
    lines = output.last_lines(0).splitlines()
    assert lines[-1] == f"line {count - 1}"
    assert len(lines) <= MAX_LAST_LINES
