"""A picture of where accuracy was lost: the signal-to-quantisation-noise ratio of every layer, now and as stored."""

from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go

from perf.files import write_whole


def write_layers(path: Path, title: str, now: Mapping[str, float], then: Mapping[str, float]) -> None:
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
