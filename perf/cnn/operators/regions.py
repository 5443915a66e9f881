"""Which cases the known defects of operators (perf/defects.toml) affect.

Random cases leave these out, and a message about a network names the defects that affect its layers.
"""

from collections.abc import Callable, Mapping

from perf.builds import BuildFacts
from perf.cnn.operators.base import OperatorCase
from perf.cnn.operators.int8 import threshold
from perf.cnn.operators.kinds import Convolution, Pooling, Residual
from perf.defects import defects_of

CHECK = "operators"
# For each array of data, by name, whether its calibrated range is signed.
Signs = Mapping[str, bool]


def is_covered(case: OperatorCase, variant: str, facts: BuildFacts) -> bool:
    """Return whether a known defect of an installation affects a case in a variant."""
    return bool(defects_covering(case, variant, signs_of(case), facts))


def defects_covering(case: OperatorCase, variant: str, signs: Signs, facts: BuildFacts) -> list[str]:
    """Return the names of an installation's known defects that affect a case with data of these signs in a variant."""
    defects = defects_of(CHECK)
    return [name for name, covers in REGIONS.items() if defects[name].is_in(facts) and covers(case, variant, signs)]


def signs_of(case: OperatorCase) -> dict[str, bool]:
    """Return the signs of a case's own data."""
    return {name: threshold(values)[0] < 0 for name, values in case.data().items()}


def _grouped_fours(case: OperatorCase, variant: str, _: Signs) -> bool:
    """Channels and filters of a group are multiples of 4, not both of 8: MKL-DNN stores weights as gOIhw4o4i."""
    if variant != "mkl-fp32" or not isinstance(case, Convolution) or case.groups == 1:
        return False
    sides = _group(case)
    return all(side % 4 == 0 for side in sides) and any(side % 8 for side in sides)


def _grouped_threes(case: OperatorCase, variant: str, _: Signs) -> bool:
    """A group has 3 channels, and filters that are a multiple of 8 but not 16: MKL-DNN runs its kernel for AVX2."""
    if variant != "mkl-fp32" or not isinstance(case, Convolution) or case.groups == 1:
        return False
    channels, filters = _group(case)
    return channels == 3 and filters % 16 == 8  # noqa: PLR2004 - channels


def _int8_grouped(case: OperatorCase, variant: str, _: Signs) -> bool:
    """A convolution has groups, and is not depthwise."""
    return variant == "mkl-int8" and isinstance(case, Convolution) and case.groups > 1 and not _depthwise(case)


def _int8_depthwise_padding(case: OperatorCase, variant: str, signs: Signs) -> bool:
    """The data are signed and padded on the left and right.

    Not affected are the kernels for which MKL-DNN has a special loop, such as MobileNet's (is_resrc_depthwise in
    jit_avx512_core_x8s8s32x_conv_kernel.cpp).
    """
    if variant != "mkl-int8" or not isinstance(case, Convolution) or not _depthwise(case):
        return False
    special_loop = case.stride[1] < case.kernel[1] < 4 and case.dilate[1] == 1  # noqa: PLR2004 - columns
    return signs["data0"] and case.pad[1] > 0 and not special_loop


def _int8_depthwise_tail(case: OperatorCase, variant: str, _: Signs) -> bool:
    """There are more than 4 blocks of 16 channels, and the last block is not full.

    4 blocks fit into one pass (nb_ch_blocking in jit_avx512_core_x8s8s32x_conv_kernel.cpp). The defect shortens the
    last block of every pass, not only that of the last pass.
    """
    if variant != "mkl-int8" or not isinstance(case, Convolution) or not _depthwise(case):
        return False
    return case.channels > 4 * 16 and case.channels % 16 > 0


def _int8_dilated_hole(case: OperatorCase, variant: str, _: Signs) -> bool:
    """The whole image fits between two rows of the dilated kernel."""
    dilated = isinstance(case, Convolution) and case.dilate[0] > case.size[0] and case.kernel[0] > 1
    return variant == "mkl-int8" and dilated


def _int8_sum(case: OperatorCase, variant: str, signs: Signs) -> bool:
    """Addend and output have different types. The output is unsigned after a relu, else signed."""
    if variant != "mkl-int8" or not isinstance(case, Residual):
        return False
    return signs["data1"] == case.relu


def _int8_average_full(case: OperatorCase, variant: str, _: Signs) -> bool:
    """Windows of an average that counts the padding extend beyond it."""
    if variant != "mkl-int8" or not isinstance(case, Pooling) or case.whole or not case.full:
        return False
    sides = zip(case.size, case.pad, case.kernel, case.stride, strict=True)
    overhanging = any((size + 2 * pad - kernel) % stride for size, pad, kernel, stride in sides)
    return case.pool == "avg" and case.count_pad and overhanging


def _int8_average_tail(case: OperatorCase, variant: str, _: Signs) -> bool:
    """The last of the blocks of 32 channels is not full: its mask is wrong, and so are the blocks before it. Up to 8
    channels are right; so are 9 to 12, but memory behind them is overwritten, and the process aborts or hangs.
    """
    if variant != "mkl-int8" or not isinstance(case, Pooling) or case.pool != "avg":
        return False
    return case.channels > 8 and case.channels % 32 > 0  # noqa: PLR2004 - channels that are right


def _int8_maximum_last(case: OperatorCase, variant: str, _: Signs) -> bool:
    """A maximum pooling is the network's last operator."""
    return variant == "mkl-int8" and isinstance(case, Pooling) and case.pool == "max" and case.last


def _group(case: Convolution) -> tuple[int, int]:
    """Return the channels and filters of a group."""
    return case.channels // case.groups, case.filters // case.groups


def _depthwise(case: Convolution) -> bool:
    return case.groups == case.channels == case.filters


# By the name of a defect, whether it affects a case in a variant.
REGIONS: dict[str, Callable[[OperatorCase, str, Signs], bool]] = {
    "grouped-convolution-fours": _grouped_fours,
    "grouped-convolution-threes": _grouped_threes,
    "int8-grouped-convolution": _int8_grouped,
    "int8-depthwise-padding": _int8_depthwise_padding,
    "int8-depthwise-tail": _int8_depthwise_tail,
    "int8-dilated-hole": _int8_dilated_hole,
    "int8-sum-of-other-type": _int8_sum,
    "int8-average-full": _int8_average_full,
    "int8-average-tail": _int8_average_tail,
    "int8-maximum-last": _int8_maximum_last,
}
