"""The chart of a ladder: the speed of every workload over the anchor's, from release to release, as one HTML page."""

from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from perf.files import read_text
from perf.ladder.schema import StoredCell
from perf.ladder.table import NOT_AVAILABLE, Grid
from perf.report.page.data import Interval
from perf.report.page.elements import line, markup, picture, text
from perf.report.page.svg import Axis, interval_text
from perf.report.page.write import STYLE

TEMPLATE = Path(__file__).with_name("chart.html.jinja")
# The size of a panel, and the space around its lines, in pixels.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 400, 170, 44, 8, 10, 24
RADIUS = 3.5
# The width of a character of the labels, in pixels.
CHARACTER = 6.2


def chart_of(grid: Grid) -> str:
    """Return the page, which needs no network: a panel for each workload, in which significant steps stand out."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(read_text(TEMPLATE)).render(
        ladder=grid.ladder,
        style=Markup(read_text(STYLE)),  # noqa: S704 - a file of this package
        panels=[(workload, _panel(grid, workload)) for workload in grid.workloads],
    )


def _panel(grid: Grid, workload: str) -> Markup:
    """Draw the speeds of a workload: one place for each release, whether it has a figure or not."""
    cells = {release: grid.source(release, workload) for release in grid.releases}
    points = {release: point for release, cell in cells.items() if (point := _point(cell))}
    ends = [end for point in points.values() for end in (point.value, point.low, point.high) if end is not None]
    floor = HEIGHT - BOTTOM
    up = Axis([*ends, 1.0], floor, TOP)
    step = (WIDTH - LEFT - RIGHT) / max(1, len(grid.releases))
    across = {release: round(LEFT + (place + 0.5) * step, 1) for place, release in enumerate(grid.releases)}
    svg = picture(WIDTH, HEIGHT, f"{workload}: speed over the anchor's by release")
    for tick in up.ticks:
        line(svg, "grid", LEFT, up(tick), WIDTH - RIGHT, up(tick))
        text(svg, f"{tick:.4g}", LEFT - 6, up(tick) + 4, "end")
    line(svg, "border", LEFT, up(1.0), WIDTH - RIGHT, up(1.0))
    for release, x in across.items():
        label = text(svg, _shortened(release, step), x, floor + 16, "middle")
        SubElement(label, "title").text = release
        if cells[release].status == "not available":
            reason = text(svg, NOT_AVAILABLE, x, floor - 6, "middle")
            SubElement(reason, "title").text = f"{release}: {cells[release].reason}"
    path = " ".join(f"{across[release]},{up(point.value)}" for release, point in points.items())
    SubElement(svg, "polyline", {"class": "line", "points": path})
    for release, point in points.items():
        _mark(svg, grid, (release, workload), point, up, across[release])
    return markup(svg)


def _point(cell: StoredCell) -> Interval | None:
    return None if cell.speed is None else Interval(cell.speed, cell.low, cell.high)


def _mark(svg: Element, grid: Grid, place: tuple[str, str], point: Interval, up: Axis, x: float) -> None:
    """Draw the speed of a `place`, a release and a workload: a triangle where its step is significant."""
    release, workload = place
    step, y = grid.steps.get(place), up(point.value)
    down = step is not None and step.change is not None and step.change < 1
    significant = step is not None and step.significant
    group = SubElement(svg, "g", {"class": ("slower" if down else "faster") if significant else "plain"})
    change = grid.text(release, workload, interval=True)
    SubElement(group, "title").text = f"{release}: {interval_text(point)}; from the release before: {change}"
    if point.low is not None and point.high is not None:
        line(group, "interval", x, up(point.low), x, up(point.high))
    if significant:
        base, tip = (y - RADIUS, y + RADIUS + 1) if down else (y + RADIUS, y - RADIUS - 1)
        corners = f"{x - RADIUS - 1},{base} {x + RADIUS + 1},{base} {x},{tip}"
        SubElement(group, "polygon", {"class": "mark", "points": corners})
    else:
        same = grid.cells[place].status == "same stack"
        circle = {"class": "mark same" if same else "mark", "cx": str(x), "cy": str(y), "r": str(RADIUS)}
        SubElement(group, "circle", circle)


def _shortened(release: str, width: float) -> str:
    """Return a release's name as far as it fits into a width in pixels; candidates may have long ones."""
    fitting = max(1, int(width / CHARACTER))
    return release if len(release) <= fitting else f"{release[: fitting - 1]}…"
