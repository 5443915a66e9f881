"""Whether numactl can bind CPUs and memory here, determined by trial, and the command prefix that does it."""

import shutil
import subprocess
from dataclasses import dataclass

from perf.machine.state.model import Finding, explanation_of
from perf.machine.topology import Topology, format_cpulist

_INSTALL = "apt-get install numactl (Debian, Ubuntu) or yum install numactl (Amazon Linux, Red Hat)"
_REPLACE = "put the numactl of your distribution first on PATH: this one is a wrapper, or was changed"
_ALLOW = "allow set_mempolicy (docker run --cap-add SYS_NICE), or run outside the container"

# Characters of a line that is not the kernel's.
SHOWN = 60


@dataclass(frozen=True)
class Numactl:
    """The numactl to use, or why there is none.

    path: the program; None when it cannot be used.
    problem: why it cannot be used, as a clause for a sentence.
    remedy: what would fix that.
    """

    path: str | None
    problem: str = ""
    remedy: str = ""

    def prefix(self, node: int, cpus: tuple[int, ...]) -> tuple[str, ...]:
        """Return the arguments that, before a command, bind it to `cpus` and its memory to `node`; () without numactl.

        The CPUs come last of the two: numactl applies its options in order, and --cpunodebind alone means every CPU.
        """
        if self.path is None:
            return ()
        return (self.path, f"--cpunodebind={node}", f"--physcpubind={format_cpulist(cpus)}", f"--membind={node}")


def find_numactl(topology: Topology, *, timeout_s: float = 10.0) -> Numactl:
    """Find numactl on PATH and try it on the first node, for at most `timeout_s`. Never raises for a numactl that
    fails.

    Its effect is read back, because containers commonly forbid set_mempolicy and neither numactl's presence nor its
    exit code proves that memory was bound.
    """
    path = shutil.which("numactl")
    if path is None:
        return Numactl(None, "numactl is not installed", _INSTALL)
    node = topology.nodes[0]
    command = [*Numactl(path).prefix(node.id, node.cpus), "cat", "/proc/self/numa_maps"]
    try:
        trial = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=timeout_s
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Numactl(None, f"{path} does not run ({error})", _INSTALL)
    if trial.returncode != 0:
        reason = trial.stderr.strip().partition("\n")[0] or f"exit code {trial.returncode}"
        return Numactl(None, f"numactl cannot bind here ({reason})", _ALLOW)
    # A line of one word is not from the kernel: a wrapper printed it.
    policies = {(*line.split(), "", "")[1] or line.strip()[:SHOWN] for line in trial.stdout.splitlines()}
    wanted = f"bind:{node.id}"
    listed = ", ".join(sorted(policies)) or "nothing"
    # Unbound mappings alone mean that the kernel refused. Any other policy was set by the program.
    if policies and policies <= {wanted, "default"} and policies != {wanted}:
        return Numactl(None, f"numactl had no effect (memory policy: {listed})", _ALLOW)
    if policies != {wanted}:
        return Numactl(
            None, f"{path} does not do what it was asked (memory policy: {listed} instead of {wanted})", _REPLACE
        )
    return Numactl(path)


def numactl_finding(topology: Topology) -> Finding:
    """Try numactl, and return the result as one of the findings of `mxperf doctor`. Without it, a machine with several
    nodes is doubtful.
    """
    numactl = find_numactl(topology)
    one_node = len(topology.nodes) == 1
    reading = "binds CPUs and memory" if numactl.path else f"{numactl.problem}{', one node' if one_node else ''}"
    doubtful = numactl.path is None and not one_node
    return Finding(
        check="numactl",
        reading=reading,
        verdict="doubtful" if doubtful else "fine",
        explanation=explanation_of("numactl"),
        advice=numactl.remedy if doubtful else None,
    )
