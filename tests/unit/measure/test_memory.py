"""Estimates of memory, compared with what was needed: no case that would fit may be refused."""

import math
import tracemalloc
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from perf.cnn.family import CnnFamily
from perf.cnn.networks import INPUT, catalogue
from perf.dist.family import DistFamily, TrainingPlan
from perf.dist.program import TrainingProgram
from perf.files import ROOT
from perf.measure.family import PROCESS_BYTES, Resources
from perf.measure.plan import Plan, Program, Variant, Workload
from perf.rnn.agreement import draw_inputs, expected_outputs
from perf.rnn.family import RnnFamily
from perf.rnn.reference import Sizes
from perf.rnn.shapes import operator_of
from tests.support.fakes import PLACEMENTS, build

BASELINES = ROOT / "baselines"
STORED = sorted(BASELINES.glob("*/[0-9]*_*.json"))
RESOURCES = Mock(spec=Resources, placements=PLACEMENTS, hosts_file=None)


def recurrent(sizes: Sizes, batch: int, steps: int) -> Plan[Any]:
    program = operator_of(sizes)
    variants = tuple(Variant(name, build(), program) for name in ("native-fp32", "mkl-fp32"))
    workload = Workload("w", sizes.shapes(batch, steps), batch, 1.0, sizes.scales)
    return Plan("net", variants, (workload,), "native-fp32", family="rnn")


@pytest.mark.parametrize(
    ("sizes", "batch", "steps"),
    [
        (Sizes("lstm", 256, 256, 2), 32, 100),
        (Sizes("gru", 64, 256, 1, directions=2), 32, 100),
        (Sizes("rnn_tanh", 512, 128, 2), 64, 50),
        (Sizes("lstm", 1024, 1024, 1), 1, 2),
    ],
    ids=str,
)
def test_the_equations_need_about_what_is_estimated(sizes: Sizes, batch: int, steps: int) -> None:
    plan = recurrent(sizes, batch, steps)
    estimated = RnnFamily().memory_bytes(plan, Mock(placements=()))["w"] - PROCESS_BYTES
    workload = plan.workloads[0]
    tracemalloc.start()
    try:
        expected_outputs(sizes, draw_inputs(workload.inputs, workload.scales, 1))
        needed = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The estimate holds a worker's arrays besides.
    assert 0.7 * needed < estimated < 3 * needed


def test_a_large_shape_needs_more_memory_than_any_machine_has() -> None:
    plan = recurrent(Sizes("lstm", 1024, 1024, 4), 100_000, 1000)
    assert RnnFamily().memory_bytes(plan, RESOURCES)["w"] > 10**12


def stored_peaks(path: Path) -> dict[tuple[str, int], dict[str, int]]:
    """The peaks of a stored run's networks in bytes, by network, batch and variant."""
    by_case: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    for benchmark in msgspec.json.decode(path.read_bytes())["benchmarks"]:
        case = benchmark["extra_info"]
        if case["family"] == "cnn":
            facts = case.get("facts", case)  # the first four stored runs have no `facts`
            by_case[facts["network"], facts["batch"]][case["variant"]] = case["peak_memory_bytes"]
    return by_case


@pytest.mark.parametrize("path", STORED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_stored_network_needed_less_than_estimated(path: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.params").touch()
    program = Program(tmp_path / "empty.json", tmp_path / "empty.params", None, "")
    peaks = stored_peaks(path)
    assert peaks
    for (network, batch), by_variant in peaks.items():
        size = catalogue().image_size(network) or 0
        variants = tuple(Variant(name, build(), program) for name in by_variant)
        workload = Workload("w", {INPUT: (batch, 3, size, size)}, batch, 1.0)
        plan = Plan(network, variants, (workload,), variants[0].name, family="cnn")
        estimated = CnnFamily(pretrained=False, calibration="naive").memory_bytes(plan, RESOURCES)["w"]
        assert 0.2 * sum(by_variant.values()) < estimated < sum(by_variant.values()), (network, batch)


def training(ranks: Sequence[int], batch: int = 1) -> TrainingPlan:
    task = {"network": "resnet18_v1"}
    variants = tuple(Variant(f"r{n}", build(), TrainingProgram(f"resnet18_v1/b{batch}", n, task, {})) for n in ranks)
    workload = Workload("w", {"data": (batch, 3, 224, 224)}, batch, 1.0)
    return TrainingPlan("t", variants, (workload,), "r1", Mock(), Mock(), family="dist")


def test_every_rank_of_every_job_counts_but_not_those_on_other_hosts() -> None:
    estimate = DistFamily("quick").memory_bytes
    alone = estimate(training([1]), RESOURCES)["w"]
    assert estimate(training([1, 2]), RESOURCES)["w"] == 3 * alone
    # What a stored run took (resnet18_v1, one image): 427 MB.
    assert 0.4 * 427e6 < alone < 427e6
    assert estimate(training([1], batch=100_000), RESOURCES)["w"] > 100_000 * 4 * 8.2e6
    assert estimate(training([1, 2]), Mock(placements=PLACEMENTS, hosts_file=Path("hosts"))) == {}


def test_instances_of_a_variant_add_up() -> None:
    plan = recurrent(Sizes("lstm", 8, 8, 1), 1, 1)
    one, two = (RnnFamily().memory_bytes(plan, Mock(placements=PLACEMENTS * count))["w"] for count in (1, 2))
    assert math.isclose(two, 2 * one, rel_tol=0.01)


def test_a_network_that_could_not_be_quantised_needs_no_memory_for_int8(tmp_path: Path) -> None:
    """shufflenet_v1: its INT8 parameters were never made."""
    (tmp_path / "fp32.params").write_bytes(b"0" * 1000)
    fp32 = Program(tmp_path / "fp32.json", tmp_path / "fp32.params", None, "")
    int8 = Program(tmp_path / "int8.json", tmp_path / "int8.params", None, "", problem="cannot be quantised")
    variants = (Variant("native-fp32", build(), fp32), Variant("mkl-int8", build(), int8))
    workload = Workload("w", {INPUT: (1, 3, 224, 224)}, 1, 1.0)
    estimate = CnnFamily(pretrained=False, calibration="naive").memory_bytes
    both = Plan("shufflenet_v1", variants, (workload,), "native-fp32", family="cnn")
    alone = Plan("shufflenet_v1", variants[:1], (workload,), "native-fp32", family="cnn")
    assert estimate(both, RESOURCES) == estimate(alone, RESOURCES)
