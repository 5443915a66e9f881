"""Symbol and parameter files as MXNet 1.5 writes them, made without MXNet."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

PARAMS = {"arg:conv0_weight": (4, 1, 3, 3), "arg:conv0_bias": (4,), "arg:fc_weight": (10, 4), "arg:fc_bias": (10,)}
NUMBERS = {"float32": 0, "float64": 1, "float16": 2}
# name, operator, names of its inputs
NODES = (
    ("data", "null", ()),
    ("conv0_weight", "null", ()),
    ("conv0_bias", "null", ()),
    ("conv0", "Convolution", ("data", "conv0_weight", "conv0_bias")),
    ("fc_weight", "null", ()),
    ("fc_bias", "null", ()),
    ("fc", "FullyConnected", ("conv0", "fc_weight", "fc_bias")),
)
MadeNode = tuple[str, str, Sequence[str]]


def symbol_text(nodes: Sequence[MadeNode] = NODES, heads: Sequence[str] = ("fc",)) -> str:
    """The text of a symbol file with these nodes, each after its inputs."""
    number = {name: place for place, (name, _, _) in enumerate(nodes)}
    listed = [{"op": op, "name": name, "inputs": [[number[i], 0, 0] for i in inputs]} for name, op, inputs in nodes]
    return json.dumps({"nodes": listed, "heads": [[number[name], 0, 0] for name in heads], "attrs": {}})


def params_bytes(
    shapes: Mapping[str, Sequence[int]] = PARAMS, kind: str = "float32", version: int = 0xF993FAC9
) -> bytes:
    """The bytes of a parameter file with arrays of zeros."""
    parts = [struct.pack("<QQQ", 0x112, 0, len(shapes))]
    for shape in shapes.values():
        parts.append(struct.pack("<I", version))
        if version == 0xF993FAC9:
            parts.append(struct.pack("<i", 0))
        parts.append(struct.pack(f"<i{len(shape)}q", len(shape), *shape))
        parts.append(struct.pack("<iii", 1, 0, NUMBERS[kind]))
        parts.append(np.zeros(shape, kind).tobytes())
    parts.append(struct.pack("<Q", len(shapes)))
    parts += [struct.pack("<Q", len(name)) + name.encode() for name in shapes]
    return b"".join(parts)


def written(folder: Path, symbol: str | None = None, params: bytes | None = None) -> str:
    """The value of --perf-symbol for both files in a folder."""
    (folder / "net.json").write_text(symbol_text() if symbol is None else symbol)
    (folder / "net.params").write_bytes(params_bytes() if params is None else params)
    return f"mynet={folder / 'net.json'},{folder / 'net.params'},1x8x8"
