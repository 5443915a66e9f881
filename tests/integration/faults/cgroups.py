"""Control groups with real limits, of version 1 or 2, for processes that a test starts."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from secrets import token_hex

import pytest

# Where the hierarchies of version 1 and the only one of version 2 are mounted.
ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 100_000


@contextmanager
def control_group(controller: str, settings: dict[str, str], settings_2: dict[str, str]) -> Iterator[Path]:
    """A new group with these settings, by file: of version 1, or of version 2 where that has the controller. Skips if
    none can be made. All of its processes must have ended at the end.
    """
    version_1 = (ROOT / controller).is_dir()
    folder = (ROOT / controller if version_1 else ROOT) / f"mxnet-perf-{token_hex(4)}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("control groups cannot be made here")
    try:
        for name, value in (settings if version_1 else settings_2).items():
            try:
                (folder / name).write_text(value)
            except OSError:
                pytest.skip(f"there is no control group with {name} here")
        yield folder
    finally:
        folder.rmdir()


def cpu_quota(cpus: float) -> AbstractContextManager[Path]:
    """A group whose processes get this many CPUs together."""
    quota = str(int(cpus * PERIOD_US))
    return control_group(
        "cpu",
        {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": quota},
        {"cpu.max": f"{quota} {PERIOD_US}"},
    )


def memory_limit(size: int) -> AbstractContextManager[Path]:
    """A group whose processes may allocate this many bytes together."""
    return control_group(
        "memory", {"memory.limit_in_bytes": str(size)}, {"memory.max": str(size), "memory.swap.max": "0"}
    )


def move(pid: int, group: Path) -> None:
    """Move a process, with all its threads, into a group."""
    (group / "cgroup.procs").write_text(str(pid))


def inside(group: Path) -> tuple[str, ...]:
    """Words before a command: it and what it starts belong to the group."""
    return ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', os.fspath(group))
