"""The CPU: its microarchitecture from /proc/cpuinfo, and its caches from sysfs."""

from pathlib import Path

import pytest

from perf.errors import PerfError
from perf.files import read_toml
from perf.limits.cpu import DATA, _CoreFile, cache_bytes, core_of, read_cpu
from perf.limits.kernels import kernels


@pytest.mark.parametrize(
    ("vendor", "version", "name"),
    [
        ("AuthenticAMD", "25.1.1", "Zen 3"),
        ("AuthenticAMD", "25.17.1", "Zen 4"),
        ("GenuineIntel", "6.85.7", "Skylake-SP, Cascade Lake or Cooper Lake"),
        ("GenuineIntel", "6.207.2", "Sapphire, Emerald or Granite Rapids"),
    ],
)
def test_a_known_core_has_its_name(vendor: str, version: str, name: str) -> None:
    core = core_of(vendor, version)
    assert core is not None
    assert core.name == name


@pytest.mark.parametrize(
    ("vendor", "version"), [("GenuineIntel", "25.1.1"), ("AuthenticAMD", "99.1.1"), ("", "unknown")]
)
def test_an_unknown_core_has_none(vendor: str, version: str) -> None:
    assert core_of(vendor, version) is None


def test_cores_name_kernels_that_exist_and_models_of_one_core_each() -> None:
    seen: dict[tuple[str, int, int], str] = {}
    for core in read_toml(DATA, _CoreFile).core:
        assert core.operations.keys() <= kernels().keys()
        for first, last in core.models:
            for model in range(first, last + 1):
                assert seen.setdefault((core.vendor, core.family, model), core.name) == core.name


def test_a_cpu_is_read_from_cpuinfo(tmp_path: Path) -> None:
    text = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nstepping\t: 1\nflags\t\t: fma avx2\n"
    (tmp_path / "cpuinfo").write_text(text)
    cpu = read_cpu(tmp_path)
    assert (cpu.vendor, cpu.flags) == ("AuthenticAMD", frozenset({"fma", "avx2"}))
    assert cpu.core == core_of("AuthenticAMD", "25.1.1")


def test_without_cpuinfo_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="cpuinfo"):
        read_cpu(tmp_path)


def cache(root: Path, cpu: int, index: int, **values: str) -> None:
    folder = root / f"devices/system/cpu/cpu{cpu}/cache/index{index}"
    folder.mkdir(parents=True)
    for name, value in values.items():
        (folder / name).write_text(value + "\n")


def test_each_cache_counts_once_and_instructions_do_not(tmp_path: Path) -> None:
    for cpu, of in ((0, "0-1"), (1, "0-1"), (2, "2-3")):
        cache(tmp_path, cpu, 1, level="1", type="Instruction", size="32K", shared_cpu_list=str(cpu))
        cache(tmp_path, cpu, 3, level="3", type="Unified", size="32M", shared_cpu_list=of)
    assert cache_bytes([0, 1], tmp_path) == 32 << 20
    assert cache_bytes([0, 1, 2], tmp_path) == 64 << 20
    assert cache_bytes([7], tmp_path) is None


def test_caches_of_all_levels_add_up_since_a_victim_cache_holds_what_the_one_above_does_not(tmp_path: Path) -> None:
    for cpu in (0, 1):
        cache(tmp_path, cpu, 2, level="2", type="Unified", size="1M", shared_cpu_list=str(cpu))
        cache(tmp_path, cpu, 3, level="3", type="Unified", size="35M", shared_cpu_list="0-1")
    assert cache_bytes([0], tmp_path) == 36 << 20
    assert cache_bytes([0, 1], tmp_path) == 37 << 20


def test_two_levels_shared_by_the_same_cpus_are_two_caches(tmp_path: Path) -> None:
    cache(tmp_path, 0, 2, level="2", type="Unified", size="1M", shared_cpu_list="0-1")
    cache(tmp_path, 0, 3, level="3", type="Unified", size="8M", shared_cpu_list="0-1")
    assert cache_bytes([0], tmp_path) == 9 << 20
