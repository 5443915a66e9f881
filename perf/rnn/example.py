"""A small network on random values, and what is changed in place before its last pass."""

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import msgspec
import numpy as np

from perf.builds import BuildFacts
from perf.defects import Defect, defects_of
from perf.rnn.agreement import Inputs, drawn
from perf.rnn.reference import Sizes
from perf.rnn.shapes import catalogue

# What changes after a first pass, in the arrays that the operator is bound to.
ArrayChange = Literal["nothing", "data", "parameters", "everything"]
CHANGES: tuple[ArrayChange, ...] = get_args(ArrayChange)

# From an example's seed to that of the values that its own change to.
OTHER = 1_000_000


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network's sizes, the values it is run on, by their seed, and what changes before its last pass ("nothing":
    there is only one). Without `states`, the initial ones are zeros.
    """

    mode: str
    inputs: int
    hidden: int
    layers: int
    directions: int
    batch: int
    steps: int
    states: bool = True
    change: ArrayChange = "nothing"
    seed: int = 0

    @property
    def sizes(self) -> Sizes:
        return Sizes(self.mode, self.inputs, self.hidden, self.layers, self.directions)

    @property
    def words(self) -> str:
        """As `shapes.toml` and `defects.toml` write it: 'mode = "lstm", inputs = 3, ...'."""
        return ", ".join(f"{name} = {_toml(value)}" for name, value in msgspec.to_builtins(self).items())

    def passes(self) -> list[Inputs]:
        """All inputs of each pass, by the operator's names."""
        first = self._drawn(self.seed)
        if self.change == "nothing":
            return [first]
        other = self._drawn(self.seed + OTHER)
        parameters = other if self.change in {"parameters", "everything"} else first
        rest = first if self.change == "parameters" else other
        return [first, {**rest, "parameters": parameters["parameters"]}]

    def _drawn(self, seed: int) -> Inputs:
        inputs = drawn(self.sizes.shapes(self.batch, self.steps), self.sizes.scales, seed)
        if not self.states:
            inputs |= {name: np.zeros_like(inputs[name]) for name in self.sizes.states}
        return inputs


def _toml(value: str | int | bool) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


# What they have in `check`.
CHECK = "rnn"


def _in_mkldnn(example: Example) -> bool:
    return example.mode in catalogue().mkldnn_modes


# Where each defect shows, on the wheels that it is in.
COVERS: Mapping[str, Callable[[Example], bool]] = {
    "rnn-input-width": lambda example: (
        _in_mkldnn(example) and example.layers > 1 and example.directions == 1 and example.inputs != example.hidden
    ),
    "rnn-kept-parameters": lambda example: _in_mkldnn(example) and example.change in {"parameters", "everything"},
}


def example_of(defect: Defect) -> Example:
    """The smallest example that shows it. msgspec.ValidationError when it is none."""
    return msgspec.convert(defect.example, Example)


def covering(example: Example, facts: BuildFacts) -> str | None:
    """A known defect of the installation that shows in the example, in words; None when it should come out right."""
    for name, defect in defects_of(CHECK).items():
        if defect.is_in(facts) and COVERS[name](example):
            return f"known defect {name} of {facts.wheel} ({defect.upstream}, docs/known-defects.md)"
    return None
