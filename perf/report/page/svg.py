"""Charts as SVG, made of elements, so that every text in them is escaped. Colours come from the page's style sheet."""

import math
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement

from markupsafe import Markup

from perf.judge.statistics import quantile
from perf.report.page.data import Blocks, Figure, Interval, Series
from perf.report.page.elements import line, markup, picture, text
from perf.wording import counted

WIDTH, ROW, TOP = 640, 22, 8
# Space for the labels of categories, and below the axis for its numbers and its title.
LEFT, RIGHT, BOTTOM = 150, 16, 40
LINES_HEIGHT, STRIP_HEIGHT = 320, 110
# Pictures of samples with and without blocks, in pixels.
BLOCKS_WIDTH, STRIP_WIDTH = 560, 420
# An invocation with its blocks is as wide as this number of the baseline's.
INVOCATION_WIDTH = 5
# The quantile of the blocks that the axis reaches up to, and from the other end down to.
USUAL = 0.98
# Widths that mark shapes and gaps take, in pixels.
RADIUS, GAP = 4, 3
# Characters of a category's label that fit.
LABEL = 26
# Log axes that span less have more ticks than 1, 2 and 5.
LOG_RANGE = 8
# Figure 5 doubles its instances from point to point.
SCALING_FIGURE = 5


