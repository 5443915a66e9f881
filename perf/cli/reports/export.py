"""The subcommand export: a run in the formats of other tools."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from perf.errors import PerfError
from perf.files import flush_folder, put_in_place, write_whole
from perf.report.exports.benchmark_action import benchmark_action_files
from perf.report.exports.openmetrics import openmetrics_of
from perf.report.exports.schema import run_schema
from perf.report.exports.spreadsheet import csv_files
from perf.runs.session.run import MeasuredRun, read_measured


class Format(StrEnum):
    """What a run can be exported as."""

    CSV = "csv"
    OPENMETRICS = "openmetrics"
    BENCHMARK_ACTION = "benchmark-action"
    SCHEMA = "schema"


# What makes each format of a run: one file, or the files of a folder by name.
EXPORTS: Mapping[Format, Callable[[MeasuredRun], bytes | dict[str, bytes]]] = {
    Format.CSV: csv_files,
    Format.OPENMETRICS: openmetrics_of,
    Format.BENCHMARK_ACTION: benchmark_action_files,
    Format.SCHEMA: lambda _: run_schema(),
}


def export(
    run: Annotated[Path, typer.Argument(help="The run: a JSON file that a session of this version wrote.")],
    kind: Annotated[
        Format,
        typer.Option(
            "--format",
            help="csv: a folder with every table; openmetrics: a text file; benchmark-action: a folder with the files "
            "of github-action-benchmark; schema: the JSON Schema that the run conforms to.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file, or the new folder, to write.")],
) -> None:
    """Write a run in the format of another tool.

    A file is replaced. A folder must be new or empty, so that the tables of two runs are never mixed.

    Exit code 0: written; 4: the run cannot be read, or nothing can be written there.
    """
    content = EXPORTS[kind](read_measured(run))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            write_whole(output, content)
        else:
            _write_folder(output, content)
    except OSError as error:
        what, step = f"cannot be written: {error.strerror}", "name another file or folder with --output"
        raise PerfError(what, subject=str(output), next_step=step) from error


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder, whole or not at all. Raises OSError when it cannot be written or is not empty."""
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        for name, content in files.items():
            write_whole(made / name, content)
        made.chmod(0o755)
        flush_folder(made)
        put_in_place(made, folder)
    except BaseException:
        shutil.rmtree(made)
        raise
