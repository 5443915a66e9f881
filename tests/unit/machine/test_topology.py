import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.errors import PerfError
from perf.machine.topology import Node, Topology, format_cpulist, parse_cpulist, read_topology
from tests.support.fake_sysfs import write_c5_metal, write_sysfs

EVERY_CPU = range(4096)


@settings(deadline=None)  # the cores are shared
@given(st.frozensets(st.integers(0, 300)))
def test_a_cpu_list_reads_back_as_it_was_written(cpus: frozenset[int]) -> None:
    assert parse_cpulist(format_cpulist(cpus)) == tuple(sorted(cpus))


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0-3,8", (0, 1, 2, 3, 8)), ("8,0-1\n", (0, 1, 8)), ("0-2,1-3", (0, 1, 2, 3)), ("", ()), ("\n", ())],
)
def test_cpu_lists_of_the_kernel_are_parsed(text: str, cpus: tuple[int, ...]) -> None:
    assert parse_cpulist(text) == cpus


@pytest.mark.parametrize(("cpus", "text"), [([0, 1], "0-1"), ([8, 3, 1, 2, 0], "0-3,8"), ([5, 5, 7], "5,7"), ([], "")])
def test_cpu_lists_are_written_as_the_kernel_writes_them(cpus: list[int], text: str) -> None:
    assert format_cpulist(cpus) == text


@pytest.mark.parametrize("text", ["a", "1-", "-1", "3-1", "1,,2", "1;2", "0-3:1/2", "1_0", "٣", "+1", ","])
def test_text_that_is_not_a_cpu_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a CPU list"):
        parse_cpulist(text)


def test_c5_metal_has_two_nodes_of_24_cores(tmp_path: Path) -> None:
    topology = read_topology(write_c5_metal(tmp_path), EVERY_CPU)
    first, second = topology.nodes
    assert (first.id, first.cpus) == (0, (*range(24), *range(48, 72)))
    assert first.cores == tuple((cpu, cpu + 48) for cpu in range(24))
    assert (second.id, second.cores[0], second.cores[-1]) == (1, (24, 72), (47, 95))
    assert (topology.physical_cores, topology.hardware_threads) == (48, 96)


def test_c5_12xlarge_has_one_node_of_24_cores(tmp_path: Path) -> None:
    (node,) = read_topology(
        write_sysfs(tmp_path, {0: "0-47"}, [f"{cpu},{cpu + 24}" for cpu in range(24)]), EVERY_CPU
    ).nodes
    assert node.cores == tuple((cpu, cpu + 24) for cpu in range(24))


@pytest.mark.parametrize("siblings_file", ["thread_siblings_list", "core_cpus_list"])
def test_a_desktop_numbers_siblings_consecutively(tmp_path: Path, siblings_file: str) -> None:
    root = write_sysfs(tmp_path, {0: "0-3"}, ["0-1", "2-3"], siblings_file)
    assert read_topology(root, EVERY_CPU) == Topology((Node(0, (0, 1, 2, 3), ((0, 1), (2, 3))),))


def test_a_node_without_cpus_is_dropped(tmp_path: Path) -> None:
    nodes = read_topology(write_sysfs(tmp_path, {0: "0-1", 1: "", 2: "2-3"}, ["0", "1", "2", "3"]), EVERY_CPU).nodes
    assert [node.id for node in nodes] == [0, 2]


def test_nodes_are_ordered_by_number_not_by_name(tmp_path: Path) -> None:
    cpus = [str(cpu) for cpu in range(12)]
    nodes = read_topology(write_sysfs(tmp_path, dict(enumerate(cpus)), cpus), EVERY_CPU).nodes
    assert [node.id for node in nodes] == list(range(12))


def test_a_kernel_without_numa_is_one_node(tmp_path: Path) -> None:
    assert read_topology(write_sysfs(tmp_path, {}, ["0,2", "1,3"]), {0, 1, 2}).nodes == (
        Node(0, (0, 1, 2), ((0, 2), (1,))),
    )


def test_a_mask_hides_cpus_siblings_and_nodes(tmp_path: Path) -> None:
    assert read_topology(write_c5_metal(tmp_path), {24, 72, 25}).nodes == (Node(1, (24, 25, 72), ((24, 72), (25,))),)


def test_an_offline_cpu_is_not_used(tmp_path: Path) -> None:
    root = write_sysfs(tmp_path, {0: "0-2"}, ["0", "2"])  # CPU 1 has no topology folder either, as in the kernel
    assert read_topology(root, {0, 1, 2}).nodes == (Node(0, (0, 2), ((0,), (2,))),)


def test_this_machine_is_read_within_its_mask() -> None:
    mask = os.sched_getaffinity(0)
    topology = read_topology()
    assert sorted(cpu for node in topology.nodes for cpu in node.cpus) == sorted(mask)
    assert sorted(cpu for node in topology.nodes for core in node.cores for cpu in core) == sorted(mask)


def test_a_mask_without_any_cpu_of_the_machine_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="allowed CPUs \\(7-8\\)"):
        read_topology(write_sysfs(tmp_path, {0: "0"}, ["0"]), {7, 8})


FILES = ["cpu/online", "node/node0/cpulist", "cpu/cpu0/topology/thread_siblings_list"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"zero", b"\xff"])
def test_the_error_for_malformed_content_names_the_file(tmp_path: Path, name: str, content: bytes) -> None:
    root = write_sysfs(tmp_path, {0: "0"}, ["0"])
    file = root / "devices/system" / name
    file.write_bytes(content)
    with pytest.raises(PerfError, match="cannot be parsed") as caught:
        read_topology(root, {0})
    assert caught.value.subject == str(file)


@pytest.mark.parametrize("name", FILES)
def test_the_error_for_a_missing_file_names_it(tmp_path: Path, name: str) -> None:
    root = write_sysfs(tmp_path, {0: "0"}, ["0"])
    file = root / "devices/system" / name
    file.unlink()
    with pytest.raises(PerfError, match="No such file") as caught:
        read_topology(root, {0})
    assert caught.value.subject == str(file)


def test_siblings_without_the_cpu_itself_are_an_error(tmp_path: Path) -> None:
    root = write_sysfs(tmp_path, {0: "0-1"}, ["0", "1"])
    (root / "devices/system/cpu/cpu1/topology/thread_siblings_list").write_text("0\n")
    with pytest.raises(PerfError, match="its own CPU 1"):
        read_topology(root, {0, 1})
