"""The subcommand reference: the pages of docs/reference, written from the code and data that they describe."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from perf.cli.bisect import bisect
from perf.cli.census import census
from perf.cli.check_baselines import check_baselines
from perf.cli.explain import explain
from perf.cli.history import HISTORY_SUBCOMMANDS
from perf.cli.judge import judge
from perf.cli.machine.doctor import doctor
from perf.cli.machine.limits import limits
from perf.cli.machine.runner import runner
from perf.cli.nights.issue import issue
from perf.cli.nights.merge import merge
from perf.cli.nights.night import night
from perf.cli.pages.commands import commands_page
from perf.cli.pages.defects import defects_page
from perf.cli.pages.fields import fields_page
from perf.cli.pages.options import options_page
from perf.cli.pages.schemas import schema_files
from perf.cli.pages.tiers import tiers_page
from perf.cli.pages.verdicts import verdicts_page
from perf.cli.refresh import refresh
from perf.cli.releases import releases
from perf.cli.reports.comment import comment
from perf.cli.reports.export import export
from perf.cli.reports.report import report
from perf.errors import PerfError
from perf.files import write_whole


def reference(
    folder: Annotated[Path, typer.Argument(help="The folder to write the pages to.")] = Path("docs/reference"),
) -> None:
    """Write the reference pages: options, result fields, tiers, verdicts and mxperf itself; and the JSON Schemas of the
    stored files.

    Exit code 0: written; 4: the folder cannot be written to.
    """
    for name, text in pages().items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(folder / name, text.encode())
        except OSError as error:
            what, step = f"cannot be written: {error.strerror}", "name another folder"
            raise PerfError(what, subject=str(folder / name), next_step=step) from error


def pages() -> dict[str, str]:
    """Return the text of each page and schema by its file name."""
    return {name: "\n".join(page()).rstrip() + "\n" for name, page in PAGES.items()} | schema_files()


SUBCOMMANDS = (
    doctor,
    limits,
    runner,
    judge,
    explain,
    report,
    comment,
    export,
    night,
    merge,
    issue,
    refresh,
    check_baselines,
    bisect,
    releases,
    census,
    reference,
)
# Subcommands with a name of two parts, such as `history add`, by the first one; and what each group is for.
GROUPS: dict[str, Sequence[Callable[..., None]]] = {"history": HISTORY_SUBCOMMANDS}
PURPOSES = {"history": "Keep runs over many nights, and notice steps and slow creep."}
# What writes each page, by its file name.
PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "options.md": options_page,
    "fields.md": fields_page,
    "tiers.md": tiers_page,
    "verdicts.md": verdicts_page,
    "defects.md": defects_page,
    "mxperf.md": lambda: commands_page(SUBCOMMANDS, GROUPS),
}
