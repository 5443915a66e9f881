"""A small network on random values, and what is changed in place before its last pass."""

from typing import Literal, get_args

import msgspec
import numpy as np

from perf.rnn.agreement import Inputs, drawn
from perf.rnn.reference import Sizes

# What changes after a first pass, in the arrays that the operator is bound to.
Change = Literal["nothing", "data", "parameters", "everything"]
CHANGES: tuple[Change, ...] = get_args(Change)

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
    change: Change = "nothing"
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
