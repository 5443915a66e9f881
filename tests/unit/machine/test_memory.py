"""How much memory is free, in made-up files of the kernel and on this machine."""

from pathlib import Path

import psutil
import pytest

from perf.machine.memory import free_bytes, shortage

KIB, GIB = 1 << 10, 1 << 30
VERSION_2 = {
    "proc/meminfo": "MemTotal: 99 kB\nMemFree: 1 kB\nMemAvailable:   8388608 kB",
    "proc/self/cgroup": "0::/user.slice/shell.scope",
    "proc/self/mountinfo": "31 23 0:28 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw",
}
VERSION_1 = {
    **VERSION_2,
    "proc/self/cgroup": "4:memory:/docker/1\n1:cpu,cpuacct:/docker/1",
    "proc/self/mountinfo": "35 31 0:32 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu",
}
GROUP = "sys/fs/cgroup/user.slice/shell.scope"
MEMORY = "sys/fs/cgroup/memory/memory"


def limited(limit: str, usage: int, stat: str = "", group: str = GROUP) -> dict[str, str]:
    return {f"{group}/memory.max": limit, f"{group}/memory.current": str(usage), f"{group}/memory.stat": stat}


def limited_in_version_1(limit: int, usage: int, stat: str = "") -> dict[str, str]:
    return {f"{MEMORY}.limit_in_bytes": str(limit), f"{MEMORY}.usage_in_bytes": str(usage), f"{MEMORY}.stat": stat}


def free(root: Path, files: dict[str, str]) -> int | None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return free_bytes(root / "sys", root / "proc")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(VERSION_2, 8 * GIB, id="no group"),
        pytest.param({**VERSION_2, **limited("max", 5)}, 8 * GIB, id="no limit"),
        pytest.param({**VERSION_2, **limited(str(3 * GIB), GIB)}, 2 * GIB, id="limit"),
        pytest.param(
            {
                **VERSION_2,
                **limited(str(3 * GIB), 3 * GIB, f"anon {GIB}\ninactive_file {GIB}\nactive_file {KIB}\nslab 7"),
            },
            GIB + KIB,
            id="pages of files",
        ),
        pytest.param(
            {**VERSION_2, **limited("max", 1), **limited(str(GIB), 2 * GIB, group="sys/fs/cgroup/user.slice")},
            0,
            id="an ancestor",
        ),
        pytest.param(
            {
                **VERSION_1,
                **limited_in_version_1(
                    4 * GIB, 3 * GIB, f"inactive_file 5\ntotal_inactive_file {GIB}\ntotal_active_file 0"
                ),
            },
            2 * GIB,
            id="version 1",
        ),
        pytest.param(
            {**VERSION_1, **limited_in_version_1(9223372036854771712, GIB)}, 8 * GIB, id="version 1, no limit"
        ),
        pytest.param({}, None, id="nothing"),
        pytest.param({"proc/meminfo": "MemAvailable: lots"}, None, id="garbled"),
    ],
)
def test_the_least_of_what_the_machine_and_its_groups_leave(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    assert free(tmp_path, files) == expected


def test_free_memory_of_this_machine_is_at_most_what_is_available() -> None:
    free_now = free_bytes()
    assert free_now is not None
    assert 0 < free_now <= 1.1 * psutil.virtual_memory().available


@pytest.mark.parametrize(
    ("need", "available", "description"),
    [
        (96 * GIB, 21 * GIB, "needs about 96 GiB of memory, but only 21 GiB are free"),
        (5 * GIB, GIB // 2, "needs about 5.0 GiB of memory, but only 0.5 GiB are free"),
        (GIB, GIB, None),
        (96 * GIB, None, None),
    ],
)
def test_a_shortage_is_described(need: int, available: int | None, description: str | None) -> None:
    assert shortage(need, available) == description
