"""A machine whose files, swap areas and packages a test may change: its files are plain, its programs are scripts."""

from dataclasses import dataclass
from pathlib import Path

from tests.support.fake_state import CPU, Tree, write_quiet

SWAPS = "Filename Type Size Used Priority"
AREAS = ("/swap\\040file file 4096 1024 7", "/dev/zram0 partition 4096 0 -2", "/dev/zram1 partition 4096 0 -3")
GOVERNORS = [f"/{CPU}/cpu{n}/cpufreq/scaling_governor" for n in range(4)]
PAGES = "/sys/kernel/mm/transparent_hugepage"
SMT = f"/{CPU}/smt/control"
TURBO = f"/{CPU}/intel_pstate/no_turbo"
BALANCING = "/proc/sys/kernel/numa_balancing"

# swapoff forgets an area in the fake /proc/swaps, swapon adds it; the kernel escapes spaces there.
SWAPOFF = """#!/bin/sh
name=$(printf %s "$1" | sed 's/ /\\\\040/g')
grep -v -F "$name " {swaps} > {swaps}.new; mv {swaps}.new {swaps}
"""
SWAPON = """#!/bin/sh
priority=-2
case "$1" in --priority=*) priority="${{1#--priority=}}"; shift;; esac
name=$(printf %s "$1" | sed 's/ /\\\\040/g')
printf '%s file 4096 0 %s\\n' "$name" "$priority" >> {swaps}
"""
INSTALLER = """#!/bin/sh
case "$1" in
install) printf '#!/bin/sh\\n' > {bin}/numactl; chmod +x {bin}/numactl;;
remove) rm {bin}/numactl;;
esac
"""


@dataclass(frozen=True)
class FakeMachine:
    """tree: its /sys and /proc. programs: the folder of its programs, which is first on PATH."""

    tree: Tree
    programs: Path

    @property
    def root(self) -> Path:
        return self.tree.root

    def program(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(script.format(swaps=self.root / "proc/swaps", bin=self.programs))
        path.chmod(0o755)

    def read(self, name: str) -> str:
        return (self.root / name.lstrip("/")).read_text().strip()

    def everything(self) -> dict[str, str]:
        """The content of every file below /sys and /proc."""
        paths = [path for folder in ("sys", "proc") for path in (self.root / folder).rglob("*") if path.is_file()]
        return {str(path.relative_to(self.root)): path.read_text() for path in sorted(paths)}


def bare_machine(folder: Path) -> FakeMachine:
    """A machine on which no setting is as wanted, and numactl is not installed."""
    machine = FakeMachine(write_quiet(folder / "machine"), folder / "bin")
    machine.programs.mkdir()
    for name, script in (("swapoff", SWAPOFF), ("swapon", SWAPON), ("apt-get", INSTALLER)):
        machine.program(name, script)
    for number, path in enumerate(GOVERNORS):
        machine.tree.write(path[1:], "powersave" if number else "schedutil")
    machine.tree.write(TURBO[1:], "0")
    machine.tree.write(BALANCING[1:], "1")
    machine.tree.write(f"{PAGES[1:]}/enabled", "[always] madvise never")
    machine.tree.write(f"{PAGES[1:]}/defrag", "always [defer] madvise never")
    machine.tree.write("proc/swaps", "\n".join([SWAPS, *AREAS]))
    return machine
