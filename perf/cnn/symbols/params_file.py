"""What a parameter file of MXNet holds, read without MXNet: names, shapes and types of its arrays.

The format is that of NDArray::Save (src/ndarray/ndarray.cc, releases up to 1.9): a header, the arrays, their names.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from perf.errors import PerfError
from perf.files import check_regular

# The start of a list of arrays.
LIST = 0x112
# The start of an array, by the version of the format. Before the first of them, an array started with its dimensions.
VERSION_1, VERSION_2, NUMPY_SHAPES = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
# Bytes of a value, by MXNet's number of the type (mshadow::TypeFlag).
TYPES = {0: 4, 1: 8, 2: 2, 3: 1, 4: 4, 5: 1, 6: 8}
FLOAT32 = 0
# More than any network has, so that a damaged count is not taken for one.
MOST_DIMENSIONS, MOST_ARRAYS, LONGEST_NAME = 32, 1_000_000, 10_000
EXPORT = "write both files with gluon's export or Module's save_checkpoint"


@dataclass(frozen=True)
class StoredArray:
    """An array in a file: its `shape`, and whether its type is `float32`."""

    shape: tuple[int, ...]
    float32: bool


class _DamagedError(Exception):
    """The content is not in the format. The text says why."""


def read_params(path: Path) -> Mapping[str, StoredArray]:
    """Return the arrays of a parameter file by name, such as "arg:conv0_weight".

    Raises PerfError, naming the file, when it cannot be read, is not a parameter file, or is incomplete.
    """
    try:
        size = check_regular(path, EXPORT).st_size
        with path.open("rb") as stream:
            return _arrays(stream, size)
    except OSError as error:
        raise PerfError(f"cannot be read: {error.strerror}", subject=str(path), next_step="check the path") from error
    except _DamagedError as error:
        raise PerfError(f"is not a parameter file of MXNet: {error}", subject=str(path), next_step=EXPORT) from error


def _arrays(stream: BinaryIO, size: int) -> dict[str, StoredArray]:
    magic, _, count = _numbers(stream, "<QQQ")
    if magic != LIST or count > MOST_ARRAYS:
        raise _DamagedError("it does not begin as one")
    arrays = [_array(stream, size) for _ in range(count)]
    (named,) = _numbers(stream, "<Q")
    if named != count:
        raise _DamagedError(
            "its arrays have no names" if not named else "it has another number of names than of arrays"
        )
    names = [_name(stream) for _ in range(named)]
    return dict(zip(names, arrays, strict=True))


def _array(stream: BinaryIO, size: int) -> StoredArray:
    """Read what stands before an array's values, and skip those."""
    (version,) = _numbers(stream, "<I")
    if version == NUMPY_SHAPES:
        raise _DamagedError("it was saved with numpy's shapes, which MXNet 1.5 cannot read; save it without set_np")
    if version == VERSION_2 and _numbers(stream, "<i") != (0,):
        raise _DamagedError("it holds a sparse array")
    if version in {VERSION_1, VERSION_2}:
        (dimensions,), length = _numbers(stream, "<i"), "q"
    else:
        dimensions, length = version, "I"
    if not 0 < dimensions <= MOST_DIMENSIONS:
        raise _DamagedError("one of its arrays has no shape")
    shape = _numbers(stream, f"<{dimensions}{length}")
    *_, kind = _numbers(stream, "<iii")
    if kind not in TYPES or min(shape) < 0:
        raise _DamagedError("one of its arrays has an unknown type")
    end = stream.tell() + math.prod(shape) * TYPES[kind]
    if end > size:
        raise _DamagedError("it is incomplete")
    stream.seek(end)
    return StoredArray(shape, kind == FLOAT32)


def _name(stream: BinaryIO) -> str:
    (length,) = _numbers(stream, "<Q")
    if length > LONGEST_NAME:
        raise _DamagedError("the name of an array is too long")
    (name,) = struct.unpack(f"{length}s", _exactly(stream, length))
    return str(name, errors="replace")


def _numbers(stream: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, _exactly(stream, struct.calcsize(form)))


def _exactly(stream: BinaryIO, count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise _DamagedError("it is incomplete")
    return content
