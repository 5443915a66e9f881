"""The nights of each case as the page shows them: what the history found, and a picture of the last month."""

import math
from collections.abc import Sequence
from xml.etree.ElementTree import SubElement

from markupsafe import Markup

from perf.history.findings import HistoryFindings, JudgedSeries
from perf.history.tables import SHOWN_NIGHTS, coverage_lines, described, since_text
from perf.history.warnings import warnings_of
from perf.judge.change import Change
from perf.report.page.data import HistorySeries, HistoryView, Interval
from perf.report.page.elements import line, markup, picture, text
from perf.report.page.svg import Axis
from perf.runs.verdict import fails

WIDTH, HEIGHT, LEFT, EDGE, RADIUS = 420, 90, 48, 10, 3
# Half the width of a 95 % interval in standard deviations: nights have many invocations together.
DEVIATIONS = 1.96
# Digits of ratios: a picture shows no more.
PLACES = 5


def view_of(findings: HistoryFindings | None, problem: str = "") -> HistoryView:
    """Return what the page shows of a history: losses first, then other changes, then the rest by name. Without
    `findings`, the `problem` says why.
    """
    if findings is None:
        return HistoryView(problem=problem)
    ordered = sorted(findings.judged, key=lambda one: (not one.lost, not one.changes.points, one.series.name))
    return HistoryView(
        coverage=list(coverage_lines(findings.nights)),
        warnings=warnings_of(findings),
        series=[_series(one) for one in ordered],
        gone=list(findings.gone),
    )


def _series(one: JudgedSeries) -> HistorySeries:
    nights = list(zip(one.series.nights, one.variances, strict=True))[-SHOWN_NIGHTS:]
    changes = [
        "; ".join([described(change), *(f"changed: {difference}" for difference in change.changed)])
        for change in one.dated
    ]
    net = one.changes.net
    return HistorySeries(
        name=one.series.case,
        over=one.series.reference,
        lost=one.lost,
        too_short=one.too_short,
        since=since_text(one),
        change=_interval(net) if one.changes.points else None,
        changes=changes,
        days=[f"{night.ended:%Y-%m-%d %H:%M}" for night, _ in nights],
        ratios=[_ratio(night.line.log_ratio, variance) for night, variance in nights],
        failed=[night.line.verdict is not None and fails(night.line.verdict, strict=False) for night, _ in nights],
        firsts=[f"{change.first:%Y-%m-%d %H:%M}" for change in one.dated],
    )


def _interval(change: Change) -> Interval:
    return Interval(change.ratio, *change.interval()) if change.known else Interval(change.ratio)


def _ratio(log_ratio: float, variance: float) -> Interval:
    half = DEVIATIONS * math.sqrt(variance)
    low, value, high = (round(math.exp(log_ratio + side * half), PLACES) for side in (-1, 0, 1))
    return Interval(value, low, high)


def nights_svg(series: HistorySeries) -> Markup:
    """Return the nights of a series as SVG: a band of 95 %, a mark for each night, and a line where it changed."""
    bottom = HEIGHT - EDGE
    ends = [end for ratio in series.ratios for end in (ratio.low, ratio.high) if end is not None]
    up = Axis(ends, bottom, EDGE)
    step = (WIDTH - LEFT - EDGE) / max(1, len(series.days))
    across = [round(LEFT + (number + 0.5) * step, 1) for number in range(len(series.days))]
    svg = picture(WIDTH, HEIGHT, f"nights of {series.name} over {series.over}")
    for tick in up.ticks:
        line(svg, "grid", LEFT, up(tick), WIDTH - EDGE, up(tick))
        text(svg, f"{tick:.4g}", LEFT - 6, up(tick) + 4, "end")
    for day, x in zip(series.days, across, strict=True):
        if day in series.firsts:
            line(svg, "border", x - step / 2, EDGE, x - step / 2, bottom)
    above = [(x, up(ratio.high or ratio.value)) for x, ratio in zip(across, series.ratios, strict=True)]
    below = [(x, up(ratio.low or ratio.value)) for x, ratio in zip(across, series.ratios, strict=True)]
    SubElement(svg, "polygon", {"class": "band", "points": _points([*above, *reversed(below)])})
    for day, x, ratio, failed in zip(series.days, across, series.ratios, series.failed, strict=True):
        place = {"cx": str(x), "cy": str(up(ratio.value)), "r": str(RADIUS)}
        mark = SubElement(svg, "circle", {"class": "fastest" if failed else "typical", **place})
        SubElement(mark, "title").text = f"{day}: {ratio.value:.4g}{', failed' if failed else ''}"
    return markup(svg)


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)
