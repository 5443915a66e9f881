"""The roofline of a run: its roofs, its cases, its layers, and what an earlier run lacks."""

from xml.etree import ElementTree as ET

import msgspec
import pytest

from perf.facts import CnnCheck, CnnFacts, LayerCost
from perf.limits.result import KernelLimit, MachineLimits
from perf.limits.roofline import Bound
from perf.report.page.roofline import roofline_of, roofline_svg
from perf.report.page.source import ReportedCase, reported
from tests.unit.report.page.made_pages import HOSTILE, LATER

RUN = reported(LATER.read_bytes())
LIMITS = MachineLimits(
    kernels=[
        KernelLimit("fp32_avx2", "fp32", 200.0, 3.1, 198.4),
        KernelLimit("int8_avx2", "int8", 400.0, 3.1, 396.8),
        KernelLimit("copy", "copy", 20.0, 3.1, None),
    ],
    cores=2,
    cache_bytes=32_000_000,
)
CONTEXT = msgspec.structs.replace(RUN.perf, machine_limits=LIMITS)
LAYERS = [LayerCost("small", 1e6, 1000, 2000.0), LayerCost("large", 1e9, 1_000_000, 500_000.0)]


def cases(name: str = "resnet50_v1-b4-mkl-fp32", batch: int = 4) -> dict[str, ReportedCase]:
    case = RUN.cases["resnet50_v1-b4-mkl-fp32"]
    check = CnnCheck("jit:avx2", 0, 0, 0, None, 1e9, layers=LAYERS)
    facts = CnnFacts("resnet50_v1", batch, 8e9, check, 1e8)
    bound = Bound(0.04, 0.0, 0.7, 0.8)
    return {name: msgspec.structs.replace(case, facts=facts, gflop_per_s=140.0, instances=1, bound=bound)}


def test_a_run_without_limits_has_no_roofline() -> None:
    assert roofline_of(RUN.cases, RUN.perf) is None


def test_cases_of_earlier_versions_are_left_out() -> None:
    roofline = roofline_of(RUN.cases, CONTEXT)
    assert roofline is not None
    assert roofline.points == []
    assert [roof.gflop_per_s for roof in roofline.roofs] == [200.0, 400.0]


def test_a_case_is_where_its_operations_and_bytes_put_it() -> None:
    roofline = roofline_of(cases(), CONTEXT)
    assert roofline is not None
    (point,) = roofline.points
    assert (point.style, point.intensity, point.gflop_per_s, point.fraction) == ("fp32", 80.0, 140.0, 0.7)


def test_layers_come_with_their_bounds_and_the_longest_first() -> None:
    roofline = roofline_of(cases(), CONTEXT)
    assert roofline is not None
    (network,) = roofline.layers
    assert [layer.name for layer in network.layers] == ["large", "small"]
    assert network.layers[0].arithmetic_ms == pytest.approx(40)
    assert network.layers[0].memory_ms == pytest.approx(0.6)


def test_every_case_has_a_mark_and_names_are_escaped() -> None:
    roofline = roofline_of(cases(HOSTILE), CONTEXT)
    assert roofline is not None
    svg = roofline_svg(roofline)
    assert "<script>" not in svg
    root = ET.fromstring(svg)  # noqa: S314 - the suite wrote it
    assert len(root.findall(".//circle")) == 1
    assert len(root.findall(".//polyline")) == 2


def test_a_case_beyond_its_limit_is_named() -> None:
    beyond = {name: msgspec.structs.replace(case, bound=Bound(0.04, 0.0, 1.0, 1.1)) for name, case in cases().items()}
    roofline = roofline_of(beyond, CONTEXT)
    assert roofline is not None
    assert any("exceeds the machine's limit of arithmetic by 10 %" in line for line in roofline.lines)
