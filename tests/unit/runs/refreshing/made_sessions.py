"""Files of sessions, for tests of baselines that are built from several."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from perf.runs.refreshing.sessions import combined, read_session
from tests.unit.runs.made_runs import WORKLOADS, run_of

CASE_NAMES = tuple(f"{workload}-mkl-fp32" for workload in WORKLOADS)


def written(path: Path, document: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def session_files(folder: Path, documents: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Return the files of sessions, oldest first."""
    return [written(folder / f"session-{number}.json", document) for number, document in enumerate(documents, 1)]


def moved(*changes: float, **context: Any) -> dict[str, Any]:
    """Return a session whose log speedups differ from the usual ones by these changes, one for each workload."""
    return run_of(dict(zip(WORKLOADS, changes, strict=False)), **context)


def built(folder: Path, *documents: Mapping[str, Any]) -> dict[str, Any]:
    """Return the run that is built from sessions, by way of their files."""
    return combined([read_session(path) for path in session_files(folder, documents)])
