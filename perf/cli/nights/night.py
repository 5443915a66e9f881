"""The subcommand night: what a nightly run measures, and in how many parts."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from perf.report.console import emit
from perf.runs.night.plan import planned, write_night

# More machines of one class than anybody measures with at the same time.
MOST_SHARDS = 16


def night(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write the night to.")],
    tier: Annotated[Literal["nightly", "quick", "smoke"], typer.Option(help="How much to run.")] = "nightly",
    shards: Annotated[int, typer.Option(min=1, max=MOST_SHARDS, help="In how many parts to run it.")] = 1,
    builds: Annotated[
        str,
        typer.Option(
            help="Candidate wheels, ROLE=WHEEL with spaces between them: a requirement, or an address and #sha256=HEX."
        ),
    ] = "",
    wheels: Annotated[str, typer.Option(help="A folder that holds one candidate wheel; empty for none.")] = "",
    roles: Annotated[str, typer.Option(help="The roles of that wheel, with spaces between them.")] = "",
) -> None:
    """Plan a night: check its candidate wheels, write the arguments of its sessions and what its verdicts are about.

    Its shards are printed for the workflow, as shards=["1/2","2/2"].

    Exit code 0: written; 4: a wheel cannot be used, or the folder cannot be written to.
    """
    plan = planned(tier, shards, builds.split(), Path(wheels) if wheels else None, roles.split())
    write_night(plan, output)
    emit(f"shards={msgspec.json.encode(plan.shard_names).decode()}\n")
