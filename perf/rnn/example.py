"""Small networks on random values, and the known defects that affect them."""

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import msgspec
import numpy as np

from perf.builds import BuildFacts
from perf.defects import Defect, defects_of
from perf.rnn.agreement import Inputs, draw_inputs
from perf.rnn.reference import Sizes

# Which of the arrays that the operator is bound to change after a first pass.
ArrayChange = Literal["nothing", "data", "parameters", "everything"]
CHANGES: tuple[ArrayChange, ...] = get_args(ArrayChange)

# Added to an example's seed for the values after the change.
CHANGED_SEED = 1_000_000


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network and the values that it runs on.

    `mode`: MXNet's name of the cell. `inputs`: width of the input. `hidden`: width of the hidden state. `layers`,
    `directions`, `batch` and `steps`: how many there are. `states`: whether the initial states are random; if not, they
    are zeros. `change`: which arrays change after a first pass; with "nothing" there is only one pass. `seed`: of all
    values.
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
        """The sizes of the network."""
        return Sizes(self.mode, self.inputs, self.hidden, self.layers, self.directions)

    @property
    def toml(self) -> str:
        """The example as an entry of `shapes.toml` or `defects.toml`: '{ mode = "lstm", inputs = 3, ... }'."""
        fields = ", ".join(f"{name} = {_toml(value)}" for name, value in msgspec.to_builtins(self).items())
        return f"{{ {fields} }}"

    def passes(self) -> list[Inputs]:
        """Return all inputs of each pass, by the operator's names."""
        first = self._draw(self.seed)
        if self.change == "nothing":
            return [first]
        changed = self._draw(self.seed + CHANGED_SEED)
        parameters = changed if self.change in {"parameters", "everything"} else first
        data = first if self.change == "parameters" else changed
        return [first, {**data, "parameters": parameters["parameters"]}]

    def _draw(self, seed: int) -> Inputs:
        inputs = draw_inputs(self.sizes.shapes(self.batch, self.steps), self.sizes.scales, seed)
        if not self.states:
            inputs |= {name: np.zeros_like(inputs[name]) for name in self.sizes.states}
        return inputs


def _toml(value: str | int | bool) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


# The `check` of the defects of recurrent networks.
CHECK = "rnn"


# By the name of a defect, whether it affects an example that MKL-DNN's primitive runs on a wheel that has the defect.
COVERS: Mapping[str, Callable[[Example], bool]] = {
    "rnn-input-width": lambda example: (
        example.layers > 1 and example.directions == 1 and example.inputs != example.hidden
    ),
    "rnn-kept-parameters": lambda example: example.change in {"parameters", "everything"},
}


def example_of(defect: Defect) -> Example:
    """Return a defect's smallest example. Raises msgspec.ValidationError when it has other fields."""
    return msgspec.convert(defect.example, Example)


def known_defect(example: Example, facts: BuildFacts) -> str | None:
    """Return a description of a known defect of the installation that affects an example; None without one."""
    for name, defect in defects_of(CHECK).items():
        if defect.is_in(facts) and example.mode in facts.release.recurrent and COVERS[name](example):
            return f"known defect {name} of {facts.wheel} ({defect.upstream}, docs/known-defects.md)"
    return None
