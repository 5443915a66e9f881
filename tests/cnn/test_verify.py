"""Verifying a network for real: the builds agree, and a network that was spoilt is found out."""

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from perf.builds import Build, process_environment
from perf.cnn.networks import REFERENCE, catalogue
from perf.cnn.prepare import Artifacts
from perf.cnn.verify import Verified, verify
from perf.measure.family import Resources
from perf.measure.plan import Plan, Program, Variant, Workload

pytestmark = pytest.mark.real

WORKLOAD = Workload("cifar_resnet20_v1-b2", {"data": (2, 3, 32, 32)}, items=2, weight=1.0)

SPOIL = """
import sys
import mxnet as mx
source, *targets = sys.argv[1:]
for target, factor in zip(targets, (1.01, float("nan"))):
    tensors = mx.nd.load(source)
    (name,) = [name for name in tensors if name.endswith("dense0_weight")]
    tensors[name] *= factor
    mx.nd.save(target, tensors)
"""


@pytest.fixture
def variants(tiny: Artifacts, builds: Mapping[str, Build]) -> dict[str, Variant]:
    return {
        name: Variant(
            name, builds[data.build], Program(tiny.symbol(data.artifact), tiny.params(data.artifact), data.subgraph)
        )
        for name, data in catalogue().variants.items()
    }


def verified(variants: list[Variant], resources: Resources) -> dict[str, Verified]:
    return verify(Plan("cifar_resnet20_v1", tuple(variants), (WORKLOAD,), REFERENCE), resources)


def test_the_builds_agree(variants: dict[str, Variant], resources: Resources) -> None:
    found = verified(list(variants.values()), resources)
    native, fp32, int8 = (found[name] for name in ("native-fp32", "mkl-fp32", "mkl-int8"))
    assert [check.problem for check in (native, fp32, int8)] == [None] * 3
    assert (native.fused, native.quantized, native.isa, native.output_difference) == (0, 0, "unknown", 0)
    assert fp32.output_difference is not None
    assert fp32.output_difference < 1e-5
    assert fp32.fused > fp32.quantized == 0
    assert int8.output_difference is not None
    assert 1e-5 < int8.output_difference < 0.5, "INT8 that is as exact as FP32 did not run, and half is no answer"
    assert int8.quantized > 15
    assert "int8" in int8.isa
    assert "int8" not in fp32.isa != "unknown"


def test_a_spoilt_tensor_is_found_out(variants: dict[str, Variant], resources: Resources, tmp_path: Path) -> None:
    native, fp32 = variants["native-fp32"], variants["mkl-fp32"]
    program = fp32.program
    assert isinstance(program, Program)
    scaled, infinite = tmp_path / "scaled.params", tmp_path / "infinite.params"
    command = [str(fp32.build.python), "-c", SPOIL, *map(str, (program.params, scaled, infinite))]
    subprocess.run(command, env=process_environment(fp32.build, 1), check=True)
    one_percent = replace(fp32, program=replace(program, params=scaled))
    not_finite = replace(fp32, name="mkl-int8", program=replace(program, params=infinite))
    found = verified([one_percent, not_finite, native], resources)
    told = [check.problem.what if check.problem else None for check in map(found.get, variants) if check]
    assert told == [
        None,
        "its outputs differ from native-fp32's by 0.01 of the largest, over 0.001",
        "its outputs are not finite; no operator is quantized in mkl-int8",
    ]
