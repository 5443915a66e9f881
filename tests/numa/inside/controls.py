"""Refusals, containers that take CPUs or memory away, a CPU that goes offline, and a capped frequency."""

import dataclasses
import os
from pathlib import Path

from perf.errors import PerfError
from perf.machine import find_numactl, findings, format_cpulist, place_instances, read_state, read_topology
from tests.numa.inside.bare import BareWorker
from tests.numa.inside.proofs import of_placements
from tests.numa.inside.wrappers import HONEST, enter_cpuset, folder_of, numactl, path_without_numactl

CPUS = Path("/sys/devices/system/cpu")


def refusal(kind: str) -> list[str]:
    """Put a numactl that lies in this way first on PATH, or none for "missing"; return the placements, or how the suite
    refuses: what happened, and the next step.
    """
    os.environ["PATH"] = path_without_numactl() if kind == "missing" else f"{folder_of(kind)}:{os.environ['PATH']}"
    topology = read_topology()
    try:
        placements = place_instances(topology, numactl=find_numactl(topology))
    except PerfError as error:
        return [error.what, error.next_step or ""]
    return [placement.describe() for placement in placements]


def container(cpus: str, memory: str) -> list[str]:
    """Enter a cpuset with these CPUs and memory nodes; return the placements and the problems of their proofs, or how
    the suite refuses.
    """
    enter_cpuset(f"container-{cpus}-{memory}", cpus, memory)
    topology = read_topology()
    try:
        return of_placements(BareWorker, place_instances(topology, numactl=find_numactl(topology)))
    except PerfError as error:
        return [error.what, error.next_step or ""]


def narrowed() -> list[str]:
    """Plan for both nodes, lose CPU 1, and start: the kernel cuts the mask down and reports success. Return what is
    found, with the placements first.
    """
    placements = place_instances(read_topology(), numactl=numactl(HONEST))
    enter_cpuset("narrowed", "0,2-3", "0-1")
    # numactl itself notices a CPU that is gone, the kernel's own call does not.
    masked = [
        dataclasses.replace(
            placement,
            prefix=(
                "taskset",
                "--cpu-list",
                format_cpulist(placement.cpus),
                numactl(HONEST).path or "",
                f"--membind={placement.node}",
            ),
        )
        for placement in placements
    ]
    return of_placements(BareWorker, masked)


def offline() -> list[str]:
    """Take CPU 1 offline while a worker runs on each node; return the placements as lines, and what the proofs find."""
    switch = CPUS / "cpu1/online"
    placements = place_instances(read_topology(), numactl=numactl(HONEST))
    try:
        return of_placements(BareWorker, placements, lambda: switch.write_text("0"))
    finally:
        switch.write_text("1")


def capped(kilohertz: int) -> list[str | None]:
    """Cap the frequency of all CPUs while a measurement would run; return what the suite reads and advises then.

    The guest has frequencies by a table of the firmware (frequencies.py), which the kernel's own driver reads.
    """
    before = read_state()
    files = list(CPUS.glob("cpu[0-9]/cpufreq/scaling_max_freq"))
    fastest = [file.read_text() for file in files]
    try:
        for file in files:
            file.write_text(str(kilohertz))
        later = read_state()
    finally:
        for file, text in zip(files, fastest, strict=True):
            file.write_text(text)
    finding = next(one for one in findings(before, later) if one.check == "frequency_limit")
    return [finding.reading, finding.verdict, finding.advice]
