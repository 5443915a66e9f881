"""Runs inside the `zoo` build's Python, on one network of a user: makes its artifacts."""

import json
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np

from perf.cnn.artifacts.images import images_of_shape
from perf.cnn.artifacts.int8 import make_int8, save, state_of
from perf.cnn.artifacts.zoo_protocol import RefusalError, answer_request, last_line

# The name of every network's input in artifacts.
INPUT = "data"
FILES = "check the files and the shape of --perf-symbol"


def make_artifacts(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write FP32 and INT8 symbols with parameters into the folder, and return the number of classes.

    INT8 is left out when the request has "quantised": false. Raises RefusalError when the network cannot be used.
    """
    mx.random.seed(request["seed"])
    draw = np.random.RandomState(request["seed"])
    symbol, arguments, auxiliary = _loaded(request)
    classes = _checked(symbol, arguments, auxiliary, request["input_shape"])
    _run(symbol, arguments, auxiliary, images_of_shape(draw, 1, request["input_shape"]))
    save(folder / "fp32", symbol, arguments, auxiliary)
    result = {"classes": classes, "draw": state_of(draw)}
    if request.get("quantised", True) and request["quantiser"]:
        make_int8(request, folder, symbol, arguments, auxiliary, draw)
    return result


def _loaded(request: dict[str, Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return symbol, arguments and auxiliary states. The input is called `INPUT`, whatever it was called."""
    content = json.loads(Path(request["symbol_file"]).read_text())
    for node in content["nodes"]:
        if node["name"] == request["input"]:
            node["name"] = INPUT
        elif node["name"] == INPUT:
            raise RefusalError(f"a parameter is called {INPUT}, but the input {request['input']}", FILES)
    try:
        symbol = mx.sym.load_json(json.dumps(content))
        tensors = mx.nd.load(request["params_file"])
    except (mx.base.MXNetError, ValueError) as error:
        raise RefusalError(f"MXNet {mx.__version__} cannot load it ({_first_line(error)})", FILES) from None
    wanted = {"arg": symbol.list_arguments(), "aux": symbol.list_auxiliary_states()}
    states: dict[str, dict[str, Any]] = {"arg": {}, "aux": {}}
    for kind, names in wanted.items():
        for name in names:
            if name != INPUT and f"{kind}:{name}" not in tensors:
                raise RefusalError(f"the parameter file lacks {kind}:{name}", FILES)
        states[kind] = {name: tensors[f"{kind}:{name}"] for name in names if name != INPUT}
    return symbol, states["arg"], states["aux"]


def _checked(symbol: Any, arguments: dict[str, Any], auxiliary: dict[str, Any], shape: list[int]) -> int:
    """Return the number of classes. Raises RefusalError when the shape does not fit the network or its parameters, or
    the output is not (images, classes).
    """
    text = "x".join(map(str, shape))
    try:
        argument_shapes, outputs, auxiliary_shapes = symbol.infer_shape(**{INPUT: (1, *shape)})
    except mx.base.MXNetError as error:
        raise RefusalError(f"images of {text} do not fit it ({_first_line(error)})", FILES) from None
    if argument_shapes is None:
        raise RefusalError(f"the shapes of its layers do not follow from images of {text}", FILES)
    needed = dict(zip(symbol.list_arguments(), argument_shapes, strict=True))
    needed |= dict(zip(symbol.list_auxiliary_states(), auxiliary_shapes, strict=True))
    for name, array in (arguments | auxiliary).items():
        if tuple(array.shape) != tuple(needed[name]):
            raise RefusalError(
                f"with images of {text}, {name} must have shape {tuple(needed[name])}, but has {tuple(array.shape)}",
                FILES,
            )
    (output,) = outputs
    if len(output) != 2 or output[0] != 1 or output[1] < 2:  # noqa: PLR2004 - images by at least two classes
        raise RefusalError(
            f"it is not a classification network: its output is not (images, classes), but {tuple(output)}",
            "bring a network that ends with the scores of its classes",
        )
    return int(output[1])


def _run(symbol: Any, arguments: dict[str, Any], auxiliary: dict[str, Any], images: Any) -> None:
    """Run the network once. Raises RefusalError when its outputs are not finite."""
    bound = {INPUT: mx.nd.array(images), **arguments}
    (output,) = symbol.bind(mx.cpu(), bound, aux_states=auxiliary, grad_req="null").forward(is_train=False)
    if not np.isfinite(output.asnumpy()).all():
        raise RefusalError("its outputs are not finite", "check its parameters")


def _first_line(error: Exception) -> str:
    """Return the first line of an error of MXNet, without the time and place in its source."""
    lines = str(error).strip().splitlines()
    return lines[0].rsplit("] ", 1)[-1] if lines else last_line(error)


if __name__ == "__main__":
    answer_request(make_artifacts)
