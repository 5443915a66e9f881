"""The kernel's files of a machine, below /sys and /proc: all checks of its state, its topology and its class."""

from pathlib import Path

from benchmarks.fuzz.reader import CorruptedError, Reader, Seed
from perf.limits.cpu import cache_bytes, read_cpu
from perf.machine.identity import read_host_id, read_machine
from perf.machine.memory import free_bytes, oom_kills
from perf.machine.runner.settings import settings
from perf.machine.state import findings, read_state
from perf.machine.topology import read_topology
from perf.worker.disturbance import stolen_in
from perf.worker.proof import summarise_numa_maps
from tests.support.fake_state import CPUS, FILES

CPU = "sys/devices/system/cpu"
# What the state of a machine does not need.
MORE = {
    f"{CPU}/online": "0-3",
    "sys/devices/system/node/node0/cpulist": "0-1",
    "sys/devices/system/node/node1/cpulist": "2-3",
    **{f"{CPU}/cpu{n}/topology/thread_siblings_list": f"{n}" for n in CPUS},
    **{f"{CPU}/cpu{n}/cache/index3/level": "3" for n in CPUS},
    **{f"{CPU}/cpu{n}/cache/index3/type": "Unified" for n in CPUS},
    **{f"{CPU}/cpu{n}/cache/index3/size": "32768K" for n in CPUS},
    **{f"{CPU}/cpu{n}/cache/index3/shared_cpu_list": "0-3" for n in CPUS},
    "proc/cpuinfo": "".join(
        f"processor\t: {n}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Xeon\n"
        f"stepping\t: 7\nmicrocode\t: 0x5003604\ncpu MHz\t\t: 3000.000\nflags\t\t: fpu avx2 fma avx512f\n\n"
        for n in CPUS
    ),
    "proc/meminfo": "MemTotal:       65843120 kB\nMemAvailable:   60000000 kB",
    "proc/self/cgroup": "0::/system.slice/runner.service",
    "sys/fs/cgroup/system.slice/memory.max": "8589934592",
    "sys/fs/cgroup/system.slice/memory.current": "1073741824",
    "sys/fs/cgroup/system.slice/memory.stat": "inactive_file 4096\nactive_file 8192",
    "sys/class/dmi/id/sys_vendor": "Amazon EC2",
    "sys/class/dmi/id/product_name": "c5.metal",
    "proc/vmstat": "nr_free_pages 9\npswpin 3\npswpout 4\noom_kill 0",
}
NUMA_MAPS = (
    b"7f00 bind:0 anon=40 dirty=40 N0=40 kernelpagesize_kB=4\n7f01 default file=/lib/x.so mapped=3 N1=3\n"
    b"7f02 bind:0 heap anon=8 N0=7 N1=1 kernelpagesize_kB=2048\n"
)
STAT = b"cpu  8 0 0 0 0 0 0 8 0 0\ncpu0 2 0 0 0 0 0 0 2 0 0\ncpu1 2 0 0 0 0 0 0 2 0 0\nintr 1\n"


def _machine(folder: Path, _: Path) -> None:
    sys_root, proc_root = folder / "sys", folder / "proc"
    state = read_state(sys_root, proc_root, CPUS)
    findings(state, state)
    for number in (free_bytes(sys_root, proc_root), oom_kills(proc_root), cache_bytes(CPUS, sys_root)):
        if number is not None and not 0 <= number < 10**30:
            raise CorruptedError(f"accepted {number}")
    for setting in settings().values():
        setting.means.read(folder)
    read_cpu(proc_root)
    topology = read_topology(sys_root, CPUS)
    machine = read_machine(sys_root, proc_root, topology)
    if not set(machine.machine_class) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-"):
        raise CorruptedError(f"accepted {machine}")


def readers() -> list[Reader]:
    """Return the readers of the kernel's files."""
    files = {**FILES, **MORE}
    return [
        Reader(
            name="sysfs and procfs",
            modules=(
                "perf.machine.topology", "perf.machine.identity", "perf.machine.memory", "perf.machine.state.source",
                "perf.machine.state.cgroups",
                "perf.machine.runner.means", "perf.limits.cpu",
            ),
            seeds=tuple(Seed(path, f"{text}\n".encode(), "text") for path, text in files.items()),
            read=_machine,
            weight=0.7,
        ),
        Reader(
            name="machine ID",
            modules=("perf.machine.identity",),
            seeds=(Seed("machine-id", b"0123456789abcdef0123456789abcdef\n", "text"),),
            read=lambda _, path: read_host_id(path),
            weight=0.2,
        ),
        Reader(
            name="numa_maps",
            modules=("perf.worker.proof",),
            seeds=(Seed("numa_maps", NUMA_MAPS, "text"),),
            read=lambda _, path: summarise_numa_maps(path.read_text(errors="replace")),
            refusals=(ValueError,),
        ),
        Reader(
            name="stolen time",
            modules=("perf.worker.disturbance",),
            seeds=(Seed("stat", STAT, "text"),),
            read=lambda _, path: stolen_in(path.read_text(errors="replace"), {"cpu0", "cpu1"}),
        ),
    ]  # fmt: skip
