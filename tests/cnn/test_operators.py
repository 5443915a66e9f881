"""What a variant's operators prove."""

import pytest

from perf.cnn.networks import catalogue
from perf.cnn.verify import Verified, check_operators

LISTED = sorted(catalogue().networks)


def verified(fused: int = 0, quantized: int = 0, unfused: int = 0) -> Verified:
    operators = {"_sg_mkldnn_conv": fused, "_contrib_quantized_conv": quantized, "Convolution": unfused, "Flatten": 1}
    return Verified(operators, "unknown", None)


def as_listed(network: str, more: int = 0) -> Verified:
    expected = catalogue().networks[network]
    return verified(expected.fused + more, expected.quantized + more, expected.unfused + more)


def test_operators_are_counted_by_kind() -> None:
    operators = {
        "_sg_mkldnn_conv": 1,
        "_sg_mkldnn_conv[quantized]": 3,
        "_contrib_quantized_pooling": 2,
        "_contrib_quantize_v2": 10,
        "_contrib_requantize": 20,
        "_contrib_dequantize": 30,
        "Convolution": 4,
        "elemwise_add": 5,
        "Flatten": 40,
    }
    found = Verified(operators, "unknown", 0.5)
    assert (found.fused, found.quantized, found.unfused) == (4, 5, 9)
    assert found.facts() == {
        "isa": "unknown",
        "operators_fused": 4,
        "operators_quantized": 5,
        "operators_unfused": 9,
        "output_difference": 0.5,
        "multiply_adds_per_image": None,
    }


@pytest.mark.parametrize("variant", ["mkl-fp32", "mkl-int8"])
@pytest.mark.parametrize("network", LISTED)
def test_a_listed_network_has_exactly_its_counts(network: str, variant: str) -> None:
    expected = catalogue().networks[network]
    kinds = ["quantized"] if variant == "mkl-int8" else ["fused", "unfused"]
    assert check_operators(network, variant, as_listed(network)) == []
    assert check_operators(network, variant, as_listed(network, more=1)) == [
        f"{getattr(expected, kind) + 1} operators are {kind}, {getattr(expected, kind)} expected" for kind in kinds
    ]


@pytest.mark.parametrize(
    ("variant", "found", "problems"),
    [
        ("mkl-fp32", verified(fused=1, unfused=9), []),
        ("mkl-fp32", verified(quantized=1), ["no operator is fused in mkl-fp32"]),
        ("mkl-int8", verified(quantized=1), []),
        ("mkl-int8", verified(fused=1), ["no operator is quantized in mkl-int8"]),
    ],
)
def test_any_other_network_has_at_least_one(variant: str, found: Verified, problems: list[str]) -> None:
    assert check_operators("vgg11", variant, found) == problems


@pytest.mark.parametrize("network", ["resnet50_v1", "vgg11"])
def test_the_native_build_neither_fuses_nor_quantises(network: str) -> None:
    assert check_operators(network, "native-fp32", verified(unfused=99)) == []
    assert check_operators(network, "native-fp32", verified(fused=2, quantized=3)) == [
        "2 fused operators in native-fp32",
        "3 quantized operators in native-fp32",
    ]
