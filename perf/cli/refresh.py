"""The subcommand refresh: store a run, or several sessions as one, as the latest baseline, if it hides no loss."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from perf.errors import PerfError
from perf.files import read_json, write_whole
from perf.report.console import PlainConsole, say, widened
from perf.report.github.refresh import Refresh, body_of
from perf.report.verdicts import print_verdicts
from perf.runs.acceptance import Waiver, readable_runs, store
from perf.runs.baseline import BASELINES, TOLERANCES
from perf.runs.groups import RunVerdicts
from perf.runs.judges import judge_run
from perf.runs.refreshing.drift import creep_of
from perf.runs.refreshing.sessions import combined, read_session
from perf.runs.schema import StoredRun, read_run
from perf.runs.store import find_run_files
from perf.runs.tolerances import read_tolerances
from perf.wording import counted


def refresh(
    runs: Annotated[list[Path], typer.Argument(help="The run, or with --from the sessions: JSON files of sessions.")],
    from_sessions: Annotated[
        bool,
        typer.Option("--from", help="Build the run from three or more sessions of one machine class."),
    ] = False,
    name: Annotated[str, typer.Option(help="The name of the stored run.")] = "refreshed",
    folder: Annotated[
        Path | None, typer.Option(help="Where the class's runs are stored.", show_default="baselines/CLASS")
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(help="Let the run lack these cases of the latest baseline, by pattern; may be repeated."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why cases may be worse than, or undecided against, the baseline.")] = "",
    body: Annotated[
        Path | None, typer.Option(help="Write the text of a pull request to this file, as Markdown; stored or not.")
    ] = None,
    outputs: Annotated[
        Path | None, typer.Option(help="Append machine-class=CLASS to this file, the outputs of a workflow's step.")
    ] = None,
) -> None:
    """Judge a run against the latest baseline of its machine class and the anchor, and store it as the next one.

    With --from, the run is built from sessions: each case comes from the session in the middle. The run must hold all
    cases of that baseline, except those that --drop names. A case that regressed, drifted or is undecided, or whose
    losses since the anchor add up, needs a --reason, which is stored with the run.

    Exit code 0: stored; 4: not stored; the message says why.
    """
    # A workflow whose input is empty passes an empty pattern.
    waiver = Waiver(tuple(filter(None, drop or ())), reason)
    document = _document(runs, from_sessions=from_sessions)
    now, tolerances = msgspec.convert(document, StoredRun), read_tolerances(TOLERANCES)
    chosen = folder or BASELINES / now.perf.machine_class
    files = find_run_files(chosen, now.perf.machine_class)
    stored_runs = readable_runs(files, now.perf.machine_class)
    console = widened(PlainConsole())
    for source in now.perf.sources:
        say(console, f"Built from {source.text}: {counted(len(source.cases), 'case')}")
    judged = RunVerdicts({})
    if files.latest is not None:
        but = None if from_sessions else runs[0]
        gate, judged = judge_run(now, files.latest.name, stored_runs[files.latest], chosen, tolerances, but=but)
        print_verdicts(judged, gate, list(now.cases), console)
    creep = creep_of(now, chosen, stored_runs, tolerances)
    about = Refresh(
        run=now,
        baseline=files.latest.name if files.latest else None,
        judged=judged,
        drift=creep.drift if creep else None,
        stored=None,
        problem=None,
    )
    try:
        stored = store(document, chosen, name, waiver, tolerances)
    except PerfError as error:
        _report(replace(about, problem=error), body, None)
        raise
    for line in stored.lines:
        say(console, line)
    _report(replace(about, stored=stored), body, outputs)


def _report(about: Refresh, body: Path | None, outputs: Path | None) -> None:
    """Write the text of the pull request and the step's outputs. Raises PerfError when a file cannot be written."""
    if body is not None:
        with _named(body):
            write_whole(body, body_of(about).encode())
    if outputs is not None:
        with _named(outputs), outputs.open("a") as stream:
            stream.write(f"machine-class={about.run.perf.machine_class}\n")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Raise PerfError, naming the file, for an OSError in the context."""
    try:
        yield
    except OSError as error:
        step = "name another file; what was stored stays stored"
        raise PerfError(f"cannot be written: {error.strerror}", subject=str(path), next_step=step) from error


def _document(runs: Sequence[Path], *, from_sessions: bool) -> Mapping[str, Any]:
    """Return the run to store. Raises PerfError when a file cannot be used, and for several runs without --from."""
    if from_sessions:
        return combined([read_session(path) for path in runs])
    if len(runs) > 1:
        message, step = f"{counted(len(runs), 'run')}, but one is stored at a time", "add --from to build one of them"
        raise PerfError(message, subject=", ".join(map(str, runs)), next_step=step)
    read_run(runs[0])
    return read_json(runs[0], dict)
