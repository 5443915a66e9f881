"""What machine this is, and under which class its runs are comparable."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.errors import PerfError
from perf.machine import read_host_id
from perf.machine.identity import Machine, highest_isa, parse_cpuinfo, read_machine
from perf.machine.topology import read_topology
from tests.support.fake_sysfs import write_c5_metal, write_sysfs

CASCADE_LAKE = "sse4_1 sse4_2 avx fma avx2 avx512f avx512cd avx512bw avx512dq avx512vl avx512_vnni"
XEON = Machine("Intel(R) Xeon(R) Processor @ 2.50GHz", 2, 2, 1, "avx512_vnni", 2**30, "6.1")


def cpuinfo(name: str, flags: str, family: int, model: int, stepping: int) -> str:
    """One CPU in /proc/cpuinfo."""
    version = f"cpu family\t: {family}\nmodel\t\t: {model}\nmodel name\t: {name}\nstepping\t: {stepping}\n"
    return f"processor\t: 0\nvendor_id\t: GenuineIntel\n{version}flags\t\t: {flags}\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """The /proc of a machine with two CPUs, the second unlike the first to show which is read."""
    root = tmp_path / "proc"
    (root / "sys/kernel").mkdir(parents=True)
    first = cpuinfo("Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz", CASCADE_LAKE, 6, 85, 7)
    (root / "cpuinfo").write_text(f"{first}\n{cpuinfo('other', 'amx_tile', 6, 207, 2)}\n")
    (root / "meminfo").write_text("MemTotal:       24684084 kB\nMemFree:        1 kB\n")
    (root / "sys/kernel/osrelease").write_text("4.14.200\n")
    return root


def write_dmi(sys_root: Path, vendor: str, product: str) -> None:
    (sys_root / "class/dmi/id").mkdir(parents=True)
    (sys_root / "class/dmi/id/sys_vendor").write_text(vendor + "\n")
    (sys_root / "class/dmi/id/product_name").write_text(product + "\n")


def test_c5_metal_is_named_by_its_instance_type(tmp_path: Path, proc: Path) -> None:
    root = write_c5_metal(tmp_path)
    write_dmi(root, "Amazon EC2", "c5.metal")
    machine = read_machine(root, proc, read_topology(root, range(96)))
    assert machine == Machine(
        cpu_model="Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz",
        physical_cores=48,
        hardware_threads=96,
        nodes=2,
        isa="avx512_vnni",
        memory_bytes=24684084 * 1024,
        kernel="4.14.200",
        cpu_version="6.85.7",
        instance_type="c5.metal",
        masked=False,
    )
    assert machine.machine_class == "c5.metal"


def test_half_of_an_instance_has_a_class_of_its_own(tmp_path: Path, proc: Path) -> None:
    root = write_c5_metal(tmp_path)
    write_dmi(root, "Amazon EC2", "c5.metal")
    machine = read_machine(root, proc, read_topology(root, range(24)))
    assert machine.machine_class == "c5.metal-24c-1n"


@pytest.mark.parametrize(("vendor", "product"), [("Dell Inc.", "PowerEdge R740"), ("Amazon EC2", "")])
def test_other_machines_are_named_by_their_cpu(tmp_path: Path, proc: Path, vendor: str, product: str) -> None:
    root = write_sysfs(tmp_path, {0: "0-1"}, ["0", "1"])
    write_dmi(root, vendor, product)
    machine = read_machine(root, proc, read_topology(root, {0, 1}))
    assert machine.instance_type is None
    assert machine.machine_class == "intel-xeon-platinum-8275cl-2c-1n-avx512-vnni"


def test_a_machine_without_dmi_is_named_by_its_cpu(tmp_path: Path, proc: Path) -> None:
    root = write_sysfs(tmp_path, {0: "0"}, ["0"])
    assert read_machine(root, proc, read_topology(root, {0})).instance_type is None


def test_this_machine_is_read() -> None:
    machine = read_machine()
    assert machine.memory_bytes > 2**28
    assert machine.hardware_threads >= machine.physical_cores >= machine.nodes >= 1
    assert machine.machine_class


@pytest.mark.parametrize(
    ("model", "slug"),
    [
        ("Intel(R) Xeon(R) Processor @ 2.50GHz", "intel-xeon"),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", "intel-xeon"),
        ("Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz", "intel-core-i7-8700k"),
        ("AMD EPYC 7763 64-Core Processor", "amd-epyc-7763"),
        ("AMD Ryzen 7 4800H with Radeon Graphics", "amd-ryzen-7-4800h"),
        ("QEMU Virtual CPU version 2.5+", "qemu-virtual-version-2.5"),
        ("Processor", "unknown"),
        ("", "unknown"),
        ("../..", "unknown"),
    ],
)
def test_parts_of_model_names_without_information_are_dropped(model: str, slug: str) -> None:
    assert replace(XEON, cpu_model=model).machine_class == f"{slug}-2c-1n-avx512-vnni"


@pytest.mark.parametrize(
    ("model", "version", "name"),
    [
        ("Intel(R) Xeon(R) Processor @ 2.50GHz", "6.207.2", "intel-xeon-6.207"),
        ("Intel(R) Xeon(R) Processor", "6.143.8", "intel-xeon-6.143"),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", "6.85.7", "intel-xeon-6.85"),
        ("AMD EPYC Processor", "25.1.1", "amd-epyc-25.1"),
        ("AMD 64-Core Processor", "25.1.1", "amd-25.1"),
        ("", "6.85.7", "unknown-6.85"),
        ("Intel(R) Xeon(R) Processor", "unknown", "intel-xeon"),
        ("Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz", "6.85.7", "intel-xeon-platinum-8275cl"),
        ("AMD EPYC 7763 64-Core Processor", "25.1.1", "amd-epyc-7763"),
    ],
)
def test_model_names_without_digits_are_completed_by_family_and_model(model: str, version: str, name: str) -> None:
    machine = replace(XEON, cpu_model=model, cpu_version=version)
    assert machine.machine_class == f"{name}-2c-1n-avx512-vnni"


def test_the_stepping_does_not_change_the_class() -> None:
    machines = [replace(XEON, cpu_version=f"6.207.{stepping}") for stepping in (2, 3)]
    assert len({machine.machine_class for machine in machines}) == 1


def test_an_instance_type_needs_no_cpu_version() -> None:
    assert replace(XEON, cpu_version="6.207.2", instance_type="c7i.metal-24xl").machine_class == "c7i.metal-24xl"


VERSIONS = st.just("unknown") | st.tuples(*[st.integers(0, 300)] * 3).map(lambda parts: ".".join(map(str, parts)))


@settings(deadline=None)  # the cores are shared
@given(st.text(), VERSIONS, st.none() | st.text())
def test_a_class_is_always_a_safe_folder_name(model: str, version: str, instance_type: str | None) -> None:
    machine = replace(XEON, cpu_model=model, cpu_version=version, instance_type=instance_type)
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", machine.machine_class)


@given(st.text(st.characters(exclude_categories=["Nd"])), VERSIONS, VERSIONS)
def test_two_cpus_share_a_class_only_if_they_are_of_one_family_and_model(model: str, one: str, other: str) -> None:
    classes = {replace(XEON, cpu_model=model, cpu_version=version).machine_class for version in (one, other)}
    assert (len(classes) == 1) == (one.split(".")[:2] == other.split(".")[:2])


@pytest.mark.parametrize(
    ("flags", "isa"),
    [
        (CASCADE_LAKE + " amx_tile amx_int8 amx_bf16", "amx"),
        (CASCADE_LAKE, "avx512_vnni"),
        (CASCADE_LAKE.removesuffix(" avx512_vnni"), "avx512"),
        ("sse4_1 sse4_2 avx fma avx2 avx512f avx512cd", "avx2"),
        ("sse4_1 sse4_2 avx fma avx2 avx_vnni", "avx2"),
        ("sse4_1 sse4_2 avx", "avx"),
        ("sse4_1 sse4_2", "sse4"),
        ("", "generic"),
    ],
)
def test_the_highest_isa_needs_all_its_flags(flags: str, isa: str) -> None:
    assert highest_isa(frozenset(flags.split())) == isa


def test_a_better_instruction_set_includes_the_lesser_ones() -> None:
    machine = Machine("Xeon", 2, 2, 1, "avx512", 1, "6.1")
    assert [machine.has_isa(name) for name in ("amx", "avx512", "avx2", "generic")] == [False, True, True, True]
    with pytest.raises(ValueError, match="avx3"):
        machine.has_isa("avx3")


def test_a_cpu_of_another_kind_has_no_name_and_no_flags() -> None:
    assert parse_cpuinfo("processor\t: 0\nFeatures\t: fp asimd\n") == ("unknown", "unknown", frozenset())


def test_only_the_first_cpu_is_read() -> None:
    first = cpuinfo("Intel(R) Xeon(R) Processor", "avx avx2", 6, 207, 2)
    second = cpuinfo("other", "sse4_1", 6, 85, 7)
    expected = ("Intel(R) Xeon(R) Processor", "6.207.2", frozenset({"avx", "avx2"}))
    assert parse_cpuinfo(f"{first}\n{second}") == parse_cpuinfo(first) == expected


@pytest.mark.parametrize("line", ["cpu family", "model", "stepping"])
def test_an_incomplete_version_is_unknown(line: str) -> None:
    text = cpuinfo("Intel(R) Xeon(R) Processor", "avx", 6, 207, 2)
    without = "".join(kept for kept in text.splitlines(keepends=True) if not re.match(rf"{line}\t", kept))
    assert parse_cpuinfo(without) == ("Intel(R) Xeon(R) Processor", "unknown", frozenset({"avx"}))


@pytest.mark.parametrize("name", ["cpuinfo", "meminfo", "sys/kernel/osrelease"])
def test_an_unreadable_file_is_named(tmp_path: Path, proc: Path, name: str) -> None:
    root = write_sysfs(tmp_path, {0: "0"}, ["0"])
    (proc / name).unlink()
    with pytest.raises(PerfError, match="cannot be read") as caught:
        read_machine(root, proc, read_topology(root, {0}))
    assert caught.value.subject == str(proc / name)


def test_memory_of_unknown_size_is_an_error(tmp_path: Path, proc: Path) -> None:
    root = write_sysfs(tmp_path, {0: "0"}, ["0"])
    (proc / "meminfo").write_text("MemFree: 1 kB\n")
    with pytest.raises(PerfError, match="no MemTotal"):
        read_machine(root, proc, read_topology(root, {0}))


MACHINE_ID = "0123456789abcdef0123456789abcdef"


def test_a_host_is_identified_by_a_hash_of_its_machine_id(tmp_path: Path) -> None:
    path = tmp_path / "machine-id"
    path.write_text(f"{MACHINE_ID}\n")
    host = read_host_id(path)
    assert host is not None
    assert len(host) == 16
    assert int(host, 16) >= 0
    assert host not in MACHINE_ID
    assert host != hashlib.sha256(MACHINE_ID.encode()).hexdigest()[:16], "it is salted"
    path.write_text(MACHINE_ID)
    assert read_host_id(path) == host
    path.write_text(MACHINE_ID[::-1])
    assert read_host_id(path) != host


@pytest.mark.parametrize("text", ["", "\n", "uninitialized\n"])
def test_a_host_without_a_machine_id_has_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "machine-id"
    assert read_host_id(path) is None
    path.write_text(text)
    assert read_host_id(path) is None
