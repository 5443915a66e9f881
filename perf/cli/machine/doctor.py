"""The subcommand doctor: what makes measurements on this machine doubtful."""

from typing import Annotated

import msgspec
import typer

from perf.machine import (
    Finding,
    findings,
    numactl_finding,
    pace_finding,
    read_machine,
    read_state,
    read_topology,
    reasons_not_to_measure,
    settings,
    watch_pace,
)
from perf.machine.state import Value
from perf.report.console import PlainConsole, emit, say, widened
from perf.report.doctor import print_findings

# Counters of the kernel move in steps of 10 ms: a shorter window would count nothing.
MIN_WINDOW_S = 0.1
# Longer than any session needs: what is meant is another unit.
MAX_WINDOW_S = 3600.0
# The exit code for a machine that makes measurements doubtful.
DOUBTFUL = 1

WINDOW = typer.Option(min=MIN_WINDOW_S, max=MAX_WINDOW_S, help="How long to watch the counters, in seconds.")


class Diagnosis(msgspec.Struct, frozen=True):
    """What --json prints.

    machine_class: the machine's class.
    window_s: how long counters were watched, in seconds.
    findings: one finding for each check.
    settings: the machine's settings that runs store.
    """

    machine_class: str
    window_s: float
    findings: list[Finding]
    settings: dict[str, Value]


def doctor(
    window: Annotated[float, WINDOW] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    fit: Annotated[
        bool,
        typer.Option(
            "--fit",
            help="Decide whether to measure at all: the exit code is 1 only for what spoils a measurement and can be "
            "removed, as perf/machine/state/checks.toml says.",
        ),
    ] = False,
) -> None:
    """Report what makes measurements on this machine doubtful.

    Exit code 0: nothing is doubtful or, with --fit, the machine is fit for measuring; 1: something is, or it is not; 4:
    the machine cannot be read.
    """
    diagnosis = _diagnose(window)
    if as_json:
        emit(msgspec.json.format(msgspec.json.encode(diagnosis)).decode() + "\n")
    else:
        console = widened(PlainConsole())
        header = f"machine class {diagnosis.machine_class}, watched for {diagnosis.window_s:.1f} s"
        say(console, header)
        print_findings(diagnosis.findings, console)
    doubtful = [finding for finding in diagnosis.findings if finding.verdict == "doubtful"]
    reasons = reasons_not_to_measure(diagnosis.findings)
    if fit and not as_json:
        names = ", ".join(finding.check.replace("_", " ") for finding in reasons)
        say(console, f"Not fit for measuring: {names}." if reasons else "Fit for measuring.")
    if reasons if fit else doubtful:
        raise typer.Exit(DOUBTFUL)


def _diagnose(window_s: float) -> Diagnosis:
    machine_class = read_machine().machine_class
    before = read_state()
    paces = watch_pace(window_s)
    after = read_state()
    return Diagnosis(
        machine_class=machine_class,
        window_s=(after.time_ns - before.time_ns) / 1e9,
        findings=[pace_finding(paces), numactl_finding(read_topology()), *findings(before, after)],
        settings=settings(after),
    )
