"""Arrays that workers write to .npz files, for which lines of JSON are too small."""

import tokenize
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perf.builds.trust import UNPACKING_ERRORS
from perf.errors import WorkerError

# What numpy raises for a damaged file, in addition to what unpacking does: it also parses a header of each array.
DAMAGED = (*UNPACKING_ERRORS, AttributeError, MemoryError, SyntaxError, TypeError, tokenize.TokenError)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays in an .npz file by name. Raises WorkerError when it cannot be read."""
    try:
        # np.load leaves a damaged file open that it opened itself.
        with path.open("rb") as stream, np.load(stream) as saved:
            return dict(saved)
    except DAMAGED as error:
        raise WorkerError(f"it wrote arrays that cannot be read ({path.name}: {error})", "") from error


def read_outputs(path: Path) -> list[NDArray[Any]]:
    """Return a network's outputs in an .npz file: the arrays out0, out1 and so on. Raises WorkerError when it cannot be
    read, or holds anything else.
    """
    arrays = read_arrays(path)
    names = [f"out{number}" for number in range(len(arrays))]
    if not names or set(names) != set(arrays):
        raise WorkerError(f"it wrote {', '.join(sorted(arrays)) or 'no array'} instead of outputs ({path.name})", "")
    return [arrays[name] for name in names]
