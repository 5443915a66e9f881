"""Workers that stay alive while many single operators run in them, one for each build."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from perf.builds import Quantiser, quantiser_of
from perf.cnn.operators.base import Arrays, OperatorCase
from perf.cnn.operators.kinds import Pooling
from perf.errors import WorkerError
from perf.measure.family import Resources
from perf.measure.workers.arrays import read_outputs
from perf.measure.workers.instance import Instance
from perf.measure.workers.replies import Done, GraphNode, Loaded, Ready


@dataclass(frozen=True)
class OperatorVariant:
    """How a variant runs a case.

    `role`: the role of its build. `subgraph`: the backend that fuses operators, None for none. `quantised`: whether the
    composed symbol is quantised.
    """

    role: str
    subgraph: str | None = None
    quantised: bool = False


VARIANTS = {
    "native-fp32": OperatorVariant("native"),
    "mkl-fp32": OperatorVariant("mkl", subgraph="MKLDNN"),
    "mkl-int8": OperatorVariant("mkl", quantised=True),
}


def _for_single_operators(quantiser: Quantiser, case: OperatorCase) -> Quantiser:
    """Return how a release quantises a case: whatever it leaves in FP32 in networks, and as the last operator of a
    network where the case asks for that.
    """
    arguments = {**quantiser.arguments, **quantiser.alone}
    identity = quantiser.appends_identity and not (isinstance(case, Pooling) and case.last)
    return msgspec.structs.replace(
        quantiser, arguments=arguments, excluded=[], unsigned_only=False, appends_identity=identity
    )


def ranges_of(data: Arrays) -> Arrays:
    """Return the range of each input, as the inputs from which 1.4 reads it: NAME_min and NAME_max."""
    ends = {"min": np.min, "max": np.max}
    return {f"{name}_{end}": of(values).reshape(1) for name, values in data.items() for end, of in ends.items()}


class OperatorWorkers:
    """A context manager with one worker for each build. A worker starts with its first case."""

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
        """Return the operators that a variant runs for a case, and their output for the case's data.

        `parameters` and `calibration`, if any, replace the case's own arrays. Raises WorkerError when the worker fails;
        the next case then gets a new worker.
        """
        settings = VARIANTS[variant]
        facts = self._resources.build(settings.role).facts
        data = case.data()
        quantiser = quantiser_of(facts.mxnet) if settings.quantised else None
        calibration = calibration or data
        fed = {} if quantiser is None or quantiser.takes_negative_data else ranges_of(calibration)
        arrays = {"parameters": parameters or case.parameters(), "data": data | fed, "calibration": calibration}
        paths = {kind: self._written(kind, values) for kind, values in arrays.items()}
        output = self._resources.scratch / "operators-output.npz"
        try:
            worker = self._worker(settings.role)
            worker.ask(Loaded, "compose", nodes=case.nodes)
            calibrated = paths["calibration"] if settings.quantised else None
            loaded = worker.ask(
                Loaded,
                "rebuild",
                parameters=paths["parameters"],
                subgraph=settings.subgraph if facts.release.fuses else None,
                calibration=calibrated,
                quantiser=quantiser and _for_single_operators(quantiser, case),
            )
            worker.ask(Done, "bind", inputs={}, scales={}, seed=0, arrays=paths["data"])
            worker.ask(Done, "save_outputs", path=str(output))
        except WorkerError:
            self._workers.pop(settings.role).close()
            raise
        return loaded.operators, read_outputs(output)[0]

    def _worker(self, role: str) -> Instance:
        if role not in self._workers:
            log = self._resources.scratch / f"operators-{role}.log"
            resources = self._resources
            worker = Instance(resources.build(role), resources.placements[0], log, timeout_s=resources.timeout_s)
            self._workers[role] = worker
            worker.receive(Ready)
        return self._workers[role]

    def _written(self, kind: str, arrays: Mapping[str, Any]) -> str:
        path = self._resources.scratch / f"operators-{kind}.npz"
        np.savez(path, **arrays)
        return str(path)
