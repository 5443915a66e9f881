"""The checks of answers on a tiny network in real workers: it passes, and what is spoiled on purpose is caught."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from perf.cnn.accuracy import NetworkInspection, check_drift, check_layers_kept, check_vnni, inspect_network
from perf.cnn.checks.verify import verify
from perf.cnn.family import CnnFamily
from perf.machine import read_machine
from perf.measure.family import Resources
from perf.measure.plan import Variant
from tests.support.mutants import with_parameters, with_symbol, with_variant

NETWORK = "cifar_resnet20_v1"
HAS_VNNI = read_machine().has_isa("avx512_vnni")


@pytest.fixture(scope="module")
def sound(resources: Resources) -> NetworkInspection:
    return inspect_network(CnnFamily(pretrained=False, calibration="naive"), NETWORK, resources)


@pytest.fixture(scope="module")
def variants(sound: NetworkInspection) -> dict[str, Variant[Any]]:
    return {variant.name: variant for variant in sound.plan.variants}


@pytest.fixture
def pictures(resources: Resources, tmp_path: Path) -> Resources:
    """Resources whose cache is the test's own, for the pictures of failures."""
    return replace(resources, cache=tmp_path)


def look_with(sound: NetworkInspection, spoiled: Variant[Any], resources: Resources) -> NetworkInspection:
    """Only the spoiled variant is run again, and the reference, by which it is judged."""
    plan = with_variant(sound.plan, spoiled)
    again = tuple(variant for variant in plan.variants if variant.name in {plan.reference, spoiled.name})
    verified = verify(replace(plan, variants=again), resources, sound.quantisation)
    return replace(sound, plan=plan, verified={**sound.verified, **verified})


def test_a_sound_network_passes_all_checks(sound: NetworkInspection, resources: Resources) -> None:
    answers = [
        check_drift(sound, resources, store=False),
        check_layers_kept(sound, store=False),
        check_vnni(sound, resources, has_vnni=HAS_VNNI),
    ]
    assert [(answer.check, answer.problem, answer.verdict) for answer in answers] == [
        ("INT8 drift", None, "right"),
        ("fusion", None, "right"),
        ("VNNI", None, "right"),
    ]


@pytest.mark.parametrize(
    ("convolution", "layer"),
    [
        ("conv0", "batchnorm0_fwd"),
        ("stage2_conv2", "stage2_activation0"),
        ("stage3_conv6", "stage3_activation2"),
    ],
)
def test_weights_scaled_in_one_layer_are_caught_and_located(
    convolution: str,
    layer: str,
    sound: NetworkInspection,
    variants: dict[str, Variant[Any]],
    pictures: Resources,
    tmp_path: Path,
) -> None:
    code = f"tensors['arg:cifarresnetv10_{convolution}_weight'] *= 1.05"
    spoiled = look_with(sound, with_parameters(variants["mkl-int8"], code, tmp_path), pictures)
    problem = check_drift(spoiled, pictures, store=False).problem
    assert problem is not None
    assert f"layer cifarresnetv10_{layer} by itself" in problem
    assert problem.count("by itself") == 1, problem
    (picture,) = tmp_path.glob("layers-*.html")
    assert str(picture) in problem
    assert b"plotly" in picture.read_bytes().lower()


def test_a_halved_threshold_is_caught(
    sound: NetworkInspection, variants: dict[str, Variant[Any]], pictures: Resources, tmp_path: Path
) -> None:
    def halve(nodes: dict[str, dict[str, Any]]) -> None:
        attributes = nodes["quantized_sg_mkldnn_conv_bn_act_10"]["attrs"]
        for bound in ("min_calib_range", "max_calib_range"):
            attributes[bound] = str(float(attributes[bound]) / 2)

    spoiled = look_with(sound, with_symbol(variants["mkl-int8"], halve, tmp_path), pictures)
    problem = check_drift(spoiled, pictures, store=False).problem
    assert problem is not None
    assert "layer cifarresnetv10_stage2_relu1_fwd by itself" in problem


def test_two_swapped_classes_are_caught(
    sound: NetworkInspection, variants: dict[str, Variant[Any]], pictures: Resources, tmp_path: Path
) -> None:
    code = """
for name in [name for name in tensors if "dense" in name and tensors[name].shape[0] == 10]:
    values = tensors[name].asnumpy()
    values[[0, 1]] = values[[1, 0]]
    tensors[name] = mx.nd.array(values, dtype=values.dtype)
"""
    spoiled = look_with(sound, with_parameters(variants["mkl-int8"], code, tmp_path), pictures)
    problem = check_drift(spoiled, pictures, store=False).problem
    assert problem is not None
    assert "SQNR of the outputs" in problem


def test_a_layer_left_unfused_is_named(
    sound: NetworkInspection, variants: dict[str, Variant[Any]], resources: Resources, tmp_path: Path
) -> None:
    def unfuse(nodes: dict[str, dict[str, Any]]) -> None:
        # The same function under another name, which fusion does not know.
        node = nodes["cifarresnetv10_stage1_relu0_fwd"]
        node["op"], node["attrs"] = "relu", {}

    spoiled = look_with(sound, with_symbol(variants["mkl-fp32"], unfuse, tmp_path), resources)
    assert spoiled.verified["mkl-fp32"].output_difference == pytest.approx(0, abs=1e-5)
    problem = check_layers_kept(spoiled, store=False).problem
    assert problem is not None
    assert "mkl-fp32: lost conv+bn+relu: cifarresnetv10_stage1_relu0_fwd" in problem


def test_a_network_that_runs_in_fp32_has_no_vnni(
    sound: NetworkInspection, variants: dict[str, Variant[Any]], resources: Resources
) -> None:
    in_fp32 = replace(variants["mkl-fp32"], name="mkl-int8")
    spoiled = replace(sound, plan=with_variant(sound.plan, in_fp32))
    answer = check_vnni(spoiled, resources, has_vnni=HAS_VNNI)
    assert answer.problem == "MKL-DNN generated no INT8 convolution"
