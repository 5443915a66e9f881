"""The multiply-adds and the bytes of single layers, as a real build counts them, against figures by hand."""

import json
import subprocess
from typing import Any

import pytest

from perf.builds import process_environment, provision
from perf.cache import cache_folder
from perf.files import ROOT

# Two images of 8 channels of 9 x 9, or two sequences of 4 steps of 5 values; figures are multiply-adds.
BY_HAND = {
    "strided": 2 * 16 * (4 * 4) * (8 * 3 * 3),
    "depthwise": 2 * 8 * (7 * 7) * (3 * 3),
    "flattening": 2 * 10 * (4 * 5),
    "by step": (2 * 4) * 10 * 5,
}


@pytest.fixture(scope="module")
def costs() -> dict[str, Any]:
    build = provision("native", override=None, cache=cache_folder(None), say=print)
    script = ROOT / "tests" / "integration" / "cnn" / "costs.py"
    environment = {**process_environment(build, 1), "PYTHONPATH": str(ROOT)}
    finished = subprocess.run([build.python, script], env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(finished.stdout))


@pytest.mark.parametrize("name", BY_HAND)
def test_multiply_adds_are_those_by_hand(name: str, costs: dict[str, Any]) -> None:
    (layer,) = costs[name]["layers"]
    assert layer["multiply_adds"] == BY_HAND[name]


def test_a_layer_reads_its_weights_and_input_and_writes_its_output(costs: dict[str, Any]) -> None:
    (layer,) = costs["strided"]["layers"]
    assert (layer["weights"], layer["inputs"], layer["outputs"]) == (16 * 8 * 9, 2 * 8 * 81, 2 * 16 * 16)
    assert costs["strided"]["weight_values"] == 16 * 8 * 9 + 16, "and the bias"
    assert costs["strided"]["io_values"] == 2 * 8 * 81 + 2 * 16 * 16
