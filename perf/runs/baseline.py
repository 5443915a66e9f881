"""Stored runs that a run may be compared with."""

from contextlib import suppress
from pathlib import Path

from perf.errors import PerfError
from perf.files import ROOT
from perf.runs.schema import StoredRun, read_run
from perf.runs.store import numbered_files

# The folder of the repository's stored runs, a folder for each machine class.
BASELINES = ROOT / "baselines"
# How much change of each case is allowed, and which variances are assumed.
TOLERANCES = BASELINES / "tolerances.toml"
# What the user calls the announcement's own tables, in place of a stored run.
PUBLISHED = "published"


def usable_baseline(path: Path, machine_class: str) -> StoredRun:
    """Return the run in a file as a baseline for a run of this machine class. Raises PerfError if it is unusable."""
    run = read_run(path)
    step = "compare with another stored run"
    if run.perf.machine_class != machine_class:
        message = f"was measured on machine class {run.perf.machine_class}, not {machine_class}"
        raise PerfError(message, subject=str(path), next_step=step)
    if not run.perf.complete:
        raise PerfError("is an unfinished run", subject=str(path), next_step=step)
    if run.perf.shard:
        raise PerfError(f"is {run.perf.shard.text} of a night", subject=str(path), next_step=step)
    if run.perf.injected:
        raise PerfError("was slowed down on purpose (--perf-inject)", subject=str(path), next_step=step)
    return run


def usable_runs(folder: Path, machine_class: str, *, but: Path | None = None) -> list[StoredRun]:
    """Return all usable runs of a machine class in a folder, oldest first. Files that cannot be used are skipped, and
    so is the run that is being judged (`but`).
    """
    runs = []
    for path in numbered_files(folder):
        if but is not None and path.resolve() == but.resolve():
            continue
        with suppress(PerfError):
            runs.append(usable_baseline(path, machine_class))
    return runs


def is_copy(run: StoredRun, earlier: StoredRun) -> bool:
    """Return whether a case has the times of an earlier run: no two sessions measure the same nanoseconds."""
    times = {benchmark.extra_info.name: benchmark.stats for benchmark in earlier.benchmarks}
    return any(times.get(benchmark.extra_info.name) == benchmark.stats for benchmark in run.benchmarks)
