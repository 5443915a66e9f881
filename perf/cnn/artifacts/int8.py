"""Runs inside a build's Python: quantises an exported network with the release of that build, and writes it to files.

`zoo` imports it for the networks that it exports. Builds of other releases run it as a program, and need no GluonCV.
"""

from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np

from perf.cnn.artifacts.images import images_of_shape, synthetic_images
from perf.cnn.artifacts.zoo_protocol import answer_request, flush
from perf.worker.graph_surgery import load_symbol
from perf.worker.quantise import quantise


def requantise(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Quantise the network in the request's files, on images drawn from the request's state, into the folder."""
    arguments: dict[str, Any] = {}
    auxiliary: dict[str, Any] = {}
    for key, value in mx.nd.load(request["params"]).items():
        kind, name = key.split(":", 1)
        (arguments if kind == "arg" else auxiliary)[name] = value
    draw = np.random.RandomState()
    draw.set_state(tuple(request["draw"]))
    make_int8(request, folder, load_symbol(request["symbol"], request["unknown"]), arguments, auxiliary, draw)
    return {"mxnet": mx.__version__}


def make_int8(request: dict[str, Any], folder: Path, symbol: Any, arguments: Any, auxiliary: Any, draw: Any) -> None:
    """Quantise a network and write int8.json and int8.params into the folder. `draw` draws synthetic images."""
    calibration = request["calibration"]
    quantised = quantise(
        symbol,
        arguments,
        auxiliary,
        {"data": mx.nd.array(_calibration_images(request, draw))},
        mode=calibration["mode"],
        exclusions=request["exclusions"],
        quantiser=request["quantiser"],
        batch_size=calibration["batch_size"],
    )
    save(folder / "int8", *quantised)


def state_of(draw: Any) -> list[Any]:
    """Return the state of a numpy RandomState as JSON values: another process can continue to draw from it."""
    name, keys, *rest = draw.get_state()
    return [name, keys.tolist(), *rest]


def save(prefix: Path, symbol: Any, arguments: Any, auxiliary: Any) -> None:
    """Write PREFIX.json and PREFIX.params, and flush them to the disk.

    Both are read back, because MXNet ignores a full disk. Raises OSError when they are not as written.
    """
    tensors = {f"arg:{name}": value for name, value in arguments.items()}
    tensors.update({f"aux:{name}": value for name, value in auxiliary.items()})
    symbol_file, params_file = f"{prefix}.json", f"{prefix}.params"
    symbol.save(symbol_file)
    mx.nd.save(params_file, tensors)
    flush(symbol_file)
    flush(params_file)
    if mx.sym.load(symbol_file).tojson() != symbol.tojson() or mx.nd.load(params_file).keys() != tensors.keys():
        raise OSError(f"{prefix} could not be read back as it was written")


def _calibration_images(request: dict[str, Any], draw: Any) -> Any:
    """Return the images of the file that the request names, or synthetic ones of the network's shape."""
    if "input_shape" in request:
        return images_of_shape(draw, request["calibration"]["count"], request["input_shape"])
    if request["calibration"]["sha256"] is None:
        return synthetic_images(draw, request["calibration"]["count"], request["image_size"])
    with np.load(request["calibration_file"]) as file:
        return file["data"]


if __name__ == "__main__":
    answer_request(requantise)
