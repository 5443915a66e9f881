"""The chart of a ladder: the speed of every workload over the anchor's, from release to release, as one HTML page."""

from plotly.subplots import make_subplots

from perf.ladder.schema import StoredCell
from perf.ladder.table import Grid

COLUMNS, ROW_PIXELS = 3, 230
COLOUR, SIGNIFICANT = "#1f77b4", "#d62728"


def chart_of(grid: Grid) -> str:
    """Return the page, which needs no network: a panel for each workload; significant steps are red."""
    rows = -(-len(grid.workloads) // COLUMNS)
    chart = make_subplots(rows=rows, cols=COLUMNS, subplot_titles=grid.workloads)
    for place, workload in enumerate(grid.workloads):
        cells = [(release, grid.source(release, workload)) for release in grid.releases]
        known = [(release, cell) for release, cell in cells if cell.speed is not None]
        steps = [grid.steps.get((release, workload)) for release, _ in known]
        chart.add_scatter(
            x=[release for release, _ in known],
            y=[cell.speed for _, cell in known],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [_beyond(cell, cell.high) for _, cell in known],
                "arrayminus": [-_beyond(cell, cell.low) for _, cell in known],
            },
            marker={"color": [SIGNIFICANT if step and step.significant else COLOUR for step in steps]},
            line={"color": COLOUR, "width": 1},
            mode="lines+markers",
            name=workload,
            row=place // COLUMNS + 1,
            col=place % COLUMNS + 1,
        )
    ladder = grid.ladder
    chart.update_xaxes(type="category", categoryorder="array", categoryarray=grid.releases)
    chart.update_layout(
        title=f"Speed over {ladder.anchor} by release, with 95 % intervals; red: a significant step. "
        f"{ladder.machine_class}, {ladder.datetime.partition('T')[0]}",
        template="plotly_white",
        showlegend=False,
        height=120 + ROW_PIXELS * rows,
    )
    page: str = chart.to_html(include_plotlyjs=True)
    return page


def _beyond(cell: StoredCell, end: float | None) -> float:
    """How far an end of a cell's interval lies above its speed; 0 when it is unknown."""
    return 0.0 if end is None or cell.speed is None else end - cell.speed
