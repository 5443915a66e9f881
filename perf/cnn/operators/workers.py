"""Workers that are kept alive while many small operators go through them, one for each build."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from perf.cnn.operators.base import Arrays, OperatorCase
from perf.errors import WorkerError
from perf.measure.family import Resources
from perf.measure.workers.instance import Instance
from perf.measure.workers.replies import Done, GraphNode, Loaded, Ready


@dataclass(frozen=True)
class OperatorVariant:
    """How a variant runs a case: the role of its build, and what is done to the composed symbol."""

    role: str
    subgraph: str | None = None
    quantised: bool = False


VARIANTS = {
    "native-fp32": OperatorVariant("native"),
    "mkl-fp32": OperatorVariant("mkl", subgraph="MKLDNN"),
    "mkl-int8": OperatorVariant("mkl", quantised=True),
}


class OperatorWorkers:
    """One worker for each build that is asked for, started when it is and ended on leaving."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._workers: dict[str, Instance] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()

    def run(
        self, variant: str, case: OperatorCase, *, parameters: Arrays | None = None, calibration: Arrays | None = None
    ) -> tuple[tuple[GraphNode, ...], NDArray[np.float32]]:
        """The operators that a variant runs for a case, and their output for the case's data. `parameters` and
        `calibration` replace the case's own. WorkerError when the worker fails; the next case gets a new one.
        """
        way = VARIANTS[variant]
        data = case.data()
        given = {"parameters": parameters or case.parameters(), "data": data, "calibration": calibration or data}
        paths = {name: self._written(name, arrays) for name, arrays in given.items()}
        answer = self._resources.scratch / "operators-output.npz"
        try:
            worker = self._worker(way.role)
            worker.ask(Loaded, "compose", nodes=case.nodes)
            calibrated = paths["calibration"] if way.quantised else None
            loaded = worker.ask(
                Loaded, "rebuild", parameters=paths["parameters"], subgraph=way.subgraph, calibration=calibrated
            )
            worker.ask(Done, "bind", inputs={}, scales={}, seed=0, arrays=paths["data"])
            worker.ask(Done, "save_outputs", path=str(answer))
        except WorkerError:
            self._workers.pop(way.role).close()
            raise
        with np.load(answer) as saved:
            return loaded.operators, saved["out0"]

    def _worker(self, role: str) -> Instance:
        if role not in self._workers:
            log = self._resources.scratch / f"operators-{role}.log"
            resources = self._resources
            worker = Instance(resources.build(role), resources.placements[0], log, timeout_s=resources.timeout_s)
            self._workers[role] = worker
            worker.receive(Ready)
        return self._workers[role]

    def _written(self, name: str, arrays: Mapping[str, Any]) -> str:
        path = self._resources.scratch / f"operators-{name}.npz"
        np.savez(path, **arrays)
        return str(path)
