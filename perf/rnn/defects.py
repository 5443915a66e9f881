"""Which examples the known defects of the wheels cover (`perf/builds/defects.toml`)."""

from collections.abc import Callable, Mapping

import msgspec

from perf.builds import Defect, Facts, defects_of
from perf.rnn.example import Example
from perf.rnn.shapes import catalogue

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


def covering(example: Example, facts: Facts) -> str | None:
    """A known defect of the installation that shows in the example, in words; None when it should come out right."""
    for name, defect in defects_of(CHECK).items():
        if defect.is_in(facts) and COVERS[name](example):
            return f"known defect {name} of {facts.wheel} ({defect.upstream}, docs/known-defects.md)"
    return None
