"""Where the known defects of operators lie (perf/defects.toml): the random part of the check of operators leaves
that out, and what a network computes wrong there has a name.
"""

from collections.abc import Callable, Mapping

from perf.builds import BuildFacts
from perf.cnn.operators.base import OperatorCase
from perf.cnn.operators.int8 import threshold
from perf.cnn.operators.kinds import Convolution, Pooling, Residual
from perf.defects import defects_of

CHECK = "operators"
# Of each array of data, by name: whether its calibrated range begins below zero.
Signs = Mapping[str, bool]


def covered(case: OperatorCase, variant: str, facts: BuildFacts) -> bool:
    """Whether a known defect of an installation covers the case in a variant."""
    return bool(met(case, variant, signs_of(case), facts))


def met(case: OperatorCase, variant: str, signs: Signs, facts: BuildFacts) -> list[str]:
    """The known defects of an installation that cover a case with data of these signs in a variant, by name."""
    found = defects_of(CHECK)
    return [name for name, lies_in in REGIONS.items() if found[name].is_in(facts) and lies_in(case, variant, signs)]


def signs_of(case: OperatorCase) -> dict[str, bool]:
    """The signs of the case's own data."""
    return {name: threshold(values)[0] < 0 for name, values in case.data().items()}


def _grouped_fours(case: OperatorCase, variant: str, _: Signs) -> bool:
    """Channels of a group in fours, but not both sides in eights: MKL-DNN lays weights out as gOIhw4o4i."""
    if variant != "mkl-fp32" or not isinstance(case, Convolution) or case.groups == 1:
        return False
    sides = _group(case)
    return all(side % 4 == 0 for side in sides) and any(side % 8 for side in sides)


def _grouped_threes(case: OperatorCase, variant: str, _: Signs) -> bool:
    """Three channels a group into filters in eights, but not in sixteens: MKL-DNN runs its kernel for AVX2."""
    if variant != "mkl-fp32" or not isinstance(case, Convolution) or case.groups == 1:
        return False
    channels, filters = _group(case)
    return channels == 3 and filters % 16 == 8  # noqa: PLR2004 - channels


def _int8_grouped(case: OperatorCase, variant: str, _: Signs) -> bool:
    return variant == "mkl-int8" and isinstance(case, Convolution) and case.groups > 1 and not _depthwise(case)


def _int8_depthwise_padding(case: OperatorCase, variant: str, signs: Signs) -> bool:
    """Signed data and pads beside them, but for what MKL-DNN has a loop of its own for, MobileNet's kernels among it
    (is_resrc_depthwise in jit_avx512_core_x8s8s32x_conv_kernel.cpp).
    """
    if variant != "mkl-int8" or not isinstance(case, Convolution) or not _depthwise(case):
        return False
    own_loop = case.stride[1] < case.kernel[1] < 4 and case.dilate[1] == 1  # noqa: PLR2004 - columns
    return signs["data0"] and case.pad[1] > 0 and not own_loop


def _int8_depthwise_tail(case: OperatorCase, variant: str, _: Signs) -> bool:
    """More blocks of 16 channels than the four that fit into one pass (nb_ch_blocking in
    jit_avx512_core_x8s8s32x_conv_kernel.cpp), the last of them not full: every pass is cut like the last one.
    """
    if variant != "mkl-int8" or not isinstance(case, Convolution) or not _depthwise(case):
        return False
    return case.channels > 4 * 16 and case.channels % 16 > 0


def _int8_dilated_hole(case: OperatorCase, variant: str, _: Signs) -> bool:
    """The whole image fits between two rows of the kernel."""
    dilated = isinstance(case, Convolution) and case.dilate[0] > case.size[0] and case.kernel[0] > 1
    return variant == "mkl-int8" and dilated


def _int8_sum(case: OperatorCase, variant: str, signs: Signs) -> bool:
    """An addend of the other type than the output, which is unsigned behind a relu."""
    if variant != "mkl-int8" or not isinstance(case, Residual):
        return False
    return signs["data1"] == case.relu


def _int8_average_full(case: OperatorCase, variant: str, _: Signs) -> bool:
    """Windows that reach beyond the padding, which then counts."""
    if variant != "mkl-int8" or not isinstance(case, Pooling) or case.whole or not case.full:
        return False
    sides = zip(case.size, case.pad, case.kernel, case.stride, strict=True)
    overhanging = any((size + 2 * pad - kernel) % stride for size, pad, kernel, stride in sides)
    return case.pool == "avg" and case.count_pad and overhanging


def _int8_maximum_last(case: OperatorCase, variant: str, _: Signs) -> bool:
    return variant == "mkl-int8" and isinstance(case, Pooling) and case.pool == "max" and case.last


def _group(case: Convolution) -> tuple[int, int]:
    """A group's channels and filters."""
    return case.channels // case.groups, case.filters // case.groups


def _depthwise(case: Convolution) -> bool:
    return case.groups == case.channels == case.filters


REGIONS: dict[str, Callable[[OperatorCase, str, Signs], bool]] = {
    "grouped-convolution-fours": _grouped_fours,
    "grouped-convolution-threes": _grouped_threes,
    "int8-grouped-convolution": _int8_grouped,
    "int8-depthwise-padding": _int8_depthwise_padding,
    "int8-depthwise-tail": _int8_depthwise_tail,
    "int8-dilated-hole": _int8_dilated_hole,
    "int8-sum-of-other-type": _int8_sum,
    "int8-average-full": _int8_average_full,
    "int8-maximum-last": _int8_maximum_last,
}
"""By the defect's name: whether it covers a case in a variant."""
