"""MeasuredTraining jobs beyond the table of cases: a projection to more hosts than there are, and a page of charts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import plotly.graph_objects as go

from perf.facts import TrainingFacts
from perf.files import write_whole
from perf.judge.projection import AllreduceCost, MeasuredTraining, Ring, fit_ring
from perf.runs.record import CaseRecord

TRAINING_FAMILY = "dist"
LINKS_BITS_PER_S = {"10 Gbit/s": 10e9, "100 Gbit/s": 100e9}


@dataclass(frozen=True)
class Projected:
    """A network's training, projected: efficiency as a share by link and instances. `checks` are efficiencies that
    were measured elsewhere than where the model was fitted, with what it says of them, by where.
    """

    trained: str
    efficiency: Mapping[str, Mapping[int, float]]
    checks: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class _Place:
    """What was measured at one place: a step on one rank and on the fewest of several, efficiencies by number of ranks,
    and what messages cost there, over a link of so many bits per second (infinity: over none that is known).
    """

    training: MeasuredTraining
    efficiency: Mapping[int, float]
    ring: Ring
    link_bits_per_s: float


@dataclass(frozen=True)
class _Job:
    """A training job's record, and what is particular to it."""

    record: CaseRecord
    facts: TrainingFacts

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def ranks(self) -> int:
        return self.facts.ranks

    @property
    def latency_s(self) -> float:
        return self.record.latency_s


def _jobs(records: Sequence[CaseRecord]) -> list[_Job]:
    return [_Job(record, cast("TrainingFacts", record.facts)) for record in records if record.family == TRAINING_FAMILY]


def projections(records: Sequence[CaseRecord], instances: Sequence[int]) -> list[Projected]:
    """For every network, batch and build of the records that was trained on one and on more ranks. As many instances as
    there were ranks on this host are next to each other; what messages cost between hosts is taken from emulated ones
    where they were measured, else from this host.
    """
    groups: dict[tuple[str, ...], dict[str, list[_Job]]] = {}
    for job in _jobs(records):
        key = (job.facts.network, f"batch {job.facts.batch}", job.facts.build)
        groups.setdefault(key, {}).setdefault(job.facts.check.place, []).append(job)
    found = [_projected(", ".join(key), places, instances) for key, places in groups.items()]
    return [projected for projected in found if projected]


def _projected(trained: str, places: Mapping[str, Sequence[_Job]], instances: Sequence[int]) -> Projected | None:
    known = {name: place for name, jobs in places.items() if (place := _measured(jobs))}
    if not known:
        return None
    home, *others = known.values()
    between = others[0] if others else home
    overlap = home.training.overlap(home.ring)

    def rate(ranks: int, link_bits_per_s: float) -> float:
        apart = between.ring.over_link(link_bits_per_s, between.link_bits_per_s)
        return home.training.efficiency(home.ring if ranks <= max(home.efficiency) else apart, ranks, overlap)

    checks = {
        f"{ranks} ranks, {name}": (measured, home.training.efficiency(place.ring, ranks, overlap))
        for name, place in known.items()
        for ranks, measured in place.efficiency.items()
        if place is not home or ranks != home.training.ranks
    }
    rates = {link: {n: rate(n, bits) for n in instances} for link, bits in LINKS_BITS_PER_S.items()}
    return Projected(trained, rates, checks)


def _measured(jobs: Sequence[_Job]) -> _Place | None:
    """What was measured at one place; None when it was not measured on one rank and on more."""
    alone = next((job for job in jobs if job.ranks == 1), None)
    several = sorted((job for job in jobs if job.ranks > 1), key=lambda job: job.ranks)
    if alone is None or not several:
        return None
    few = several[0]
    check, step_s = few.facts.check, few.latency_s
    slowest_s = step_s * (1 - check.communication_share)
    costs = [
        AllreduceCost(job.ranks, int(size), time_s)
        for job in several
        for size, time_s in job.facts.check.allreduce_s.items()
    ]
    link = check.link_gbit_per_s
    return _Place(
        MeasuredTraining(alone.latency_s, slowest_s, step_s, few.ranks, check.gradient_bytes),
        {job.ranks: alone.latency_s / job.latency_s for job in several},
        fit_ring(costs),
        math.inf if link is None else link * 1e9,
    )


