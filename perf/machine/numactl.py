"""Whether numactl can bind CPUs and memory here, found by trying; and the command prefix that does it."""

import shutil
import subprocess
from dataclasses import dataclass

from perf.machine.topology import Topology, format_cpulist

_INSTALL = "apt-get install numactl (Debian, Ubuntu) or yum install numactl (Amazon Linux, Red Hat)"
_ALLOW = "allow set_mempolicy (docker run --cap-add SYS_NICE), or run outside the container"


@dataclass(frozen=True)
class Numactl:
    """The numactl to use, or, with path None, why there is none (a clause for a sentence) and what would mend it."""

    path: str | None
    problem: str = ""
    remedy: str = ""

    def prefix(self, node: int, cpus: tuple[int, ...]) -> tuple[str, ...]:
        """The words to put before a command to bind it to `cpus` and its memory to `node`; () without numactl.

        The CPUs come last of the two: numactl applies its options in order, and --cpunodebind alone means every CPU.
        """
        if self.path is None:
            return ()
        return (self.path, f"--cpunodebind={node}", f"--physcpubind={format_cpulist(cpus)}", f"--membind={node}")


def find_numactl(topology: Topology, *, timeout_s: float = 10.0) -> Numactl:
    """Look for numactl on PATH and try it on the first node; never raises for a numactl that fails.

    It is tried and its effect read back because containers commonly forbid set_mempolicy, and neither numactl's
    presence nor its exit code proves that memory was bound. `timeout_s` (seconds) bounds the trial.
    """
    path = shutil.which("numactl")
    if path is None:
        return Numactl(None, "numactl is not installed", _INSTALL)
    node = topology.nodes[0]
    command = [*Numactl(path).prefix(node.id, node.cpus), "cat", "/proc/self/numa_maps"]
    try:
        trial = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Numactl(None, f"{path} does not run ({error})", _INSTALL)
    if trial.returncode != 0:
        said = trial.stderr.strip().partition("\n")[0] or f"exit code {trial.returncode}"
        return Numactl(None, f"numactl cannot bind here ({said})", _ALLOW)
    policies = {line.split()[1] for line in trial.stdout.splitlines()}
    if policies != {f"bind:{node.id}"}:
        found = ", ".join(sorted(policies)) or "nothing"
        return Numactl(None, f"numactl had no effect (memory policy: {found})", _ALLOW)
    return Numactl(path)
