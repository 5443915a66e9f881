"""A symbolic MXNet network in this process: loaded, bound to inputs and run. Works with every MXNet 1.x build."""

from collections.abc import Callable, Collection
from typing import Any, TextIO

import mxnet as mx
import numpy as np

from perf.worker import disturbance
from perf.worker.count import cost_of, operators_of
from perf.worker.graph_surgery import SUBSTITUTE, cut, load_symbol
from perf.worker.passes.injection import with_extra_work
from perf.worker.passes.profiled import ProfiledPasses
from perf.worker.passes.training_step import TrainingStep, with_loss
from perf.worker.proof import peak_memory_bytes, restart_peak_memory
from perf.worker.records import Records, best_of
from perf.worker.timing import Hold, timed_passes, warm_up


class Graph:
    """A network, loaded once and bound to one set of inputs at a time. Each public method is a request of the protocol
    and returns the reply.
    """

    def __init__(self, cpus: Collection[int]) -> None:
        self._cpus = cpus
        self._symbol: Any = None
        self._arguments: dict[str, Any] = {}
        self._auxiliary: dict[str, Any] = {}
        self._inputs: dict[str, Any] = {}
        self._executor: Any = None
        self._records: Any = None
        self._trains = False
        self._profiled: Any = None
        self._pass: Callable[[], None] = self._forward

    def load(
        self,
        symbol: str,
        params: str,
        subgraph: str | None,
        unknown: dict[str, dict[str, str]],
        extra_work: float = 0.0,
    ) -> dict[str, Any]:
        """Load a symbol file and a parameter file, and partition the symbol for `subgraph` ("MKLDNN": operator fusion).

        `unknown` are attributes that this release refuses (perf.worker.graph_surgery.load_symbol). `extra_work` above 0
        slows every pass down on purpose, by that fraction. Returns the `operators` that will run (perf.worker.count).
        """
        loaded = load_symbol(symbol, unknown)
        self._symbol = loaded.get_backend_symbol(subgraph) if subgraph else loaded
        for key, value in mx.nd.load(params).items():
            kind, name = key.split(":", 1)
            (self._arguments if kind == "arg" else self._auxiliary)[name] = value
        return self._ready(extra_work)

    def load_training(self, extra_work: float = 0.0, **program: Any) -> dict[str, Any]:
        """Load a classification network as `load` does with the same arguments, to train it: each pass is a training
        step, and the workload has the input `label` besides the images.
        """
        self.load(**program)
        self._symbol = with_loss(self._symbol)
        self._trains = True
        return self._ready(extra_work)

    def compose(self, nodes: list[dict[str, Any]], extra_work: float = 0.0) -> dict[str, Any]:
        """Compose a symbol of operators (`mx.sym.OP`), each with its `name`, `attributes` and `inputs`, which are names
        of earlier nodes or else of variables. The last node is the output. Returns as `load` does.
        """
        symbols: dict[str, Any] = {}
        for node in nodes:
            inputs = [symbols.setdefault(name, mx.sym.Variable(name)) for name in node["inputs"]]
            symbols[node["name"]] = getattr(mx.sym, node["op"])(*inputs, name=node["name"], **node["attributes"])
        self._symbol = symbols[nodes[-1]["name"]]
        return self._ready(extra_work)

    def rebuild(
        self, parameters: str, subgraph: str | None, calibration: str | None, quantiser: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Use the arrays of an .npz file as the composed symbol's parameters, and partition it for `subgraph` or
        quantise it with the images in the .npz file `calibration`, as `quantiser` says (perf.worker.quantise). Returns
        the `operators` that will run.
        """
        arrays = arrays_of(parameters)
        self._arguments = {name: arrays[name] for name in self._symbol.list_arguments() if name in arrays}
        self._auxiliary = {name: arrays[name] for name in self._symbol.list_auxiliary_states()}
        if calibration:
            if quantiser is None:
                raise ValueError(f"MXNet {mx.__version__} cannot quantise")
            from perf.worker.quantise import quantise  # noqa: PLC0415 - a native build cannot import it

            self._symbol, self._arguments, self._auxiliary = quantise(
                self._symbol,
                self._arguments,
                self._auxiliary,
                arrays_of(calibration),
                mode="naive",
                exclusions=[],
                quantiser=quantiser,
            )
        elif subgraph:
            self._symbol = self._symbol.get_backend_symbol(subgraph)
        return self._ready(0.0)

    def cost(self, inputs: dict[str, list[int]]) -> dict[str, Any]:
        """Return what a pass over these inputs (name: shape) costs, as `cost_of` counts it in the symbol."""
        return cost_of(self._symbol, inputs)

    def bind(
        self, inputs: dict[str, list[int]], scales: dict[str, float], seed: int, arrays: str | None = None
    ) -> dict[str, Any]:
        """Bind to inputs (name: shape) of seeded standard normal values times their scales, or to the arrays in an .npz
        file. An earlier binding is freed first.

        Every array is bound as it was loaded: shape and type inference would turn a quantised weight into FP32.
        """
        self._executor = self._profiled = None
        restart_peak_memory()
        draw = np.random.RandomState(seed)
        self._inputs = (
            arrays_of(arrays)
            if arrays
            else {
                name: mx.nd.array((draw.standard_normal(shape) * scales.get(name, 1.0)).astype("float32"))
                for name, shape in inputs.items()
            }
        )
        self._executor = self._bound(self._symbol)
        mx.nd.waitall()
        return {}

    def update(self, arrays: str) -> dict[str, Any]:
        """Overwrite bound inputs in place with the arrays of an .npz file; all other inputs stay as they are."""
        for name, values in arrays_of(arrays).items():
            self._inputs[name][:] = values
        return {}

    def unbind(self) -> dict[str, Any]:
        """Free the binding's memory, and return the process's peak memory since it was bound."""
        self._executor = self._profiled = None
        mx.nd.waitall()
        return {"peak_memory_bytes": peak_memory_bytes()}

    def warm_up(self, limit_ns: int) -> dict[str, Any]:
        """Run untimed passes until the pace is steady or `limit_ns` is over."""
        durations, steady = warm_up(self._pass, limit_ns)
        return {"durations_ns": durations, "steady": steady}

    def run(
        self,
        start_at_ns: int,
        min_passes: int,
        min_duration_ns: int,
        hold: bool,
        requests: TextIO,
        announce: Callable[[], None],
    ) -> dict[str, Any]:
        """Time passes; with `hold`, continue until the next line on `requests` says that every instance has enough.

        Returns the passes (`passes_ns`) and how long other programs held them up, or whoever stopped this process, in
        ns; null where the kernel does not count that.
        """
        before = disturbance.read(self._cpus)
        passes = timed_passes(
            self._pass,
            start_at_ns=start_at_ns,
            min_passes=min_passes,
            min_duration_ns=min_duration_ns,
            hold=Hold(requests, announce) if hold else None,
        )
        after = disturbance.read(self._cpus)
        held_up = (disturbance.held_up_ns(before, after, len(self._cpus)), disturbance.stopped_ns(before, after))
        return {
            "passes_ns": passes,
            "held_up_ns": max((ns for ns in held_up if ns is not None), default=None),
            "stolen_ns": disturbance.stolen_ns(before, after),
        }

    def profile(self, passes: int, folder: str) -> dict[str, Any]:
        """Run passes under MXNet's profiler (perf.worker.passes.profiled)."""
        turn: dict[str, Any] = self._profiled_passes().turn(passes, folder)
        return turn

    def mark(self, passes: int) -> dict[str, Any]:
        """Run passes that mark in MKL-DNN's trace where each operator ends."""
        self._profiled_passes().mark(passes)
        return {}

    def save_outputs(self, path: str) -> dict[str, Any]:
        """Run one pass and write its outputs to an .npz file as out0, out1, ..."""
        self._pass()
        np.savez(path, **{f"out{i}": output.asnumpy() for i, output in enumerate(self._executor.outputs)})
        return {}

    def save_layers(self, path: str) -> dict[str, Any]:
        """Run one pass over the bound inputs and write every operator's first output, in FP32, to an .npz file, by
        name.
        """
        inner = self._symbol.get_internals()
        outputs = self._bound(inner).forward(is_train=False)
        places = {name: place for place, name in enumerate(inner.list_outputs())}
        layers = {}
        for operator in operators_of(self._symbol):
            name = operator["name"]
            place = places[f"{name}_output" if f"{name}_output" in places else f"{name}_output0"]
            layers[name] = in_fp32(outputs[place : place + 3])
        np.savez(path, **layers)
        return {}

    def save_parameters(self, path: str) -> dict[str, Any]:
        """Write all parameters and auxiliary states to an .npz file, by name."""
        np.savez(path, **{name: array.asnumpy() for name, array in {**self._arguments, **self._auxiliary}.items()})
        return {}

    def open_records(self, **reading: Any) -> dict[str, Any]:
        """Open a record file (perf.worker.records); reading starts after the skipped batches."""
        self._records = Records(**reading)
        return {}

    def save_images(self, path: str, name: str, count: int) -> dict[str, Any]:
        """Write the next `count` images to an .npz file, under `name`."""
        np.savez(path, **{name: self._records.first(count)})
        return {}

    def classify(self, batches: int, input_name: str, classes: int) -> dict[str, Any]:
        """Run passes over the next batches of the record file. Returns the images' `labels` and their `best` classes,
        the best first; both are empty at the end of the file.
        """
        labels, best = [], []
        for data, label, real in self._records.batches(batches):
            (outputs,) = self._executor.forward(is_train=False, **{input_name: data})
            labels += label.asnumpy()[:real].astype(int).tolist()
            best += best_of(outputs, classes)[:real].tolist()
        return {"labels": labels, "best": best}

    def save_isolated_layers(self, path: str, layer_inputs: str) -> dict[str, Any]:
        """Run every operator alone and write its first output to an .npz file, by name. Its inputs are the arrays that
        the .npz file `layer_inputs` holds under the names of the operators before it, else what these compute.
        """
        arrays = arrays_of(layer_inputs)
        self._inputs |= {SUBSTITUTE + name: array for name, array in arrays.items()}
        outputs = self._bound(cut(self._symbol, arrays)).forward(is_train=False)
        names = [operator["name"] for operator in operators_of(self._symbol)]
        np.savez(path, **{name: output.asnumpy() for name, output in zip(names, outputs, strict=True)})
        return {}

    def _bound(self, symbol: Any) -> Any:
        arguments = {name: self._inputs.get(name, self._arguments.get(name)) for name in symbol.list_arguments()}
        auxiliary = self._states(symbol)
        if self._trains:
            return TrainingStep(symbol, arguments, auxiliary, self._inputs.keys())
        return symbol.bind(mx.cpu(), arguments, aux_states=auxiliary, grad_req="null")

    def _states(self, symbol: Any) -> dict[str, Any]:
        """The auxiliary states of a symbol, by name. Those of composed operators, which nothing sets, are ones."""
        names = symbol.list_auxiliary_states()
        if not set(names) <= self._auxiliary.keys():
            _, _, shapes = symbol.infer_shape(**{name: array.shape for name, array in self._inputs.items()})
            ones = {name: mx.nd.ones(shape) for name, shape in zip(names, shapes, strict=True)}
            self._auxiliary = {**ones, **self._auxiliary}
        return {name: self._auxiliary[name] for name in names}

    def _ready(self, extra_work: float) -> dict[str, Any]:
        if extra_work > 0:
            self._pass = with_extra_work(self._forward, extra_work)
        return {"operators": operators_of(self._symbol)}

    def _profiled_passes(self) -> Any:
        if self._profiled is None:
            names = [operator["name"] for operator in operators_of(self._symbol)]
            self._profiled = ProfiledPasses(self._pass, self._bound(self._symbol), names)
        return self._profiled

    def _forward(self) -> None:
        for output in self._executor.forward(is_train=False):
            output.wait_to_read()


def arrays_of(path: str) -> dict[str, Any]:
    """Return the arrays in an .npz file, by name, with the types that they were saved with."""
    with np.load(path) as saved:
        return {name: mx.nd.array(saved[name], dtype=saved[name].dtype) for name in saved.files}


def in_fp32(outputs: list[Any]) -> Any:
    """Return an operator's first output in FP32; a quantised one is scaled by its range, the next two outputs."""
    first = outputs[0].asnumpy()
    if first.dtype.kind == "f":
        return first
    low, high = (float(output.asnumpy()) for output in outputs[1:3])
    return first.astype(np.float32) * (max(abs(low), abs(high)) / np.iinfo(first.dtype).max)