def write_training_charts(path: Path, records: Sequence[CaseRecord], published: Mapping[int, float]) -> None:
    """Write the charts as one HTML page that needs no network. `published` is the announcement's efficiency by
    instances. OSError when the file cannot be written.
    """
    jobs = _jobs(records)
    charts = [_scaling(jobs, published), _steps(jobs), _bandwidth(jobs), _projection(records, published)]
    parts = [chart.to_html(full_html=False, include_plotlyjs=not number) for number, chart in enumerate(charts)]
    page = (
        f"<!DOCTYPE html><html><head><meta charset='utf-8'><title>Training</title></head><body>{''.join(parts)}</body>"
    )
    write_whole(path, (page + "</html>").encode())


def _scaling(jobs: Sequence[_Job], published: Mapping[int, float]) -> go.Figure:
    chart = go.Figure()
    for workload in dict.fromkeys(job.record.workload for job in jobs):
        mine = [job for job in jobs if job.record.workload == workload]
        found = [(job.ranks, job.record.efficiency) for job in mine if job.record.efficiency is not None]
        chart.add_scatter(
            x=[ranks for ranks, _ in found],
            y=[100 * rate.value for _, rate in found],
            error_y={
                "symmetric": False,
                "array": [100 * ((rate.high or rate.value) - rate.value) for _, rate in found],
                "arrayminus": [100 * (rate.value - (rate.low or rate.value)) for _, rate in found],
            },
            name=workload,
            mode="markers",
        )
    _add_published(chart, published)
    _double_steps(chart, sorted({*published, *(job.ranks for job in jobs)}))
    return _titled(chart, "Measured: share of n times one rank's images/s, with 95 % intervals", "ranks", "%")


def _steps(jobs: Sequence[_Job]) -> go.Figure:
    checks = [job.facts.check for job in jobs]
    parts = {
        "computing": [1 - check.communication_share - check.waiting_share for check in checks],
        "waiting for the slowest rank": [check.waiting_share for check in checks],
        "communication that nothing hides": [check.communication_share for check in checks],
    }
    names = [job.name for job in jobs]
    chart = go.Figure([go.Bar(y=names, x=[100 * v for v in p], name=n, orientation="h") for n, p in parts.items()])
    chart.update_layout(barmode="stack")
    return _titled(chart, "What a training step is made of", "% of a step", "")


def _bandwidth(jobs: Sequence[_Job]) -> go.Figure:
    chart = go.Figure()
    for job in jobs:
        cost = {int(size): seconds for size, seconds in job.facts.check.allreduce_s.items()}
        if cost:
            rates = [size / seconds / 1e9 for size, seconds in cost.items()]
            chart.add_scatter(x=list(cost), y=rates, name=job.name, mode="lines+markers")
    chart.update_xaxes(type="log")
    chart.update_yaxes(type="log")
    return _titled(chart, "Allreduce: bytes reduced per second, by the size of the message", "bytes", "GB/s")


def _projection(records: Sequence[CaseRecord], published: Mapping[int, float]) -> go.Figure:
    chart = go.Figure()
    for projected in projections(records, list(published)):
        for link, rates in projected.efficiency.items():
            chart.add_scatter(
                x=list(rates),
                y=[100 * rate for rate in rates.values()],
                name=f"{projected.trained}, {link}",
                line={"dash": "dash"},
            )
    _add_published(chart, published)
    _double_steps(chart, list(published))
    return _titled(chart, "PROJECTION, not measured: efficiency on more hosts than there are", "instances", "%")


def _add_published(chart: go.Figure, published: Mapping[int, float]) -> None:
    shares = [100 * share for share in published.values()]
    chart.add_scatter(x=list(published), y=shares, name="announcement's Table 1 (Xeon Gold 6148)", mode="lines+markers")


def _double_steps(chart: go.Figure, counts: Sequence[int]) -> None:
    """A horizontal axis on which twice as many are one step, with these counts on it."""
    chart.update_xaxes(type="log", tickvals=counts)


def _titled(chart: go.Figure, title: str, x: str, y: str) -> go.Figure:
    chart.update_layout(title=title, xaxis_title=x, yaxis_title=y, template="plotly_white", height=520, showlegend=True)
    return chart
