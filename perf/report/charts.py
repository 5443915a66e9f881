"""Charts, each one HTML page that needs no network: accuracy by epoch, INT8's error by layer, and training jobs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import plotly.graph_objects as go

from perf.files import write_whole
from perf.report.training import JobRecord, job_records, projections
from perf.runs.record import CaseRecord
from perf.wording import counted

# Plotly's default colours, one for each number of ranks; both of its curves have the same.
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b", "#e377c2")
# Accuracy in training and held out, as fractions, of each epoch.
Curve = Sequence[tuple[float, float]]


def write_accuracy_curves(path: Path, title: str, curves: Mapping[int, Sequence[Curve]]) -> None:
    """Write a chart of accuracy by epoch, in training and held out, as in the announcement's Figure 6. `curves` holds
    the curves of several trainings by number of ranks; their mean is drawn. Raises OSError when the file cannot be
    written.
    """
    chart = go.Figure()
    for (ranks, trainings), colour in zip(curves.items(), COLOURS * len(curves), strict=False):
        means = mean_curve(trainings)
        for which, dash, name in ((0, "dot", "training"), (1, "solid", "held out")):
            chart.add_scatter(
                x=list(range(1, len(means) + 1)),
                y=[100 * point[which] for point in means],
                name=f"{counted(ranks, 'rank')}, {name}",
                line={"dash": dash, "color": colour},
            )
    averaged = counted(len(next(iter(curves.values()))), "training")
    chart.update_layout(
        title=f"{title}: accuracy by epoch, mean of {averaged}",
        xaxis={"title": "epoch", "dtick": 1},
        yaxis_title="top-1 accuracy, %",
        template="plotly_white",
        height=700,
    )
    write_whole(path, chart.to_html(include_plotlyjs=True).encode())


def mean_curve(trainings: Sequence[Curve]) -> Curve:
    """Return the mean of the curves of several trainings with the same number of epochs."""
    epochs = zip(*trainings, strict=True)
    return [(sum(a for a, _ in epoch) / len(epoch), sum(b for _, b in epoch) / len(epoch)) for epoch in epochs]


def write_layer_chart(path: Path, title: str, now: Mapping[str, float], stored: Mapping[str, float]) -> None:
    """Write a chart of the signal-to-quantisation-noise ratio (dB) of each layer, in the order they run, beside the
    stored one. Raises OSError when the file cannot be written.
    """
    chart = go.Figure(
        [
            go.Scatter(x=list(now), y=[stored.get(name) for name in now], name="stored", line={"dash": "dot"}),
            go.Scatter(x=list(now), y=list(now.values()), name="now", mode="lines+markers"),
        ]
    )
    chart.update_layout(
        title=title,
        xaxis={"title": "layer", "tickangle": 90, "automargin": True},
        yaxis_title="SQNR over FP32, dB",
        template="plotly_white",
        height=800,
    )
    write_whole(path, chart.to_html(include_plotlyjs=True).encode())


def write_training_charts(path: Path, records: Sequence[CaseRecord], published: Mapping[int, float]) -> None:
    """Write the charts of training jobs as one page. `published` is the announcement's efficiency by number of
    instances. Raises OSError when the file cannot be written.
    """
    jobs = job_records(records)
    charts = [_scaling(jobs, published), _steps(jobs), _bandwidth(jobs), _projection(records, published)]
    parts = [chart.to_html(full_html=False, include_plotlyjs=not number) for number, chart in enumerate(charts)]
    page = (
        f"<!DOCTYPE html><html><head><meta charset='utf-8'><title>Training</title></head><body>{''.join(parts)}</body>"
    )
    write_whole(path, (page + "</html>").encode())


def _scaling(jobs: Sequence[JobRecord], published: Mapping[int, float]) -> go.Figure:
    chart = go.Figure()
    for workload in dict.fromkeys(entry.record.workload for entry in jobs):
        points = [
            (entry.facts.ranks, entry.record.efficiency)
            for entry in jobs
            if entry.record.workload == workload and entry.record.efficiency is not None
        ]
        chart.add_scatter(
            x=[ranks for ranks, _ in points],
            y=[100 * efficiency.value for _, efficiency in points],
            error_y={
                "symmetric": False,
                "array": [100 * ((ratio.high or ratio.value) - ratio.value) for _, ratio in points],
                "arrayminus": [100 * (ratio.value - (ratio.low or ratio.value)) for _, ratio in points],
            },
            name=workload,
            mode="markers",
        )
    _add_published(chart, published)
    _double_steps(chart, sorted({*published, *(entry.facts.ranks for entry in jobs)}))
    return _titled(chart, "Measured: scaling efficiency, with 95 % intervals", "ranks", "%")


def _steps(jobs: Sequence[JobRecord]) -> go.Figure:
    checks = [entry.facts.check for entry in jobs]
    parts = {
        "compute": [1 - check.communication_share - check.waiting_share for check in checks],
        "waiting for the slowest rank": [check.waiting_share for check in checks],
        "communication not overlapped with compute": [check.communication_share for check in checks],
    }
    names = [entry.record.name for entry in jobs]
    chart = go.Figure([go.Bar(y=names, x=[100 * v for v in p], name=n, orientation="h") for n, p in parts.items()])
    chart.update_layout(barmode="stack")
    return _titled(chart, "What a training step spends its time on", "% of a step", "")


def _bandwidth(jobs: Sequence[JobRecord]) -> go.Figure:
    chart = go.Figure()
    for entry in jobs:
        times_s = entry.job.allreduce_s
        if times_s:
            rates = [size / time_s / 1e9 for size, time_s in times_s.items()]
            chart.add_scatter(x=list(times_s), y=rates, name=entry.record.name, mode="lines+markers")
    chart.update_xaxes(type="log")
    chart.update_yaxes(type="log")
    return _titled(chart, "Allreduce: bytes reduced per second, by message size", "bytes", "GB/s")


def _projection(records: Sequence[CaseRecord], published: Mapping[int, float]) -> go.Figure:
    chart = go.Figure()
    for trained, projection in projections(records, list(published)).items():
        for link, efficiencies in projection.efficiency.items():
            chart.add_scatter(
                x=list(efficiencies),
                y=[100 * efficiency for efficiency in efficiencies.values()],
                name=f"{trained}, {link}",
                line={"dash": "dash"},
            )
    _add_published(chart, published)
    _double_steps(chart, list(published))
    return _titled(chart, "PROJECTION, not measured: scaling efficiency on more hosts", "instances", "%")


def _add_published(chart: go.Figure, published: Mapping[int, float]) -> None:
    percents = [100 * efficiency for efficiency in published.values()]
    name = "announcement's Table 1 (Xeon Gold 6148)"
    chart.add_scatter(x=list(published), y=percents, name=name, mode="lines+markers")


def _double_steps(chart: go.Figure, counts: Sequence[int]) -> None:
    """Scale the horizontal axis so that doubling is one step, with these counts marked on it."""
    chart.update_xaxes(type="log", tickvals=counts)


def _titled(chart: go.Figure, title: str, x: str, y: str) -> go.Figure:
    chart.update_layout(title=title, xaxis_title=x, yaxis_title=y, template="plotly_white", height=520, showlegend=True)
    return chart
