"""Verifying a network in real workers: the builds agree, and a spoiled network is reported."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from perf.builds import Build
from perf.cnn.artifacts.prepare import Artifacts
from perf.cnn.checks.fusion import operator_counts
from perf.cnn.checks.verify import VerifiedVariant, verify
from perf.cnn.networks import INPUT, REFERENCE, catalogue
from perf.measure.family import Resources
from perf.measure.plan import Plan, Variant, Workload
from tests.support.mutants import program_of, with_parameters

NETWORK = "cifar_resnet20_v1"
WORKLOAD = Workload(f"{NETWORK}-b2", {INPUT: (2, 3, 32, 32)}, items=2, weight=1.0)


@pytest.fixture
def variants(tiny: Artifacts, builds: Mapping[str, Build]) -> dict[str, Variant[Any]]:
    return {name: Variant(name, builds[data.build], tiny.program(data)) for name, data in catalogue().variants.items()}


def verified(variants: list[Variant[Any]], resources: Resources) -> dict[str, VerifiedVariant]:
    return verify(Plan(NETWORK, tuple(variants), (WORKLOAD,), REFERENCE, family="cnn"), resources, "naive")


def test_the_builds_agree(variants: dict[str, Variant[Any]], resources: Resources) -> None:
    checks = verified(list(variants.values()), resources)
    native, fp32, int8 = (checks[name] for name in ("native-fp32", "mkl-fp32", "mkl-int8"))
    assert [check.problem for check in (native, fp32, int8)] == [None] * 3
    counts = {name: operator_counts(check.operators) for name, check in checks.items()}
    assert (counts["native-fp32"]["fused"], counts["native-fp32"]["quantized"]) == (0, 0)
    assert counts["mkl-fp32"]["fused"] > counts["mkl-fp32"]["quantized"] == 0
    assert counts["mkl-int8"]["quantized"] > 15
    assert (native.isa, native.output_difference, native.drift) == ("unknown", 0, None)
    assert fp32.output_difference is not None
    assert fp32.output_difference < 1e-5
    assert int8.drift is not None
    assert 10 < int8.drift.sqnr_db < 40, "INT8 that is as exact as FP32 did not run, and noise is not an answer"
    assert int8.isa.startswith(("jit_int8:", "igemm_s8u8s32:")), "with AVX-512, and without"
    assert "int8" not in fp32.isa != "unknown"


SCALE = """
(name,) = [name for name in tensors if name.endswith("dense0_weight")]
tensors[name] *= {factor}
"""


def test_a_spoiled_tensor_is_reported(variants: dict[str, Variant[Any]], resources: Resources, tmp_path: Path) -> None:
    native, fp32 = variants["native-fp32"], variants["mkl-fp32"]
    one_percent = with_parameters(fp32, SCALE.format(factor="1.01"), tmp_path / "one percent")
    checks = verified([one_percent, native], resources)
    assert checks["native-fp32"].problem is None
    problem = checks["mkl-fp32"].problem
    assert problem is not None
    assert problem.what == "its outputs differ from those of native-fp32 by 0.01 of the largest, more than 0.001"
    not_finite = with_parameters(fp32, SCALE.format(factor="float('nan')"), tmp_path / "not finite")
    problem = verified([not_finite, native], resources)["mkl-fp32"].problem
    assert problem is not None
    assert problem.what == "its outputs are not finite"


def test_answers_that_are_not_stored_are_judged_by_floors(
    variants: dict[str, Variant[Any]], resources: Resources, tmp_path: Path
) -> None:
    """The network meets a known defect with little effect: until then, whatever INT8 computed passed."""
    native, int8 = variants["native-fp32"], variants["mkl-int8"]
    code = "tensors['arg:cifarresnetv10_stage1_conv0_weight'] *= 2"
    spoiled = with_parameters(int8, code, tmp_path)
    shutil.copytree(program_of(int8).symbol.parent, tmp_path, dirs_exist_ok=True)  # FP32 beside it, as prepared
    sound, wrong = (
        verify(Plan(NETWORK, (native, variant), (WORKLOAD,), REFERENCE, family="cnn"), resources, "not stored")[
            "mkl-int8"
        ]
        for variant in (int8, replace(spoiled, program=replace(program_of(spoiled), symbol=tmp_path / "int8.json")))
    )
    assert sound.problem is None
    assert sound.unjudged == (
        "known defect int8-sum-of-other-type in 3 layers, with little effect on the images of this check"
    )
    assert wrong.problem is not None
    assert "layer cifarresnetv10_stage1_relu0_fwd alone has SQNR 0." in wrong.problem.what
