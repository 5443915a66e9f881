"""The page of a ladder: a panel for each workload, which shows every release, and no more than a page needs."""

import re
from xml.etree import ElementTree as ET

import msgspec

from perf.ladder.chart import chart_of
from perf.ladder.schema import StoredLadder
from perf.ladder.table import Grid
from tests.unit.ladder.made_ladder import cell, ladder

QUIET = [0.001, -0.001, 0.0005, -0.0005]
SLOWER, FASTER = ([value + by for value in QUIET] for by in (-0.1, 0.1))
HOSTILE = "<b>new</b>.whl"
MADE = ladder(
    {
        "softmax": {"1.3.1": "it <fails> | here", "1.4.1": QUIET, "1.5.0": SLOWER, HOSTILE: FASTER},
        "tanh": {"1.3.1": QUIET, "1.4.1": QUIET, HOSTILE: "no"},
        "relu": dict.fromkeys(("1.3.1", "1.4.1", "1.5.0", HOSTILE), "it fails"),
    },
    cell("1.5.0", [], "tanh", status="same stack", reason="1.4.1"),
)


def panels(made: StoredLadder) -> dict[str, ET.Element]:
    """The pictures of a page by workload."""
    drawn = re.findall(r"<figcaption>(.*?)</figcaption>(<svg.*?</svg>)", chart_of(Grid(made)), re.DOTALL)
    return {workload: ET.fromstring(svg) for workload, svg in drawn}  # noqa: S314 - our own


def marks(panel: ET.Element) -> list[tuple[str, str]]:
    """What stands at each release that has a figure: the group's class and the shape."""
    return [(group.attrib["class"], shape.tag) for group in panel.iter("g") for shape in group.iter()
            if shape.attrib.get("class", "").startswith("mark")]  # fmt: skip


def test_significant_steps_differ_in_colour_and_in_shape() -> None:
    assert marks(panels(MADE)["softmax"]) == [("plain", "circle"), ("slower", "polygon"), ("faster", "polygon")]


def test_a_release_with_the_same_stack_is_hollow_and_one_without_a_figure_says_why() -> None:
    drawn = panels(MADE)
    circles = [circle.attrib["class"] for circle in drawn["tanh"].iter("circle")]
    assert circles == ["mark", "mark", "mark same"]
    reasons = [text.findtext("title") for text in drawn["softmax"].iter("text") if text.text == "n/a"]
    assert reasons == ["1.3.1: it <fails> | here"]
    assert marks(drawn["relu"]) == []
    assert sum(text.text == "n/a" for text in drawn["relu"].iter("text")) == 4


def test_every_panel_names_every_release() -> None:
    releases = [rung.release for rung in MADE.rungs]
    for panel in panels(MADE).values():
        assert [title for text in panel.iter("text") if (title := text.findtext("title")) in releases] == releases


def test_names_do_not_become_markup_and_the_page_fetches_nothing() -> None:
    page = chart_of(Grid(msgspec.structs.replace(MADE, cpu="<script>alert(1)</script>")))
    assert "<b>" not in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_ladder_as_large_as_the_standard_one_is_a_small_page() -> None:
    names = [f"1.{number}.0" for number in range(8)]
    made = ladder({f"workload{number}": dict.fromkeys(names, QUIET) for number in range(27)})
    assert len(chart_of(Grid(made))) < 150_000


def test_labels_of_long_names_keep_apart() -> None:
    made = ladder({"tanh": {f"{number}-long-name.whl": QUIET for number in range(20)}})
    labels = [text for text in panels(made)["tanh"].iter("text") if text.find("title") is not None]
    step = float(labels[1].attrib["x"]) - float(labels[0].attrib["x"])
    assert all(len(label.text or "") * 6 <= step for label in labels)
