"""Ladders made by hand: workloads of one operator, and cells with figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from perf.builds import Build
from perf.errors import PerfError
from perf.judge.variance_prior import VariancePrior
from perf.ladder.data import OperatorNode
from perf.ladder.programs import Composition, LadderWorkload
from perf.ladder.schema import SCHEMA, StoredCell, StoredLadder, StoredRung, StoredWorkload
from perf.ladder.steps import cells_in, reports_of, steps_of
from perf.measure.plan import Loadable, Workload
from tests.support.fakes import build

PRIOR = VariancePrior(0.005**2, 10)
# What a workload shows in a release: its log ratios over the anchor, or why it is not available.
Figures = Sequence[float] | str


def workload(name: str = "softmax", refused_by: str = "") -> LadderWorkload:
    """A workload of one operator, which no build of the version `refused_by` can run."""
    program = Composition((OperatorNode("softmax", ("data",)),))

    def program_of(build: Build) -> Loadable:
        if build.facts.mxnet == refused_by:
            raise PerfError("it came with a later release")
        return program

    return LadderWorkload("operator", Workload(name, {"data": (2, 3)}, 1, 12.0), program_of, program)


def release(version: str, content: str) -> Build:
    """A build of a release with this content."""
    facts: dict[str, Any] = {"mxnet": version, "mkldnn": True, "content_sha256": content * 64}
    return build("mkl", requirement=f"mxnet-mkl=={version}", **facts)


def cell(release: str, figures: Figures, name: str = "softmax", **fields: Any) -> StoredCell:
    """A cell with these figures."""
    if isinstance(figures, str):
        return StoredCell(release=release, workload=name, status="not available", reason=figures)
    known: dict[str, Any] = {"status": "measured", "values": list(figures), "latency_s": 0.01, **fields}
    return StoredCell(release=release, workload=name, **known)


def ladder(table: Mapping[str, Mapping[str, Figures]], *more: StoredCell, **fields: Any) -> StoredLadder:
    """A measured ladder of these workloads, each with its figures by release, and `more` cells; `fields` replace."""
    releases = list(dict.fromkeys(name for figures in table.values() for name in figures))
    listed = [cell(name, figures, workload) for workload, row in table.items() for name, figures in row.items()]
    cells = cells_in(releases, [*listed, *more], PRIOR)
    known: dict[str, Any] = {
        "schema": SCHEMA,
        "datetime": "2026-11-27T05:00:00+00:00",
        "machine_class": "made-2c-1n-avx2",
        "cpu": "made",
        "placement": [],
        "tier": "smoke",
        "anchor": "mxnet-mkl==1.5.0",
        "control": "mxnet==1.5.0",
        "rungs": [StoredRung(release=name, requirement=name, wheel=None, version=None) for name in releases],
        "workloads": [StoredWorkload(name, "operator") for name in table],
        "cells": list(cells.cells.values()),
        "steps": steps_of(cells, list(table)),
        "reports": reports_of(cells, list(table), fields.pop("reported", ())),
        "wall_time_s": {},
    }
    return StoredLadder(**{**known, **fields})
