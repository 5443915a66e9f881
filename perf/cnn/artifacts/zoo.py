"""Runs inside the `zoo` build's Python, on one network: makes its artifacts, or reads the size of its images.

The request says which of `TASKS` to run.
"""

import difflib
from pathlib import Path
from typing import Any

import gluoncv
import mxnet as mx
import numpy as np
from mxnet.gluon import nn

from perf.cnn.artifacts.images import synthetic_images
from perf.cnn.artifacts.int8 import make_int8, save, state_of
from perf.cnn.artifacts.zoo_protocol import RefusalError, answer_request, last_line

# Batch-norm statistics are taken from one training-mode pass over this many images.
STATISTICS_IMAGES = 16
# Smaller activations are denormal: arithmetic on them is many times slower, so that times would not be comparable.
SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)


def make_artifacts(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write FP32 and INT8 symbols with parameters into the folder. Return statistics of the FP32 activations, and the
    state that calibration images are drawn from.

    INT8 is left out when the request has "quantised": false, or no quantiser. Raises RefusalError when the network or
    its weights cannot be used.
    """
    mx.random.seed(request["seed"])
    rng = np.random.RandomState(request["seed"])
    size = request["image_size"]
    network = network_of(request)
    if request["weights"] == "synthetic":
        _behave_as_trained(network, rng, mx.nd.array(synthetic_images(rng, STATISTICS_IMAGES, size)))
    network.hybridize()
    outputs = network(mx.nd.array(synthetic_images(rng, 1, size)))
    if isinstance(outputs, list | tuple) or outputs.ndim != 2:  # noqa: PLR2004 - images by classes
        raise RefusalError(f"{request['network']} is not a classification network: its output is not (images, classes)")
    symbol, arguments, auxiliary = _export(network, folder)
    result = _check_activations(symbol, arguments, auxiliary, mx.nd.array(synthetic_images(rng, 2, size)))
    result["draw"] = state_of(rng)
    if request.get("quantised", True) and request["quantiser"]:
        make_int8(request, folder, symbol, arguments, auxiliary, rng)
    return result


def read_image_size(request: dict[str, Any], _: Path) -> dict[str, Any]:
    """Return the first of the request's sizes whose images fit the network. Raises RefusalError when none does."""
    network = network_of(request)
    for size in request["sizes"]:
        if fits(network, size):
            return {"image_size": size}
    tried = ", ".join(map(str, request["sizes"]))
    raise RefusalError(f"{request['network']} takes images of none of these sizes: {tried}")


def network_of(request: dict[str, Any]) -> Any:
    """Return the network with random weights, GluonCV's trained ones, or those in the file that the request names.

    Raises RefusalError when GluonCV has no such network, or the weights cannot be fetched or do not fit.
    """
    name, weights = request["network"], request["weights"]
    known = list(gluoncv.model_zoo.get_model_list())
    if name.lower() not in known:
        near = difflib.get_close_matches(name, known, n=3)
        raise RefusalError(f"GluonCV has no network {name!r}; near: {', '.join(near) or 'none'}")
    trained = {"pretrained": True, "root": request["downloads"]} if weights == "gluoncv" else {}
    try:
        network = gluoncv.model_zoo.get_model(name, **trained)
    except (OSError, RuntimeError, ValueError) as error:
        # Some detection networks fetch a trained backbone even without trained weights.
        next_step = (
            "check the network connection, leave out --perf-pretrained, or put the weights into a folder and name it "
            "with --perf-weights"
            if trained
            else RefusalError.ANOTHER_NETWORK
        )
        raise RefusalError(f"its pretrained weights could not be fetched ({last_line(error)})", next_step) from None
    if weights == "synthetic":
        # Keeps the variance of activations through ReLU and depth (He et al., "Delving Deep into Rectifiers", 2015).
        network.initialize(mx.init.MSRAPrelu(factor_type="in", slope=0))
    elif not trained:
        _load(network, request["weights_file"])
    return network


def fits(network: Any, size: int) -> bool:
    """Return whether images of a size (height and width) fit a network: no window is larger than its input."""
    try:
        network(mx.sym.Variable("data")).infer_shape(data=(1, 3, size, size))
    except mx.base.MXNetError:
        return False
    return True


def _load(network: Any, file: str) -> None:
    try:
        network.load_parameters(file)
    except (AssertionError, OSError, ValueError, mx.base.MXNetError) as error:
        raise RefusalError(
            f"the trained weights in {file} do not fit it ({str(error).strip().splitlines()[0]})",
            "save them with save_parameters of this very network, or leave out --perf-weights",
        ) from None


def _behave_as_trained(network: Any, rng: Any, data: Any) -> None:
    """Give random weights the statistics of trained ones.

    Scales and shifts of batch norms vary around 1 and 0, and running statistics come from a training-mode pass.
    Otherwise activations become denormal with depth, and calibration is meaningless (apache/mxnet#19218).
    """
    norms: list[Any] = []
    network.apply(lambda block: norms.append(block) if isinstance(block, nn.BatchNorm) else None)
    network(data[:1]).wait_to_read()
    for norm in norms:
        norm.gamma.set_data(mx.nd.array(rng.uniform(0.5, 1.5, norm.gamma.shape)))
        norm.beta.set_data(mx.nd.array(rng.normal(0.0, 0.2, norm.beta.shape)))
    if not norms:
        return
    # MXNet updates running statistics in the backward pass. Momentum 0 replaces them with this batch's own.
    momenta = [norm._kwargs["momentum"] for norm in norms]  # noqa: SLF001 - Gluon has no public setter
    for norm in norms:
        norm._kwargs["momentum"] = 0.0  # noqa: SLF001
    with mx.autograd.record():
        outputs = network(data)
    mx.autograd.backward(outputs if isinstance(outputs, list | tuple) else [outputs])
    mx.nd.waitall()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm._kwargs["momentum"] = momentum  # noqa: SLF001


def _export(network: Any, folder: Path) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Write fp32.json and fp32.params, and return symbol, arguments and auxiliary states."""
    network.export(str(folder / "exported"))
    symbol, arguments, auxiliary = mx.model.load_checkpoint(str(folder / "exported"), 0)
    for exported in folder.glob("exported-*"):
        exported.unlink()
    save(folder / "fp32", symbol, arguments, auxiliary)
    return symbol, arguments, auxiliary


def _check_activations(symbol: Any, arguments: Any, auxiliary: Any, data: Any) -> dict[str, Any]:
    """Run every layer on `data`, and return how many there are and how much their activations vary.

    Raises RefusalError when activations are not finite, all zero, or denormal.
    """
    internals = symbol.get_internals()
    # Outputs are selected by position: networks that use a layer twice, such as Xception, have two of the same name.
    listed = [(index, name) for index, name in enumerate(internals.list_outputs()) if name.endswith("_output")]
    names = [name for _, name in listed]
    group = mx.sym.Group([internals[index] for index, _ in listed])
    bound = {name: data if name == "data" else arguments[name] for name in group.list_arguments()}
    states = {name: auxiliary[name] for name in group.list_auxiliary_states()}
    executor = group.bind(mx.cpu(), bound, aux_states=states, grad_req="null")
    deviations = []
    for name, output in zip(names, executor.forward(is_train=False), strict=True):
        values = output.asnumpy()
        sizes = np.abs(values[values != 0])
        if not np.isfinite(values).all():
            raise RefusalError(f"layer {name} has activations that are not finite")
        if not sizes.size:
            raise RefusalError(f"layer {name} has no activations other than zero")
        if (sizes < SMALLEST_NORMAL).any():
            raise RefusalError(f"layer {name} has denormal activations")
        deviations.append(float(values.std()))
    return {"layers": len(names), "smallest_spread": min(deviations), "largest_spread": max(deviations)}


# By the request's "task".
TASKS = {"artifacts": make_artifacts, "image_size": read_image_size}

if __name__ == "__main__":
    answer_request(lambda request, folder: TASKS[request["task"]](request, folder))
