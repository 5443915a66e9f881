"""Which stored runs others may be judged by."""

from contextlib import suppress
from pathlib import Path

from perf.errors import PerfError
from perf.files import ROOT
from perf.runs.schema import StoredRun, read_run
from perf.runs.store import numbered_files

BASELINES = ROOT / "baselines"
TOLERANCES = BASELINES / "tolerances.toml"
PUBLISHED = "published"


def usable_baseline(path: Path, machine_class: str) -> StoredRun:
    """The run in a file, to judge another one of this machine class by. PerfError when it cannot be."""
    run = read_run(path)
    step = "compare with another run"
    if run.perf.machine_class != machine_class:
        message = f"was measured on machine class {run.perf.machine_class}, and this is {machine_class}"
        raise PerfError(message, subject=str(path), next_step=step)
    if not run.perf.complete:
        raise PerfError("is a run that did not come to its end", subject=str(path), next_step=step)
    if run.perf.injected:
        raise PerfError("was slowed down on purpose (--perf-inject)", subject=str(path), next_step=step)
    return run


def usable_runs(folder: Path, machine_class: str, *, but: Path | None = None) -> list[StoredRun]:
    """All usable runs of a class in a folder, oldest first; what cannot be used is passed over: it is no baseline. One
    that is judged itself (`but`) is none of them.
    """
    runs = []
    for path in numbered_files(folder):
        if but is not None and path.resolve() == but.resolve():
            continue
        with suppress(PerfError):
            runs.append(usable_baseline(path, machine_class))
    return runs
