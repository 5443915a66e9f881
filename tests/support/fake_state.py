"""Writes the /sys and /proc of a machine on which nothing is doubtful: two nodes, four CPUs, all checks readable."""

from dataclasses import dataclass
from pathlib import Path

from perf.machine.state import Finding, State, findings, read_state
from tests.support.fake_sysfs import write_sysfs

CPUS = range(4)
CPU = "sys/devices/system/cpu"
PER_CPU = {
    "cpufreq/scaling_governor": "performance",
    "cpufreq/scaling_cur_freq": "3000000",
    "cpufreq/scaling_max_freq": "3000000",
    "cpufreq/cpuinfo_max_freq": "3000000",
    "thermal_throttle/core_throttle_count": "1",
    "thermal_throttle/package_throttle_count": "2",
}
FILES = {
    "proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\nfull avg10=0.00 total=0",
    "proc/loadavg": "0.20 0.10 0.05 1/81 17340",
    "proc/stat": "cpu  8 0 0 0 0 0 0 8 0 0\n" + "".join(f"cpu{n} 2 0 0 0 0 0 0 2 0 0\n" for n in CPUS) + "intr 1",
    "proc/self/cgroup": "0::/system.slice/runner.service",
    "proc/self/mountinfo": "23 30 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate",
    "sys/fs/cgroup/system.slice/cpu.max": "max 100000",
    "sys/fs/cgroup/system.slice/cpu.stat": "usage_usec 5\nnr_throttled 0\nthrottled_usec 0",
    f"{CPU}/intel_pstate/no_turbo": "1",
    f"{CPU}/smt/control": "on",
    "sys/devices/system/node/online": "0-1",
    "proc/sys/kernel/numa_balancing": "0",
    "proc/swaps": "Filename Type Size Used Priority\n/swap\\040file file 4096 1024 -2",
    "proc/vmstat": "nr_free_pages 9\npswpin 3\npswpout 4",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    "sys/kernel/mm/transparent_hugepage/defrag": "always defer defer+madvise [madvise] never",
    "proc/cpuinfo": "".join(f"processor\t: {n}\nmicrocode\t: 0x5003604\ncpu MHz\t\t: 3000.000\n\n" for n in CPUS),
    "proc/sys/kernel/osrelease": "6.1.0-18-amd64",
    **{f"{CPU}/cpu{n}/{name}": text for n in CPUS for name, text in PER_CPU.items()},
}


@dataclass(frozen=True)
class Tree:
    root: Path

    def write(self, name: str, text: str | bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else f"{text}\n".encode())

    def remove(self, name: str) -> None:
        (self.root / name).unlink()

    def read(self) -> State:
        return read_state(self.root / "sys", self.root / "proc", CPUS)

    def find(self, check: str, before: State | None = None) -> Finding:
        """The check's finding; with `before`, of the time from then to one second later."""
        if before is None:
            return only(findings(self.read()), check)
        return only(findings(before, State(self.read().values, before.time_ns + 10**9)), check)


def only(all_findings: list[Finding], check: str) -> Finding:
    (finding,) = (finding for finding in all_findings if finding.check == check)
    return finding


def write_quiet(folder: Path) -> Tree:
    write_sysfs(folder, {0: "0-1", 1: "2-3"}, ["0", "1", "2", "3"])
    tree = Tree(folder)
    for name, text in FILES.items():
        tree.write(name, text)
    return tree
