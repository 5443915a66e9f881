"""Histories of made runs, as sessions write them."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perf.cli import main
from perf.history.nights import keep, night_of
from tests.support.factories import benchmark, document, measured_side_by_side, native, sample, stack

CASES = ("resnet18_v1-b1", "resnet50_v1-b1", "squeezenet1.0-b1")
CASE = "resnet50_v1-b1-mkl-fp32"
START = datetime(2026, 11, 1, 2, tzinfo=UTC)
# The standard deviation of a night's log ratio, and of an invocation's around it.
NIGHT_SD, WITHIN_SD = 0.006, 0.012


def made_run(
    night: int,
    changes: Mapping[str, float] | None = None,
    *,
    wheel: str = "b",
    side_by_side: bool = False,
    cases: Sequence[str] = CASES,
    **context: Any,
) -> dict[str, Any]:
    """Return the run of a night, with log ratios that differ by `changes` from the usual ones. With `side_by_side`,
    each case was measured side by side with the first wheel.
    """
    draw = np.random.default_rng(night)
    entries = []
    for workload in cases:
        level = (changes or {}).get(workload, 0.0) + draw.normal(0, NIGHT_SD)
        values = [round(float(level + draw.normal(0, WITHIN_SD)), 6) for _ in range(4)]
        figures: dict[str, Any] = {"samples": {"native-fp32": sample([1.6 + value for value in values])}}
        figures["stack"] = stack(wheel=wheel * 64, requirement=f"mxnet-mkl-{wheel}")
        figures["verdict"] = {"kind": "ok"}
        if side_by_side:
            figures["beside"] = measured_side_by_side(*values)
        entries += [native(workload), benchmark(workload, **figures)]
    ended = START + timedelta(days=night)
    return {**document(*entries, **context), "datetime": ended.isoformat()}


def write_run(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content))
    return path


def fill(folder: Path, runs: Sequence[dict[str, Any]]) -> list[Path]:
    """Write the history of some runs into a folder, and return its files in the order of the runs."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for run in runs:
        path = write_run(folder.parent / "run.json", run)
        added = keep(night_of(path), folder)
        path.unlink()
        if added is not None:
            paths.append(added)
    return paths


def mxperf(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return what runs `mxperf history` with some arguments and returns its exit code."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["mxperf", "history", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main.main()
        assert isinstance(caught.value.code, int)
        return caught.value.code

    return run
