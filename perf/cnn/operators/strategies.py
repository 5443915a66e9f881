"""Random cases, with a strategy for each kind.

Cases are small: defects of kernels show at the ends of their loops, and small cases run fast.
"""

from typing import Any

from hypothesis import strategies as st

from perf.cnn.operators.base import OperatorCase, Pair
from perf.cnn.operators.kinds import Concat, Convolution, FullyConnected, Pooling, Residual
from perf.property_testing import INTEGER_LIMIT

# Kernels process channels in blocks of 4, 8, 16 and more, and the rest on its own.
_CHANNELS = st.one_of(st.integers(1, 8), st.sampled_from([12, 15, 16, 17, 24, 32, 48, 64]))
# Not smaller: thresholds have six decimals, so an INT8 network would have no steps left.
_SCALES = st.sampled_from([1.0, 0.01, 0.1, 3.0, 30.0, 1000.0])
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "batch": st.integers(1, 3),
    "scale": _SCALES,
    "signed": st.booleans(),
    "seed": st.integers(0, INTEGER_LIMIT - 1),
}


def _pairs(low: int, high: int) -> st.SearchStrategy[Pair]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def _convolution_fields(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.integers(0, 3)) == 3:  # noqa: PLR2004 - one in four is depthwise, some with two filters a channel
        channels = groups = draw(_CHANNELS)
        filters = channels * draw(st.sampled_from([1, 1, 1, 2]))
    else:
        groups = draw(st.sampled_from([1, 1, 1, 1, 2, 4]))
        channels, filters = groups * draw(_CHANNELS), groups * draw(_CHANNELS)
    kernel, dilate = draw(_pairs(1, 5)), draw(st.one_of(st.just((1, 1)), _pairs(1, 2)))
    pad = draw(_pairs(0, 2))
    least = [max(1, dilate[axis] * (kernel[axis] - 1) + 1 - 2 * pad[axis]) for axis in (0, 1)]
    more = draw(_pairs(0, 9))
    return {
        **{name: draw(values) for name, values in _VALUES.items()},
        "channels": channels,
        "size": (least[0] + more[0], least[1] + more[1]),
        "filters": filters,
        "kernel": kernel,
        "stride": draw(_pairs(1, 3)),
        "pad": pad,
        "dilate": dilate,
        "groups": groups,
        "bias": draw(st.booleans()),
        "relu": draw(st.booleans()),
    }


@st.composite
def _poolings(draw: st.DrawFn) -> Pooling:
    kernel = draw(_pairs(1, 5))
    pad = draw(_pairs(0, 2).map(lambda pad: (min(pad[0], kernel[0] - 1), min(pad[1], kernel[1] - 1))))
    more = draw(_pairs(0, 9))
    # A window that is added by rounding up must overlap the image: an empty window has no maximum and no average.
    full = draw(st.booleans())
    most = [kernel[axis] - pad[axis] if full else 3 for axis in (0, 1)]
    return Pooling(
        **{name: draw(values) for name, values in _VALUES.items()},
        channels=draw(_CHANNELS),
        size=(max(1, kernel[0] - 2 * pad[0]) + more[0], max(1, kernel[1] - 2 * pad[1]) + more[1]),
        pool=draw(st.sampled_from(["max", "avg"])),
        kernel=kernel,
        stride=(draw(st.integers(1, min(3, most[0]))), draw(st.integers(1, min(3, most[1])))),
        pad=pad,
        full=full,
        whole=draw(st.sampled_from([False, False, False, True])),
        count_pad=draw(st.booleans()),
        last=draw(st.booleans()),
    )


@st.composite
def _concats(draw: st.DrawFn) -> Concat:
    parts = draw(st.integers(2, 4))

    def one_each(values: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(st.lists(values, min_size=parts, max_size=parts)))

    return Concat(
        batch=draw(_VALUES["batch"]),
        scale=draw(_VALUES["scale"]),
        seed=draw(_VALUES["seed"]),
        size=draw(_pairs(1, 7)),
        channels=one_each(_CHANNELS),
        scales=one_each(st.sampled_from([1.0, 0.5, 2.0, 0.01])),
        signs=one_each(st.booleans()),
    )


CASES: dict[str, st.SearchStrategy[OperatorCase]] = {
    "convolution": st.builds(lambda fields: Convolution(**fields), _convolution_fields()),
    "residual": st.builds(
        lambda fields, scale, signed: Residual(**fields, addend_scale=fields["scale"] * scale, addend_signed=signed),
        _convolution_fields(),
        st.sampled_from([1.0, 0.1, 5.0]),
        st.booleans(),
    ),
    "fully_connected": st.builds(
        FullyConnected,
        **_VALUES,
        inputs=st.one_of(
            st.tuples(st.one_of(st.integers(1, INTEGER_LIMIT - 1), st.sampled_from([127, 128, 129, 200]))),
            st.tuples(_CHANNELS, st.integers(1, 4), st.integers(1, 4)),
        ),
        outputs=st.integers(1, 70),
        bias=st.booleans(),
        relu=st.booleans(),
    ),
    "pooling": _poolings(),
    "concat": _concats(),
}
