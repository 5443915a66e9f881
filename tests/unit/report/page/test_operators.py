"""The picture of an explained case, and its place on the page."""

from xml.etree import ElementTree as ET

import msgspec

from perf.report.page.operators import SHOWN, operators_svg
from perf.runs.explanation import LayerTime
from tests.unit.profile.test_text import ALONE, CHANGED
from tests.unit.report.page.made_pages import HOSTILE


def test_each_layer_has_a_bar_and_the_culprits_stand_out() -> None:
    svg = ET.fromstring(operators_svg(CHANGED))  # noqa: S314 - the suite wrote it
    groups = [group for group in svg.iter("g") if group.find("rect") is not None]
    assert [group.get("class") for group in groups] == ["fp32", "then"]
    assert [len(group.findall("line")) for group in groups] == [1, 1], "an interval each"


def test_without_a_baseline_bars_have_no_intervals() -> None:
    plain = [msgspec.structs.replace(layer, change=None, then_ms=None) for layer in ALONE.layers]
    svg = ET.fromstring(operators_svg(msgspec.structs.replace(ALONE, layers=tuple(plain))))  # noqa: S314 - the suite wrote it
    assert not [line for group in svg.iter("g") for line in group.findall("line")]


def test_a_picture_holds_the_first_layers_only_and_escapes_their_names() -> None:
    many = tuple(LayerTime(HOSTILE, "conv", (), 1.0) for _ in range(3 * SHOWN))
    picture = operators_svg(msgspec.structs.replace(ALONE, layers=many))
    assert len([*ET.fromstring(picture).iter("rect")]) == SHOWN  # noqa: S314 - the suite wrote it
    assert "<script" not in picture
