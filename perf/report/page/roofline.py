"""The roofline: what the machine allows for each operational intensity, and where the cases and layers of a run are."""

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import SubElement

from markupsafe import Markup

from perf.facts import CnnFacts
from perf.limits.result import MachineLimits
from perf.limits.roofline import arithmetic_of
from perf.limits.text import excess_lines, limit_lines
from perf.measure.family import FP32_BYTES
from perf.report.page.data import LayerBound, NetworkLayers, Roof, Roofline, RooflinePoint
from perf.report.page.elements import line, markup, picture, text
from perf.report.page.source import ReportedCase
from perf.report.page.svg import Axis
from perf.runs.session.run import MeasuredContext

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, RADIUS = 640, 360, 56, 16, 12, 40, 4
MS_PER_S = 1e3


def roofline_of(cases: Mapping[str, ReportedCase], context: MeasuredContext) -> Roofline | None:
    """Return the roofline of a run's cases, by name; None where the limits of the machine were not probed."""
    limits = context.machine_limits
    if limits is None or limits.memory is None:
        return None
    peaks = (("fp32", limits.fp32), ("int8", limits.int8))
    return Roofline(
        roofs=[Roof(f"{kind.upper()}: {peak.kernel}", kind, peak.rate) for kind, peak in peaks if peak],
        gb_per_s=limits.memory.rate,
        points=[point for name, case in cases.items() if (point := _point(name, case))],
        layers=_layers(list(cases.values()), limits),
        lines=[*limit_lines(limits), *excess_lines({name: case.bound for name, case in cases.items()})],
    )


def _point(name: str, case: ReportedCase) -> RooflinePoint | None:
    facts = case.facts
    if facts is None or not facts.flops_per_pass or not facts.bytes_per_pass or not case.gflop_per_s:
        return None
    fraction = case.bound.fraction if case.bound else None
    intensity = facts.flops_per_pass / facts.bytes_per_pass
    return RooflinePoint(name, arithmetic_of(case.variant), intensity, case.gflop_per_s, fraction)


def _layers(cases: Sequence[ReportedCase], limits: MachineLimits) -> list[NetworkLayers]:
    """Return the layers of each network whose case holds them, at its largest batch."""
    largest: dict[str, tuple[ReportedCase, CnnFacts]] = {}
    for case in cases:
        if isinstance(case.facts, CnnFacts) and case.facts.check.layers:
            before = largest.get(case.subject)
            if before is None or before[1].batch < case.facts.batch:
                largest[case.subject] = case, case.facts
    return [
        NetworkLayers(case.workload, _bounds(facts, limits, case.instances or 1)) for case, facts in largest.values()
    ]


def _bounds(facts: CnnFacts, limits: MachineLimits, instances: int) -> list[LayerBound]:
    if limits.fp32 is None or limits.memory is None:
        return []
    bounds = []
    for layer in facts.check.layers:
        flops = 2 * layer.multiply_adds * facts.batch
        moved = FP32_BYTES * (layer.weights + layer.values * facts.batch)
        arithmetic_ms = instances * flops / (limits.fp32.rate * 1e9) * MS_PER_S
        memory_ms = instances * moved / (limits.memory.rate * 1e9) * MS_PER_S
        bounds.append(LayerBound(layer.name, flops / moved, arithmetic_ms, memory_ms))
    return sorted(bounds, key=lambda bound: -max(bound.arithmetic_ms, bound.memory_ms))


def roofline_svg(roofline: Roofline) -> Markup:
    """Return the roofline as SVG, on log scales: a roof for each arithmetic, and a mark for each case."""
    ridges = [roof.gflop_per_s / roofline.gb_per_s for roof in roofline.roofs]
    floor = HEIGHT - BOTTOM
    across = Axis([*ridges, *(point.intensity for point in roofline.points)], LEFT, WIDTH - RIGHT, log=True)
    rates = [*(roof.gflop_per_s for roof in roofline.roofs), *(point.gflop_per_s for point in roofline.points)]
    up = Axis(rates, floor, TOP, log=True)
    svg = picture(WIDTH, HEIGHT, "Roofline")
    for tick in up.ticks:
        line(svg, "grid", LEFT, up(tick), WIDTH - RIGHT, up(tick))
        text(svg, f"{tick:g}", LEFT - 6, up(tick) + 4, "end")
    for tick in across.ticks:
        text(svg, f"{tick:g}", across(tick), floor + 15, "middle")
    axes = "operations a byte of weights, inputs and outputs; vertical: 10^9 operations/s"
    text(svg, axes, (LEFT + WIDTH) / 2, HEIGHT - 6, "middle")
    for roof, ridge in zip(roofline.roofs, ridges, strict=True):
        # Where memory's line enters the picture: at its left edge, or at its floor.
        first = max(across.low, up.low / roofline.gb_per_s)
        places = ((first, first * roofline.gb_per_s), (ridge, roof.gflop_per_s), (across.high, roof.gflop_per_s))
        group = SubElement(svg, "g", {"class": roof.style})
        path = " ".join(f"{across(x)},{up(y)}" for x, y in places)
        line_element = SubElement(group, "polyline", {"class": "line", "points": path})
        SubElement(line_element, "title").text = f"{roof.name}, {roof.gflop_per_s:.0f} x 10^9 operations/s"
    for point in roofline.points:
        group = SubElement(svg, "g", {"class": point.style})
        reached = "" if point.fraction is None else f", {100 * point.fraction:.0f} % of its limit"
        SubElement(group, "title").text = f"{point.case}: {point.gflop_per_s:.0f} x 10^9 operations/s{reached}"
        place = {"cx": str(across(point.intensity)), "cy": str(up(point.gflop_per_s)), "r": str(RADIUS)}
        SubElement(group, "circle", {"class": "mark", **place})
    return markup(svg)
