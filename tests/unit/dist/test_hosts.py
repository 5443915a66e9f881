"""Hosts files and rank counts."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.dist.launch.hosts import Host, rank_counts, read_hosts
from perf.errors import PerfError


def test_every_spelling(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("# our cluster\nnode1\nnode2:4  # the large one\n\nnode3 slots=2\n")
    assert read_hosts(path, 3) == (Host("node1", 3), Host("node2", 4), Host("node3", 2))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names no host"),
        ("# node1", "names no host"),
        ("node1\nnode1:2", "names a host twice"),
        ("node1:two", "has a line that names no host: node1:two"),
        ("node1:0", "a line that names no host"),
        (":2", "a line that names no host"),
        ("node 1", "a line that names no host"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "hosts"
    path.write_text(text)
    with pytest.raises(PerfError, match=problem) as caught:
        read_hosts(path, 2)
    assert str(path) in str(caught.value)
    assert "node1:2" in str(caught.value.next_step)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="cannot be read: No such file"):
        read_hosts(tmp_path / "hosts", 2)


@given(st.integers(1, 5000))
def test_rank_counts_double_up_to_the_most(most: int) -> None:
    counts = rank_counts(most)
    assert counts[0] == 1
    assert counts[-1] == most
    assert all(after == 2 * before for before, after in pairwise(counts[:-1]))
    assert most <= 2 * counts[-2] if counts[1:] else most == 1
    assert counts == sorted(set(counts))
