"""The subcommand limits: what the cores and the memory of the instances can do, by probe."""

from functools import partial
from typing import Annotated

import msgspec
import typer

from perf.errors import PerfError
from perf.limits.probe import probe
from perf.limits.result import MachineLimits
from perf.limits.text import NAMES, peak_text, rate_text
from perf.machine import alone_on_machine, find_numactl, place_instances, read_machine, read_topology
from perf.report.console import PlainConsole, emit, say, widened
from perf.report.tables import TextTable, rendered
from perf.wording import counted

# The exit code for limits that are doubtful.
DOUBTFUL = 1
INSTANCES = typer.Option(min=1, help="Probe N instances at a time. Default: one for each NUMA node.")
THREADS = typer.Option(min=1, help="Probe N CPUs of each instance. Default: its physical cores.")


def limits(
    instances: Annotated[int | None, INSTANCES] = None,
    threads: Annotated[int | None, THREADS] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure what this machine can do: arithmetic in FP32 and INT8, and memory bandwidth, of exactly the cores and the
    memory that instances get. It takes about 2 s; nothing else should run.

    Exit code 0: measured; 1: measured, but something is doubtful; 4: nothing could be measured.
    """
    topology = read_topology()
    placements = place_instances(topology, instances=instances, threads=threads, numactl=find_numactl(topology))
    # A probe would slow down what another session is timing.
    with alone_on_machine(wait=True, say=partial(typer.echo, err=True)):
        measured = probe(placements)
    if not measured.kernels:
        raise PerfError("; ".join(measured.problems), subject="limits", next_step="run `mxperf doctor`")
    if as_json:
        emit(msgspec.json.format(msgspec.json.encode(measured)).decode() + "\n")
    else:
        _print(measured)
    if measured.problems:
        raise typer.Exit(DOUBTFUL)


def _print(measured: MachineLimits) -> None:
    console = widened(PlainConsole())
    cores = f"{counted(measured.cores, 'core')} of {measured.core_name or 'an unknown microarchitecture'}"
    say(console, f"machine class {read_machine().machine_class}, {cores}, probed in {measured.elapsed_s:.1f} s")
    rows = [[NAMES[k.kind], k.kernel, rate_text(k), peak_text(k)] for k in measured.kernels]
    console.print(rendered(TextTable("", ["Limit", "Kernel", "Rate", "Of the theoretical peak"], rows, figures=False)))
    say(console, f"arrays of {measured.array_bytes / 1e6:.0f} MB, caches of {(measured.cache_bytes or 0) / 1e6:.0f} MB")
    if measured.int8_unused:
        say(console, f"MXNet 1.5.0 has no kernels like {measured.int8_unused.kernel}.")
    for problem in measured.problems:
        say(console, f"doubtful: {problem}")
