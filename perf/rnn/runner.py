"""A worker of a build that runs one small network after another."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np

from perf.builds import Build
from perf.errors import WorkerError
from perf.measure.family import Resources
from perf.measure.workers.arrays import read_outputs
from perf.measure.workers.inspection import Outputs
from perf.measure.workers.instance import Instance
from perf.measure.workers.replies import Done, Loaded, Ready
from perf.rnn.agreement import Distance, Inputs, distance, expected_outputs
from perf.rnn.example import Example
from perf.rnn.reference import Sizes
from perf.rnn.shapes import operator_of

# Workers of several builds take turns on the same cores: threads that spin while they wait would delay the other
# worker.
PASSIVE = {"OMP_WAIT_POLICY": "passive"}


class ExampleRunner:
    """A context manager with a worker of a `build`.

    The worker starts with the first example, and again with the next example after it failed.
    """

    def __init__(self, build: Build, resources: Resources) -> None:
        self.build = build
        self._resources = resources
        self._instance: Instance | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def distance(self, example: Example) -> Distance:
        """Return how far the outputs of an example's last pass are from those of the equations.

        Raises WorkerError when the worker fails.
        """
        passes = example.passes()
        return distance(self.outputs(example.sizes, passes), expected_outputs(example.sizes, passes[-1]))

    def outputs(self, sizes: Sizes, passes: Sequence[Inputs]) -> Outputs:
        """Return the outputs of the last pass.

        The operator is bound to the inputs of the first pass. Those of later passes overwrite them in place. Raises
        WorkerError when the worker fails.
        """
        try:
            instance = self._started()
            operator = operator_of(sizes)
            instance.ask(Loaded, "compose", nodes=[{"op": operator.name, **msgspec.to_builtins(operator)}])
            first, *later = passes
            instance.ask(Done, "bind", inputs={}, scales={}, seed=0, arrays=self._saved(first))
            outputs = self._run(instance)
            for inputs in later:
                instance.ask(Done, "update", arrays=self._saved(inputs))
                outputs = self._run(instance)
        except WorkerError:
            self._close()
            raise
        return outputs

    def _started(self) -> Instance:
        if self._instance is None:
            resources = self._resources
            self._instance = Instance(
                self.build,
                resources.placements[0],
                self._file("log"),
                timeout_s=resources.timeout_s,
                variables=PASSIVE,
            )
            self._instance.receive(Ready)
        return self._instance

    def _run(self, instance: Instance) -> Outputs:
        path = self._file("outputs.npz")
        instance.ask(Done, "save_outputs", path=str(path))
        return read_outputs(path)

    def _saved(self, inputs: Inputs) -> str:
        path = self._file("inputs.npz")
        np.savez(path, allow_pickle=False, **inputs)
        return str(path)

    def _file(self, ending: str) -> Path:
        return self._resources.scratch / f"rnn-{self.build.folder.name}.{ending}"

    def _close(self) -> None:
        if self._instance is not None:
            self._instance.close()
            self._instance = None
