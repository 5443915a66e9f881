"""Arrays on their way into MXNet and out of it."""

from typing import Any

import mxnet as mx
import numpy as np


def arrays_of(path: str) -> dict[str, Any]:
    """The arrays in an .npz file, by name, in the types that they were saved in."""
    with np.load(path) as saved:
        return {name: mx.nd.array(saved[name], dtype=saved[name].dtype) for name in saved.files}


def in_fp32(outputs: list[Any]) -> Any:
    """The first of an operator's outputs; when it is quantised, in the unit that its range, the next two, says."""
    first = outputs[0].asnumpy()
    if first.dtype.kind == "f":
        return first
    low, high = (float(output.asnumpy()) for output in outputs[1:3])
    return first.astype(np.float32) * (max(abs(low), abs(high)) / np.iinfo(first.dtype).max)
