"""The announcement's figures from a run, drawn as SVG; and JSON that no text can leave."""

import json
import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.published import published_scaling
from perf.report.page.data import Blocks, Figure, Interval, Series
from perf.report.page.figures import figures_of
from perf.report.page.source import reported
from perf.report.page.svg import Axis, figure_svg, interval_text, samples_svg
from perf.report.page.write import change_text, embedded, percent_text, ratio_text
from tests.unit.report.page.made_pages import HOSTILE, LATER

RUN = reported(LATER.read_bytes())
CURVES = {"digits": {1: [(0.5, 0.4), (0.9, 0.8)], 2: [(0.5, 0.5), (0.8, 0.8)]}}
FIGURES = figures_of(list(RUN.cases.values()), published_scaling(), CURVES)


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - the suite wrote it


def points(number: int, name: str) -> dict[str, Interval]:
    (curve,) = (curve for curve in FIGURES[number - 1].curves if curve.name == name)
    return curve.points


def test_there_are_six_in_order() -> None:
    assert [figure.number for figure in FIGURES] == [1, 2, 3, 4, 5, 6]


def test_throughput_is_that_of_the_largest_batch_and_latency_of_batch_1() -> None:
    assert set(points(1, "mkl-int8, measured")) == {f"{net}, b4" for net in points(2, "mkl-int8, measured")}
    assert points(1, "mkl-int8, published")["resnet50_v1, b4"].value == 52.83
    assert points(2, "mkl-fp32, published")["resnet50_v1"].value == 9.32
    measured = RUN.cases["resnet50_v1-b1-mkl-fp32"].speedup
    assert measured
    assert points(2, "mkl-fp32, measured")["resnet50_v1"] == Interval(measured.value, measured.low, measured.high)


def test_a_figure_of_which_nothing_was_measured_says_so() -> None:
    assert FIGURES[2].curves == []
    assert "No case of this figure" in FIGURES[2].note
    assert [figure.note != "" for figure in figures_of([], {2: 0.98}, {})] == [True] * 6


def test_recurrent_networks_of_one_sample_are_latency() -> None:
    assert list(points(4, "mkl-fp32, measured")) == ["lstm [1, 50, 512, 512] x4"]


def test_training_is_next_to_table_1() -> None:
    assert points(5, "published") == {str(n): Interval(100 * v) for n, v in published_scaling().items()}
    assert 50 < points(5, "train-resnet18_v1-b1-mkl, measured")["2"].value < 100


def test_accuracy_is_by_epoch_in_percent() -> None:
    assert points(6, "digits, 1 rank, held out") == {"1": Interval(40.0), "2": Interval(80.0)}
    assert "77.61 %" in FIGURES[5].note


@pytest.mark.parametrize("figure", [f for f in FIGURES if f.curves], ids=lambda figure: str(figure.number))
def test_every_point_is_drawn_within_the_picture(figure: Figure) -> None:
    svg = parsed(figure_svg(figure))
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    marks = [node for node in svg.iter() if node.get("class") == "mark"]
    assert len(marks) == sum(len(curve.points) for curve in figure.curves)
    for circle in svg.iter("circle"):
        assert 0 <= float(circle.attrib["cx"]) <= width
        assert 0 <= float(circle.attrib["cy"]) <= height


def test_samples_show_the_baseline_first() -> None:
    svg = parsed(samples_svg(Series("native-fp32", [2.0, 2.1], [2.2, 2.2], [1.9])))
    places = {kind: [float(c.attrib["cx"]) for c in svg if c.get("class") == kind] for kind in ("then", "typical")}
    assert max(places["then"]) < min(places["typical"])
    assert "baseline" in [text.text for text in svg.iter("text")]


BLOCKS = [
    Blocks(False, True, [2.0, None, 2.1, 9.0], [4]),
    Blocks(False, False, [7.0, 7.1], []),
    Blocks(True, True, [2.1], []),
]


def marks(svg: ET.Element, style: str) -> list[tuple[float, float]]:
    """Return the places of the blocks that are drawn in a style."""
    paths = [node.attrib["d"] for node in svg.iter() if node.get("class") == style]
    return [(float(x), float(y)) for path in paths for x, y in re.findall(r"M([\d.]+) ([\d.]+)h0", path)]


def test_blocks_stand_in_their_order_within_their_invocation() -> None:
    svg = parsed(samples_svg(Series("native-fp32", [2.05, 2.1], [2.2, 2.2], [1.9], BLOCKS)))
    counting, rest = marks(svg, "blocks"), marks(svg, "blocks disturbed")
    assert (len(counting), len(rest)) == (3, 3)
    assert counting == sorted(counting)
    typical = [float(node.attrib["cx"]) for node in svg.iter("circle") if node.get("class") == "typical"]
    assert counting[1][0] < rest[1][0] < counting[2][0], "the disturbed invocation is the second one"
    assert typical[0] < rest[1][0] < typical[1], "a value stands in its own invocation"
    assert "confirmation" in [text.text for text in svg.iter("text")]


def test_disturbed_blocks_do_not_decide_the_axis() -> None:
    svg = parsed(samples_svg(Series("native-fp32", [2.05, 2.1], [], [], BLOCKS)))
    top = min(y for _, y in marks(svg, "blocks disturbed"))
    assert [y for _, y in marks(svg, "blocks disturbed")] == [top] * 3, "all lie on the edge"
    assert max(y for _, y in marks(svg, "blocks")) - top > 50
    alone = parsed(samples_svg(Series("native-fp32", [], [], [], BLOCKS[1:2])))
    assert len({y for _, y in marks(alone, "blocks disturbed")}) == 2, "without any other block they do"


def test_a_name_with_markup_stays_a_text() -> None:
    svg = samples_svg(Series(HOSTILE, [1.0], [1.0], []))
    assert "<script" not in svg
    assert parsed(svg).attrib["aria-label"] == f"samples over {HOSTILE}, by invocation"


@given(st.lists(st.floats(1e-3, 1e5), min_size=1, max_size=20), st.booleans())
def test_an_axis_keeps_order_and_stays_between_its_ends(figures: list[float], log: bool) -> None:
    axis = Axis(figures, 10, 200, log=log)
    pixels = [axis(figure) for figure in sorted(figures)]
    assert pixels == sorted(pixels)
    assert all(10 <= pixel <= 200 for pixel in pixels)
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_embedded_json_is_the_same_and_holds_no_markup(value: object) -> None:
    text = embedded(json.dumps(value).encode())
    assert json.loads(text) == value
    assert not set("<>&") & set(text)


def test_figures_as_text() -> None:
    assert interval_text(Interval(6.271, 6.09, 6.449)) == "6.27 [6.09, 6.45]"
    assert change_text(Interval(0.936, 0.922, 0.95)) == "-6.4% [-7.8%, -5.0%]"
    assert change_text(Interval(0.5)) == "-50.0%"
    assert ratio_text(Interval(0.7726, 0.7208, 0.8281), percent=True) == "77.26 [72.08, 82.81] %"
    assert [ratio_text(None, percent=False), change_text(None), percent_text(None)] == ["-"] * 3
    assert percent_text(0.0545) == "5.45 %"
    assert math.isclose(Interval(1.0, None, 2.0).scaled(100).high or 0, 200)
