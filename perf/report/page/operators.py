"""Where the time of a changed case goes: the change of each layer, as bars with their intervals."""

from xml.etree.ElementTree import SubElement

from markupsafe import Markup

from perf.report.page.elements import line, markup, picture, text
from perf.report.page.svg import Axis
from perf.runs.explanation import Explanation, LayerTime

WIDTH, ROW, TOP, BOTTOM, LEFT, RIGHT, BAR = 640, 22, 8, 40, 230, 16, 12
# Rows of a picture; the run's file holds all layers.
SHOWN = 12
# Characters of a layer's name that fit.
LABEL = 36


def operators_svg(explanation: Explanation) -> Markup:
    """Return the first layers of an explanation as SVG: the change of each in ms or, without a baseline, its time."""
    layers = explanation.layers[:SHOWN]
    height = TOP + ROW * len(layers) + BOTTOM
    axis = Axis([0.0, *(end for layer in layers for end in _ends(layer))], LEFT, WIDTH - RIGHT)
    floor = height - BOTTOM
    svg = picture(WIDTH, height, f"{'Change' if explanation.change else 'Time'} of each layer of a {explanation.unit}")
    for tick in axis.ticks:
        line(svg, "grid", axis(tick), TOP, axis(tick), floor)
        text(svg, f"{tick:g}", axis(tick), floor + 15, "middle")
    title = f"ms of a {explanation.unit}{', now minus baseline' if explanation.change else ''}"
    text(svg, title, (LEFT + WIDTH) / 2, height - 6, "middle")
    for number, layer in enumerate(layers):
        middle = TOP + ROW * (number + 0.5)
        name = layer.name if len(layer.name) <= LABEL else f"{layer.name[: LABEL - 1]}…"
        text(svg, name, LEFT - 8, middle + 4, "end")
        group = SubElement(svg, "g", {"class": "fp32" if number < explanation.culprits else "then"})
        SubElement(group, "title").text = "; ".join([layer.name, layer.operators, *layer.facts])
        places = sorted((axis(0.0), axis(_ends(layer)[0])))
        size = {"x": str(places[0]), "width": str(round(places[1] - places[0], 1) or 1)}
        SubElement(group, "rect", {"class": "bar", "y": str(middle - BAR / 2), "height": str(BAR), **size})
        if len(_ends(layer)) > 1:
            line(group, "interval", axis(_ends(layer)[1]), middle, axis(_ends(layer)[2]), middle)
    return markup(svg)


def _ends(layer: LayerTime) -> list[float]:
    """Return the change of a layer with the ends of its interval, or its time, in ms."""
    if layer.change is None:
        return [layer.now_ms]
    change = layer.change
    return [end for end in (change.ms, change.low_ms, change.high_ms) if end is not None]
