"""A picture of how training goes: accuracy by epoch, in training and held out, as in the announcement's Figure 6."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import plotly.graph_objects as go

from perf.files import write_whole

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b", "#e377c2")
Curve = Sequence[tuple[float, float]]


def write_accuracy_curves(path: Path, title: str, curves: Mapping[int, Sequence[Curve]]) -> None:
    """Write the chart as one HTML page that needs no network: for each number of ranks the mean over its trainings, by
    epoch. OSError when the file cannot be written.
    """
    chart = go.Figure()
    for (ranks, found), colour in zip(curves.items(), COLOURS * len(curves), strict=False):
        for which, dash, name in ((0, "dot", "training"), (1, "solid", "held out")):
            means = [100 * sum(point[which] for point in epoch) / len(epoch) for epoch in zip(*found, strict=True)]
            chart.add_scatter(
                x=list(range(1, len(means) + 1)),
                y=means,
                name=f"{ranks} rank{'s' * (ranks > 1)}, {name}",
                line={"dash": dash, "color": colour},
            )
    chart.update_layout(
        title=f"{title}: accuracy by epoch, mean over {len(next(iter(curves.values())))} trainings",
        xaxis={"title": "epoch", "dtick": 1},
        yaxis_title="top-1 accuracy, %",
        template="plotly_white",
        height=700,
    )
    write_whole(path, chart.to_html(include_plotlyjs=True).encode())


def write_layer_chart(path: Path, title: str, now: Mapping[str, float], then: Mapping[str, float]) -> None:
    """Write the chart as one HTML page that needs no network: dB of each layer, in the order they run. OSError when the
    file cannot be written.
    """
    chart = go.Figure(
        [
            go.Scatter(x=list(now), y=[then.get(name) for name in now], name="stored", line={"dash": "dot"}),
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
