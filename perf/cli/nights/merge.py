"""The subcommand merge: one run from the shards of a night."""

import os
from pathlib import Path
from typing import Annotated

import typer

from perf.errors import PerfError
from perf.files import MAX_BYTES, write_whole
from perf.report.console import PlainConsole, say, widened
from perf.runs.acceptance import encoded, without_samples
from perf.runs.night.merge import merged, read_shards
from perf.wording import counted


def merge(
    shards: Annotated[list[Path], typer.Argument(help="The shards: JSON files that sessions with --perf-shard wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write the whole run to.")],
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Merge although shards are missing; their cases count as not run."),
    ] = False,
) -> None:
    """Join the shards of a night into one run, which can be judged and stored as if one session had measured it.

    Shards of another machine class, tier, baseline, commit, build or machine setting are refused, and so are two of the
    same number.

    Exit code 0: written; 4: not written; the message says why.
    """
    if os.path.realpath(output) in set(map(os.path.realpath, shards)):
        step = "name another file with --output: what is merged cannot be merged again"
        raise PerfError("is one of the shards, and would be replaced", subject=str(output), next_step=step)
    parts = read_shards(shards)
    document = merged(parts, allow_missing=allow_missing)
    console = widened(PlainConsole())
    content = encoded(document)
    if len(content) > MAX_BYTES:
        say(console, f"Left out the durations of single passes: with them, the run has {len(content) / 1e6:.0f} MB.")
        content = encoded(without_samples(document))
    try:
        write_whole(output, content)
    except OSError as error:
        step = "name a file in an existing folder with free space"
        raise PerfError(f"cannot be written: {error.strerror}", subject=str(output), next_step=step) from error
    cases = counted(len(document["benchmarks"]), "case")
    say(console, f"Merged {counted(len(parts), 'shard')} of {parts[0].shard.of}: {cases}, {output}")
    for item, why in document["perf"]["left_out"].items():
        say(console, f"Left out of the run: {item}: {why}")