class Axis:
    """Maps figures to pixels: from `low` to `high` on `start` to `end`, on a log scale if `log`."""

    def __init__(self, figures: Sequence[float], start: float, end: float, *, log: bool = False) -> None:
        usable = [figure for figure in figures if math.isfinite(figure) and (figure > 0 or not log)] or [1.0]
        low, high = min(usable), max(usable)
        if log:
            self.low, self.high = low / 1.15, high * 1.15
        else:
            margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
            self.low, self.high = low - margin, high + margin
        self.start, self.end, self.log = start, end, log

    def __call__(self, figure: float) -> float:
        """Return the pixel of a figure; those beyond an end lie on it."""
        figure = min(max(figure, self.low), self.high)
        if self.log:
            part = math.log(figure / self.low) / math.log(self.high / self.low)
        else:
            part = (figure - self.low) / (self.high - self.low)
        return round(self.start + part * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[float]:
        """Round figures on the axis, some five of them."""
        if self.log:
            wide = self.high / self.low > LOG_RANGE
            steps = [
                m * 10.0**e for e in range(-3, 7) for m in ((1, 2, 5) if wide else (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9))
            ]
            return [step for step in steps if self.low <= step <= self.high]
        rough = (self.high - self.low) / 5
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(size * m for m in (1, 2, 5, 10) if size * m >= rough)
        first = math.ceil(self.low / step)
        return [number * step for number in range(first, math.floor(self.high / step) + 1)]


def figure_svg(figure: Figure) -> Markup:
    """Return a figure as SVG: lines over a number, or a row of marks for each category."""
    return _lines(figure) if figure.lines else _rows(figure)


def _rows(figure: Figure) -> Markup:
    categories = list(dict.fromkeys(name for curve in figure.curves for name in curve.points))
    height = TOP + ROW * len(categories) + BOTTOM
    axis = Axis(_figures(figure), LEFT, WIDTH - RIGHT, log=True)
    svg = picture(WIDTH, height, figure.title)
    floor = height - BOTTOM
    for tick in axis.ticks:
        line(svg, "grid", axis(tick), TOP, axis(tick), floor)
        text(svg, f"{tick:g}", axis(tick), floor + 15, "middle")
    text(svg, figure.unit, (LEFT + WIDTH - RIGHT) / 2, height - 6, "middle")
    lanes = 1 + max((n for n, _ in enumerate(figure.curves)), default=0)
    for number, category in enumerate(categories):
        top = TOP + ROW * number
        text(
            svg, category if len(category) <= LABEL else category[: LABEL - 1] + "…", LEFT - 8, top + ROW / 2 + 4, "end"
        )
        line(svg, "lane", LEFT, top + ROW, WIDTH - RIGHT, top + ROW)
        for lane, curve in enumerate(figure.curves):
            if category in curve.points:
                y = round(top + GAP + (lane + 0.5) * (ROW - 2 * GAP) / lanes, 1)
                _mark(svg, curve.style, f"{category}, {curve.name}", curve.points[category], axis, y)
    return markup(svg)


def _mark(svg: Element, style: str, name: str, point: Interval, axis: Axis, y: float) -> None:
    group = SubElement(svg, "g", {"class": style})
    SubElement(group, "title").text = f"{name}: {interval_text(point)}"
    if point.low is not None and point.high is not None:
        line(group, "interval", axis(point.low), y, axis(point.high), y)
    x = axis(point.value)
    if style.startswith("published"):
        size = RADIUS - 0.5
        corners = f"{x},{y - size} {x + size},{y} {x},{y + size} {x - size},{y}"
        SubElement(group, "polygon", {"class": "mark", "points": corners})
    else:
        SubElement(group, "circle", {"class": "mark", "cx": str(x), "cy": str(y), "r": str(RADIUS - 0.5)})


def _lines(figure: Figure) -> Markup:
    left = 56
    numbers = sorted({float(key) for curve in figure.curves for key in curve.points})
    across = Axis(numbers, left, WIDTH - RIGHT, log=figure.number == SCALING_FIGURE)
    floor = LINES_HEIGHT - BOTTOM
    up = Axis(_figures(figure), floor, TOP)
    svg = picture(WIDTH, LINES_HEIGHT, figure.title)
    for tick in up.ticks:
        line(svg, "grid", left, up(tick), WIDTH - RIGHT, up(tick))
        text(svg, f"{tick:g}", left - 6, up(tick) + 4, "end")
    every = max(1, math.ceil(len(numbers) / 12))
    for number in numbers[::every]:
        text(svg, f"{number:g}", across(number), floor + 15, "middle")
    text(svg, f"{figure.axis}; vertical: {figure.unit}", (left + WIDTH) / 2, LINES_HEIGHT - 6, "middle")
    for curve in figure.curves:
        group = SubElement(svg, "g", {"class": curve.style})
        points = sorted((float(key), point) for key, point in curve.points.items())
        path = " ".join(f"{across(number)},{up(point.value)}" for number, point in points)
        SubElement(group, "polyline", {"class": "line", "points": path})
        for number, point in points:
            dot = SubElement(group, "g")
            SubElement(dot, "title").text = f"{curve.name}, {number:g}: {interval_text(point)}"
            if point.low is not None and point.high is not None:
                line(dot, "interval", across(number), up(point.low), across(number), up(point.high))
            place = {"cx": str(across(number)), "cy": str(up(point.value)), "r": str(RADIUS - 1)}
            SubElement(dot, "circle", {"class": "mark", **place})
    return markup(svg)


def samples_svg(series: Series) -> Markup:
    """Return the samples of a case by invocation, the baseline's first, so that drift shows. Where its blocks are
    recorded, they stand within their invocation, in the order of measurement.
    """
    width, left = (BLOCKS_WIDTH if series.blocks else STRIP_WIDTH), 48
    floor = STRIP_HEIGHT - 20
    up = Axis([*series.typical, *series.fastest, *series.then, *_usual(series.blocks)], floor, TOP)
    columns = len(series.blocks) or max(len(series.typical), len(series.fastest))
    width_of = INVOCATION_WIDTH if series.blocks else 1
    unit = (width - left - RIGHT) / max(1, len(series.then) + width_of * columns)
    begin, step = left + len(series.then) * unit, width_of * unit
    counting = [n for n, one in enumerate(series.blocks) if one.counts] if series.blocks else list(range(columns))
    svg = picture(width, STRIP_HEIGHT, f"samples over {series.name}, by invocation")
    for tick in up.ticks:
        line(svg, "grid", left, up(tick), width - RIGHT, up(tick))
        text(svg, f"{tick:.4g}", left - 6, up(tick) + 4, "end")
    for number, one in enumerate(series.blocks):
        _draw_blocks(svg, one, up, begin + number * step, step)
    places: Mapping[str, tuple[Sequence[float], list[float]]] = {
        "then": (series.then, [left + (n + 0.5) * unit for n in range(len(series.then))]),
        "fastest": (series.fastest, [begin + (n + 0.5) * step for n in counting]),
        "typical": (series.typical, [begin + (n + 0.5) * step for n in counting]),
    }
    for kind, (values, across) in places.items():
        for number, (value, x) in enumerate(zip(values, across, strict=False), start=1):
            place = {"cx": str(round(x, 1)), "cy": str(up(value)), "r": str(RADIUS - 1)}
            dot = SubElement(svg, "circle", {"class": kind, **place})
            SubElement(dot, "title").text = f"{kind}, invocation {number}: {value:.4g}"
    if series.then:
        line(svg, "border", round(begin, 1), TOP, round(begin, 1), floor)
        text(svg, "baseline", begin - 6, STRIP_HEIGHT - 5, "end")
        text(svg, "this run", begin + 6, STRIP_HEIGHT - 5, "start")
    else:
        text(svg, "this run, by invocation", left, STRIP_HEIGHT - 5, "start")
    screened = sum(not one.confirmation for one in series.blocks)
    if screened < len(series.blocks):
        x_of_first = round(begin + screened * step, 1)
        line(svg, "border", x_of_first, TOP, x_of_first, floor)
        text(svg, "confirmation", x_of_first + 6, STRIP_HEIGHT - 5, "start")
    return markup(svg)


def _usual(blocks: Sequence[Blocks]) -> list[float]:
    """Return the ends of an axis that shows the blocks that count, or all if none does, without the most extreme."""
    every = [(value, one.counts and number not in one.disturbed) for one in blocks
             for number, value in enumerate(one.values, start=1) if value is not None]  # fmt: skip
    values = [value for value, counts in every if counts] or [value for value, _ in every]
    return [quantile(values, 1 - USUAL), quantile(values, USUAL)] if values else []


def _draw_blocks(svg: Element, blocks: Blocks, up: Axis, begin: float, step: float) -> None:
    """Draw the blocks of an invocation as one path for those that count and one for the rest: many small elements
    would make a page with many cases large.
    """
    group = SubElement(svg, "g")
    SubElement(group, "title").text = counted(sum(value is not None for value in blocks.values), "block")
    gap = step / (len(blocks.values) + 1)
    marks: dict[str, list[str]] = {"blocks": [], "blocks disturbed": []}
    for number, value in enumerate(blocks.values, start=1):
        if value is not None:
            counts = blocks.counts and number not in blocks.disturbed
            marks["blocks" if counts else "blocks disturbed"].append(f"M{begin + number * gap:.1f} {up(value)}h0")
    for style, path in marks.items():
        if path:
            SubElement(group, "path", {"class": style, "d": "".join(path)})
    line(group, "lane", round(begin, 1), TOP, round(begin, 1), STRIP_HEIGHT - 20)


def interval_text(point: Interval, *, percent: bool = False) -> str:
    """Return a figure with its interval, such as "6.27 [6.09, 6.45]"; with `percent`, a change, such as
    "-6.4% [-7.8%, -5.0%]".
    """

    def shown(value: float) -> str:
        return f"{value - 1:+.1%}" if percent else f"{value:.2f}"

    if point.low is None or point.high is None:
        return shown(point.value)
    return f"{shown(point.value)} [{shown(point.low)}, {shown(point.high)}]"


def _figures(figure: Figure) -> list[float]:
    points = [point for curve in figure.curves for point in curve.points.values()]
    return [value for p in points for value in (p.value, p.low, p.high) if value is not None]
