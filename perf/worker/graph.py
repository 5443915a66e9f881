"""A symbolic MXNet network in this process: loaded, bound to inputs, run. Works with every MXNet 1.x build."""

from collections.abc import Callable, Collection
from typing import Any, TextIO

import mxnet as mx
import numpy as np

from perf.worker import disturbance
from perf.worker.count import count_multiply_adds, count_operators
from perf.worker.injection import with_extra_work
from perf.worker.proof import peak_memory_bytes, restart_peak_memory
from perf.worker.timing import Hold, timed_passes, warm_up


class Graph:
    """Loaded once, bound to one set of inputs at a time; each public method is a request of the protocol."""

    def __init__(self, cpus: Collection[int]) -> None:
        self._cpus = cpus
        self._symbol: Any = None
        self._arguments: dict[str, Any] = {}
        self._auxiliary: dict[str, Any] = {}
        self._executor: Any = None
        self._pass: Callable[[], None] = self._forward

    def load(self, symbol: str, params: str, subgraph: str | None, extra_work: float = 0.0) -> dict[str, Any]:
        """Load a symbol file and a parameter file; partition the symbol for `subgraph` ("MKLDNN": operator fusion).

        `extra_work` above 0 slows every pass down on purpose, by that share. Answers the operators that will run and
        how many of each (`operators`).
        """
        loaded = mx.sym.load(symbol)
        self._symbol = loaded.get_backend_symbol(subgraph) if subgraph else loaded
        for key, value in mx.nd.load(params).items():
            kind, name = key.split(":", 1)
            (self._arguments if kind == "arg" else self._auxiliary)[name] = value
        return self._ready(extra_work)

    def compose(
        self, name: str, attributes: dict[str, Any], inputs: list[str], extra_work: float = 0.0
    ) -> dict[str, Any]:
        """Make a symbol of one operator (`mx.sym.NAME`) over variables; as `load` otherwise."""
        variables = {variable: mx.sym.Variable(variable) for variable in inputs}
        self._symbol = getattr(mx.sym, name)(**variables, **attributes)
        return self._ready(extra_work)

    def multiply_adds(self, inputs: dict[str, list[int]]) -> dict[str, Any]:
        """Answers the multiply-adds of a pass over these inputs (name: shape), as far as the symbol shows them."""
        return {"multiply_adds": count_multiply_adds(self._symbol, inputs)}

    def bind(self, inputs: dict[str, list[int]], scales: dict[str, float], seed: int) -> dict[str, Any]:
        """Bind to inputs (name: shape) of seeded standard normal values times their scales; an earlier binding is freed
        first.

        Every array is bound as it was loaded: shape and type inference would make a quantised weight FP32.
        """
        self._executor = None
        restart_peak_memory()
        draw = np.random.RandomState(seed)
        arrays = {
            name: mx.nd.array((draw.standard_normal(shape) * scales.get(name, 1.0)).astype("float32"))
            for name, shape in inputs.items()
        }
        arguments = {name: arrays.get(name, self._arguments.get(name)) for name in self._symbol.list_arguments()}
        auxiliary = {name: self._auxiliary[name] for name in self._symbol.list_auxiliary_states()}
        self._executor = self._symbol.bind(mx.cpu(), arguments, aux_states=auxiliary, grad_req="null")
        mx.nd.waitall()
        return {}

    def unbind(self) -> dict[str, Any]:
        """Free the binding's memory; answers the process's peak since it was bound."""
        self._executor = None
        mx.nd.waitall()
        return {"peak_memory_bytes": peak_memory_bytes()}

    def warm_up(self, limit_ns: int) -> dict[str, Any]:
        """Run untimed passes until the pace is steady or the limit is over."""
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
        """Time passes; with `hold`, run on until the next line on `requests` says that every instance has enough.

        Answers them (`passes_ns`) and what held them up meanwhile, in ns, null where the kernel does not count.
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
        return {
            "passes_ns": passes,
            "held_up_ns": disturbance.held_up_ns(before, after, len(self._cpus)),
            "stolen_ns": disturbance.stolen_ns(before, after),
        }

    def save_outputs(self, path: str) -> dict[str, Any]:
        """Run one pass and write its outputs to an .npz file as out0, out1, ..."""
        self._pass()
        np.savez(path, **{f"out{i}": output.asnumpy() for i, output in enumerate(self._executor.outputs)})
        return {}

    def _ready(self, extra_work: float) -> dict[str, Any]:
        if extra_work > 0:
            self._pass = with_extra_work(self._forward, extra_work)
        return {"operators": count_operators(self._symbol)}

    def _forward(self) -> None:
        for output in self._executor.forward(is_train=False):
            output.wait_to_read()
