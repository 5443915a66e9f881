"""Hosts files and rank counts."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.dist.launch.hosts import Host, rank_counts, read_hosts
from perf.errors import PerfError

NODES = (Host("node1", 3), Host("node2", 4), Host("node3", 2))


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "hosts"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        "# our cluster\nnode1\nnode2:4  # the large one\n\nnode3 slots=2\n",
        "node1\t\nnode2\tslots=4\r\nnode3  slots = 2",
        "\ufeffnode1\nnode2:4\nnode3:2\n",
        "node1 max_slots=3\nnode2 slots=4 max_slots=8\nnode3 max-slots=2\n",
        "node1 max_slots=9\nnode2 max_slots=4 slots=4\nnode3 : 2\n",
        "\r\nnode1 # :9\r\nnode2:4#slots=9\r\n \tnode3\tslots=2\t# [x]\r\n\r\n",
        "node1\rnode2:4\rnode3:2",
    ],
)
def test_every_spelling(tmp_path: Path, content: str) -> None:
    assert read_hosts(written(tmp_path, content), 3) == NODES


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("node[01-03,07]", ["node01", "node02", "node03", "node07"]),
        ("node1", ["node1"]),
        ("node[9-11]", ["node9", "node10", "node11"]),
        ("a1,b[2-3],c-[008-010]", ["a1", "b2", "b3", "c-008", "c-009", "c-010"]),
        ("[1-2]x[3],10.0.0.[8-10]", ["1x3", "2x3", "10.0.0.8", "10.0.0.9", "10.0.0.10"]),
        ("rack[1-2]n[0,5].site", ["rack1n0.site", "rack1n5.site", "rack2n0.site", "rack2n5.site"]),
    ],
)
def test_a_list_of_slurm(tmp_path: Path, names: str, expected: list[str]) -> None:
    """The value of SLURM_JOB_NODELIST. As `scontrol show hostnames` expands it."""
    assert read_hosts(written(tmp_path, f"{names}\n"), 2) == tuple(Host(name, 2) for name in expected)
    assert {host.ranks for host in read_hosts(written(tmp_path, f"{names}:4\n"), 2)} == {4}


@pytest.mark.parametrize("form", ["{} slots=2", "{}:2"])
def test_the_hostfile_of_the_kubernetes_mpi_operator(tmp_path: Path, form: str) -> None:
    """/etc/mpi/hostfile: the first form is for Open MPI, the second for Intel MPI and MPICH."""
    names = [f"training-worker-{number}.training.default.svc" for number in range(2)]
    content = "".join(f"{form.format(name)}\n" for name in names)
    assert read_hosts(written(tmp_path, content), 1) == tuple(Host(name, 2) for name in names)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "names no host"),
        ("# node1", "names no host"),
        ("\ufeff", "names no host"),
        ("node1\nnode2\nnode1:2", "names the host node1 twice, in lines 1 and 3"),
        ("node1\nNODE1", "names the host NODE1 twice, in lines 1 and 2"),
        ("node1.site\nNode1.site.", "names the host Node1.site. twice, in lines 1 and 2"),
        ("node[1-3,2]", "names the host node2 twice, in line 1"),
        ("fe80::1", "has a line that names no host: line 1: fe80::1"),
        ("[fe80::1]:2", "a line that names no host"),
        ("'node1'", "a line that names no host"),
        ('"node1:2"', "a line that names no host"),
        ("node1:", "a line that names no host"),
        ("node1:2:3", "a line that names no host"),
        ("node1;node2", "a line that names no host"),
        ("user@node1", "a line that names no host"),
        ("node[1-2][3", "a line that names no host"),
        ("node[[1-2]]", "a line that names no host"),
        ("node[1-2],", "a line that names no host"),
        ("\r\n\t\r\n", "names no host"),
        ("node2\nnode1:two", "has a line that names no host: line 2: node1:two"),
        ("node1:0", "a line that names no host"),
        ("node1 slots=0", "a line that names no host"),
        ("node1 max_slots=0", "a line that names no host"),
        (":2", "a line that names no host"),
        ("node 1", "a line that names no host"),
        ("node1 slots=2 slots=3", "a line that names no host"),
        ("node1:2 slots=3", "a line that names no host"),
        ("node1 cpus=2", "a line that names no host"),
        ("-x", "a line that names no host"),
        ("n\u00f6de", "a line that names no host"),
        ("node[]", "a line that names no host"),
        ("node[3-1]", "a line that names no host"),
        ("node[1-2", "a line that names no host"),
        ("node[a-b]", "a line that names no host"),
        ("node[1-999999999]", "a line that names no host"),
        (f"node[{'9' * 5000}]", "a line that names no host"),
        (f"node1:{'9' * 5000}", "a line that names no host"),
        ("n[1-9999]m[1-9999]", "a line that names no host"),
        ("node1,,node2", "a line that names no host"),
        ("node1 slots=4 max_slots=2", "has more slots than max_slots in line 1"),
        ("node1".encode("utf-16"), "is damaged"),
        (b"n\xf6de", "is damaged"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path: Path, content: str | bytes, problem: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(PerfError) as caught:
        read_hosts(path, 2)
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.next_step


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="cannot be read: No such file"):
        read_hosts(tmp_path / "hosts", 2)


@given(st.text(alphabet="n1:[]-, \t=#\nslotmax_\ufeff"))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = written(tmp_path_factory.getbasetemp(), text)
    try:
        hosts = read_hosts(path, 2)
    except PerfError:
        return
    assert len({host.name for host in hosts}) == len(hosts) >= 1
    assert all(host.ranks >= 1 and not set(host.name) & set("[]:,=# \t") for host in hosts)


@given(st.integers(1, 5000))
def test_rank_counts_double_up_to_the_most(most: int) -> None:
    counts = rank_counts(most)
    assert counts[0] == 1
    assert counts[-1] == most
    assert all(after == 2 * before for before, after in pairwise(counts[:-1]))
    assert most <= 2 * counts[-2] if counts[1:] else most == 1
    assert counts == sorted(set(counts))
