"""The checks of answers on a tiny network in real workers: it passes, and what is spoiled on purpose is caught."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from perf.cnn.accuracy import NetworkInspection, check_drift, check_fusion, check_vnni, inspect_network
from perf.cnn.checks.verify import verify
from perf.cnn.family import CnnFamily
from perf.cnn.operators.arithmetic import EXACT, int8_arithmetic
from perf.measure.family import Resources
from perf.measure.plan import Variant
from tests.support.mutants import with_parameters, with_symbol, with_variant

NETWORK = "cifar_resnet20_v1"
Variants = dict[str, Variant[Any]]
# Makes a spoiled variant of the sound ones, with its files in a folder.
Spoil = Callable[[Variants, Path], Variant[Any]]


@pytest.fixture(scope="module")
def sound(resources: Resources) -> NetworkInspection:
    return inspect_network(CnnFamily(pretrained=False, calibration="naive"), NETWORK, resources)


@pytest.fixture(scope="module")
def variants(sound: NetworkInspection) -> Variants:
    return {variant.name: variant for variant in sound.plan.variants}


@pytest.fixture
def pictures(resources: Resources, tmp_path: Path) -> Resources:
    """Resources whose cache is the test's own, for the pictures of failures."""
    return replace(resources, cache=tmp_path)


def scaled(convolution: str) -> Spoil:
    """Scale the weights of one convolution by 1.05."""
    code = f"tensors['arg:cifarresnetv10_{convolution}_weight'] *= 1.05"
    return lambda variants, folder: with_parameters(variants["mkl-int8"], code, folder)


def halved(variants: Variants, folder: Path) -> Variant[Any]:
    """Halve the threshold of one convolution."""

    def halve(nodes: dict[str, dict[str, Any]]) -> None:
        attributes = nodes["quantized_sg_mkldnn_conv_bn_act_10"]["attrs"]
        for bound in ("min_calib_range", "max_calib_range"):
            attributes[bound] = str(float(attributes[bound]) / 2)

    return with_symbol(variants["mkl-int8"], halve, folder)


def swapped(variants: Variants, folder: Path) -> Variant[Any]:
    """Swap two classes in the last layer."""
    code = """
for name in [name for name in tensors if "dense" in name and tensors[name].shape[0] == 10]:
    values = tensors[name].asnumpy()
    values[[0, 1]] = values[[1, 0]]
    tensors[name] = mx.nd.array(values, dtype=values.dtype)
"""
    return with_parameters(variants["mkl-int8"], code, folder)


def unfused(variants: Variants, folder: Path) -> Variant[Any]:
    """Call one activation by another name of the same function, which fusion does not know."""

    def unfuse(nodes: dict[str, dict[str, Any]]) -> None:
        node = nodes["cifarresnetv10_stage1_relu0_fwd"]
        node["op"], node["attrs"] = "relu", {}

    return with_symbol(variants["mkl-fp32"], unfuse, folder)


# The layer that each scaled convolution spoils.
SCALED = {
    "conv0": "batchnorm0_fwd",
    "stage2_conv2": "stage2_activation0",
    "stage3_conv6": "stage3_activation2",
}
SPOILS: dict[str, Spoil] = {
    **{convolution: scaled(convolution) for convolution in SCALED},
    "halved": halved,
    "swapped": swapped,
    "unfused": unfused,
}


@pytest.fixture(scope="module")
def spoiled(
    sound: NetworkInspection, variants: Variants, resources: Resources, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, NetworkInspection]:
    """The network as each of SPOILS leaves it; two at a time, since most of it is importing MXNet.

    Only the spoiled variant is run again, and the reference, by which it is judged.
    """

    def inspected(name: str) -> NetworkInspection:
        folder = tmp_path_factory.mktemp(name)
        variant = SPOILS[name](variants, folder)
        plan = with_variant(sound.plan, variant)
        again = tuple(one for one in plan.variants if one.name in {plan.reference, variant.name})
        verified = verify(replace(plan, variants=again), replace(resources, scratch=folder), sound.quantisation)
        return replace(sound, plan=plan, verified={**sound.verified, **verified})

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(SPOILS, pool.map(inspected, SPOILS), strict=True))


def test_a_sound_network_passes_all_checks(sound: NetworkInspection, resources: Resources) -> None:
    answers = [
        check_drift(sound, resources, store=False),
        check_fusion(sound, store=False),
        check_vnni(sound, resources, int8_arithmetic()),
    ]
    assert [(answer.check, answer.problem, answer.verdict) for answer in answers] == [
        ("INT8 drift", None, "right"),
        ("fusion", None, "right"),
        ("VNNI", None, "right"),
    ]


@pytest.mark.parametrize(("convolution", "layer"), SCALED.items())
def test_weights_scaled_in_one_layer_are_caught_and_located(
    convolution: str, layer: str, spoiled: dict[str, NetworkInspection], pictures: Resources
) -> None:
    problem = check_drift(spoiled[convolution], pictures, store=False).problem
    assert problem is not None
    assert f"layer cifarresnetv10_{layer} alone" in problem
    assert problem.count("alone has SQNR") == 1, problem
    (picture,) = pictures.cache.glob("layers-*.html")
    assert str(picture) in problem
    assert b"plotly" in picture.read_bytes().lower()


def test_a_halved_threshold_is_caught(spoiled: dict[str, NetworkInspection], pictures: Resources) -> None:
    problem = check_drift(spoiled["halved"], pictures, store=False).problem
    assert problem is not None
    assert "layer cifarresnetv10_stage2_relu1_fwd alone" in problem


def test_two_swapped_classes_are_caught(spoiled: dict[str, NetworkInspection], pictures: Resources) -> None:
    problem = check_drift(spoiled["swapped"], pictures, store=False).problem
    assert problem is not None
    assert "SQNR of the outputs" in problem


def test_a_layer_left_unfused_is_named(spoiled: dict[str, NetworkInspection]) -> None:
    assert spoiled["unfused"].verified["mkl-fp32"].output_difference == pytest.approx(0, abs=1e-5)
    problem = check_fusion(spoiled["unfused"], store=False).problem
    assert problem is not None
    assert "mkl-fp32: lost conv+bn+relu: cifarresnetv10_stage1_relu0_fwd" in problem


def test_a_network_that_runs_in_fp32_has_no_vnni(
    sound: NetworkInspection, variants: Variants, resources: Resources
) -> None:
    in_fp32 = replace(variants["mkl-fp32"], name="mkl-int8")
    spoiled = replace(sound, plan=with_variant(sound.plan, in_fp32))
    answer = check_vnni(spoiled, resources, EXACT)
    assert answer.problem == "MKL-DNN generated no INT8 convolution"
