"""Training jobs beyond the table of cases: a projection to more hosts than there are, and a page of charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from perf.files import write_whole
from perf.judge.projection import Ring, Training, fit_ring

FAMILY = "dist"
LINKS_BITS_PER_S = {"10 Gbit/s": 10e9, "100 Gbit/s": 100e9}
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Projected:
    """A network's training, projected: efficiency as a share by link and instances. `hidden_share` of the allreduce is
    behind the backward pass; `checks` are efficiencies that were measured elsewhere than where the model was fitted,
    with what it says of them, by place.
    """

    trained: str
    hidden_share: float
    network: str
    efficiency: Mapping[str, Mapping[int, float]]
    checks: Mapping[str, tuple[float, float]]


def projections(records: Sequence[Record], instances: Sequence[int]) -> list[Projected]:
    """For every network, batch and build of the records that was trained on this host on one and on more ranks. What
    messages cost over a network is taken from emulated hosts where they were measured, else from this host.
    """
    groups: dict[tuple[str, ...], dict[str, list[Record]]] = {}
    for record in records:
        if record["family"] == FAMILY:
            key = (record["network"], f"batch {record['batch']}", record["build"].removesuffix("-dist"))
            groups.setdefault(key, {}).setdefault(record["place"], []).append(record)
    found = [_projected(", ".join(key), places, instances) for key, places in groups.items()]
    return [projected for projected in found if projected]


def _projected(trained: str, places: Mapping[str, Sequence[Record]], instances: Sequence[int]) -> Projected | None:
    measured = {place: _measured(records) for place, records in places.items()}
    known = {place: pair for place, pair in measured.items() if pair}
    if not known:
        return None
    home, *others = known
    training, ring = known[home]
    hidden = training.hidden_share(ring)
    network = others[0] if others else home
    checks = {
        place: (known[place][0].alone_s / known[place][0].step_s, training.efficiency(known[place][1], 2, hidden))
        for place in others
    }
    rates = {
        link: {n: training.efficiency(known[network][1].over_link(bits), n, hidden) for n in instances}
        for link, bits in LINKS_BITS_PER_S.items()
    }
    return Projected(trained, hidden, network, rates, checks)


def _measured(records: Sequence[Record]) -> tuple[Training, Ring] | None:
    """What was measured at one place, on one rank and on two; None when there is not both."""
    by_ranks = {record["ranks"]: record for record in records}
    alone, two = by_ranks.get(1), by_ranks.get(2)
    if alone is None or two is None or not two.get("allreduce_s"):
        return None
    step_s = two["latency_s"]
    slowest_s = step_s * (1 - two["communication_share"])
    training = Training(alone["latency_s"], slowest_s, step_s, 2, two["gradient_bytes"])
    return training, fit_ring({int(size): seconds for size, seconds in two["allreduce_s"].items()}, 2)


def write_training(path: Path, records: Sequence[Record], published: Mapping[int, float]) -> None:
    """Write the charts as one HTML page that needs no network. `published` is the announcement's efficiency by
    instances. OSError when the file cannot be written.
    """
    mine = [record for record in records if record["family"] == FAMILY]
    charts = [_scaling(mine, published), _steps(mine), _bandwidth(mine), _projection(mine, published)]
    parts = [chart.to_html(full_html=False, include_plotlyjs=not number) for number, chart in enumerate(charts)]
    page = (
        f"<!DOCTYPE html><html><head><meta charset='utf-8'><title>Training</title></head><body>{''.join(parts)}</body>"
    )
    write_whole(path, (page + "</html>").encode())


def _scaling(records: Sequence[Record], published: Mapping[int, float]) -> go.Figure:
    chart = go.Figure()
    for workload in dict.fromkeys(record["workload"] for record in records):
        found = [r for r in records if r["workload"] == workload and r["speedup"] is not None]
        chart.add_scatter(
            x=[r["ranks"] for r in found],
            y=[100 * r["speedup"] for r in found],
            error_y={
                "symmetric": False,
                "array": [100 * ((r["speedup_high"] or r["speedup"]) - r["speedup"]) for r in found],
                "arrayminus": [100 * (r["speedup"] - (r["speedup_low"] or r["speedup"])) for r in found],
            },
            name=workload,
            mode="markers",
        )
    _add_published(chart, published)
    return _titled(chart, "Measured: share of n times one rank's images/s, with 95 % intervals", "ranks", "%")


def _steps(records: Sequence[Record]) -> go.Figure:
    names = [f"{record['workload']}-{record['variant']}" for record in records]
    parts = {
        "computing": [1 - r["communication_share"] - r["waiting_share"] for r in records],
        "waiting for the slowest rank": [r["waiting_share"] for r in records],
        "communication that nothing hides": [r["communication_share"] for r in records],
    }
    chart = go.Figure([go.Bar(y=names, x=[100 * v for v in p], name=n, orientation="h") for n, p in parts.items()])
    chart.update_layout(barmode="stack")
    return _titled(chart, "What a training step is made of", "% of a step", "")


def _bandwidth(records: Sequence[Record]) -> go.Figure:
    chart = go.Figure()
    for record in records:
        cost = {int(size): seconds for size, seconds in record.get("allreduce_s", {}).items()}
        if cost:
            name = f"{record['variant']}, {record['place']} ({record['workload']})"
            rates = [size / seconds / 1e9 for size, seconds in cost.items()]
            chart.add_scatter(x=list(cost), y=rates, name=name, mode="lines+markers")
    chart.update_xaxes(type="log")
    chart.update_yaxes(type="log")
    return _titled(chart, "Allreduce: bytes reduced per second, by the size of the message", "bytes", "GB/s")


def _projection(records: Sequence[Record], published: Mapping[int, float]) -> go.Figure:
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
    chart.update_xaxes(type="log")
    return _titled(chart, "PROJECTION, not measured: efficiency on more hosts than there are", "instances", "%")


def _add_published(chart: go.Figure, published: Mapping[int, float]) -> None:
    shares = [100 * share for share in published.values()]
    chart.add_scatter(x=list(published), y=shares, name="announcement's Table 1 (Xeon Gold 6148)", mode="lines+markers")


def _titled(chart: go.Figure, title: str, x: str, y: str) -> go.Figure:
    chart.update_layout(title=title, xaxis_title=x, yaxis_title=y, template="plotly_white", height=520, showlegend=True)
    return chart
