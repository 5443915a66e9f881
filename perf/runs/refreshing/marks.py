"""Hold a run to the tolerances of the stored ones: a marker in it widens none without a stated reason."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from perf.runs.schema import StoredRun
from perf.runs.tolerances import Tolerances


def held_to_stored_marks(
    run: StoredRun, runs: Mapping[Path, StoredRun], tolerances: Tolerances
) -> tuple[StoredRun, dict[str, str]]:
    """Return the run with stored tolerances where its own marks are wider, and the cases whose marks are wider, with a
    text about each. A case's stored tolerance is that of the newest of `runs` (oldest first) that contains it; a case
    that none contains keeps its own.
    """
    marks, wider = dict(run.perf.tolerances), {}
    for name, case in run.cases.items():
        path = next((path for path in reversed(list(runs)) if name in runs[path].cases), None)
        if path is None:
            continue
        stored = runs[path].perf.tolerances.get(name)
        now, then = (tolerances.of(case.family, name, mark) for mark in (marks.get(name), stored))
        if now.change <= then.change and now.resolution <= then.resolution:
            continue
        wider[name] = f"marked with a wider tolerance than in {path.name}"
        marks.pop(name, None)
        if stored is not None:
            marks[name] = stored
    return msgspec.structs.replace(run, perf=msgspec.structs.replace(run.perf, tolerances=marks)), wider
