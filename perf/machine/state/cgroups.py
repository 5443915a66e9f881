"""The control groups of this process and their ancestors, of either version, and how they limit its CPU time."""

import re
from pathlib import Path, PurePosixPath

from perf.machine.state.model import Assessment, Check, StateChange
from perf.machine.state.source import Source, number, read_text

_MOUNT = re.compile(
    r"\S+ \S+ \S+ (?P<root>\S+) (?P<point>\S+) .*- (?P<kind>cgroup2?) \S+ (?P<options>\S+)"  # proc(5), mountinfo
)
_QUOTA = re.compile("(max|-1|[1-9][0-9]{0,18}) ([1-9][0-9]{0,18})")
_LIFT = (
    "lift the quota: start the container without --cpus and CPU limits; "
    "for a systemd unit `sudo systemctl set-property UNIT CPUQuota=`"
)


def own_cgroups(source: Source, controller: str = "cpu") -> list[Path]:
    """Return the folders of this process's control group and its visible ancestors, in each hierarchy that may have the
    controller.
    """
    paths = _own_paths(source.proc("self/cgroup") or "", controller)
    chains: dict[str, list[Path]] = {}
    for line in (source.proc("self/mountinfo") or "").splitlines():
        mount = _MOUNT.fullmatch(line)
        if mount is None or mount["kind"] not in paths:
            continue
        if mount["kind"] == "cgroup" and controller not in mount["options"].split(","):
            continue
        path, root = PurePosixPath(paths[mount["kind"]]), PurePosixPath(_unescape(mount["root"]))
        # A path with ".." lies outside this namespace: its limits cannot be seen from here.
        if path.is_relative_to(root) and ".." not in path.parts:
            below = path.relative_to(root)
            top = _locate(source, _unescape(mount["point"]))
            chains.setdefault(mount["kind"], [top / below, *(top / parent for parent in below.parents)])
    return [folder for chain in chains.values() for folder in chain]


def _own_paths(text: str, controller: str) -> dict[str, str]:
    """Return the process's path by kind of hierarchy: "cgroup2", and "cgroup" for version 1 with the controller."""
    paths = {}
    for line in text.splitlines():
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if (hierarchy, controllers) == ("0", ""):
            paths["cgroup2"] = path
        elif controller in controllers.split(","):
            paths["cgroup"] = path
    return paths


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-3][0-7]{2})", lambda match: chr(int(match[1], 8)), text)


def _locate(source: Source, point: str) -> Path:
    path = PurePosixPath(point)
    return source.sys_root / path.relative_to("/sys") if path.is_relative_to("/sys") else Path(point)


def _read_quota(source: Source) -> str | None:
    quotas = []
    for folder in own_cgroups(source):
        text = read_text(folder / "cpu.max")
        if text is None:
            parts = [read_text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
            # A group without the cpu controller has none of the files, and limits nothing.
            if parts == [None, None]:
                continue
            text = f"{parts[0]} {parts[1]}"
        match = _QUOTA.fullmatch(text)
        if match is None:
            return None
        quotas.append(None if match[1] in {"max", "-1"} else int(match[1]) / int(match[2]))
    if not quotas:
        return None
    tightest = min((quota for quota in quotas if quota is not None), default=None)
    return "none" if tightest is None else f"{tightest:.4g} CPUs"


def _assess_quota(value: str) -> Assessment:
    return Assessment(value, None if value == "none" else _LIFT)


def _read_throttled(source: Source) -> int | None:
    total = None
    for folder in own_cgroups(source):
        text = read_text(folder / "cpu.stat") or ""
        match = re.search(r"^throttled_(usec|time) (.*)$", text, re.MULTILINE)
        if match is None:  # the controller is off here
            continue
        count = number(match[2])
        if count is None:
            return None
        total = (total or 0) + (count * 1000 if match[1] == "usec" else count)
    return total


def _assess_throttled(change: StateChange) -> Assessment:
    return Assessment(f"{change.amount / 1e6:.1f} ms", _LIFT if change.amount else None)


CPU_QUOTA = Check("cpu_quota", _read_quota, _assess_quota)
THROTTLING = Check("throttling", _read_throttled, _assess_throttled)
