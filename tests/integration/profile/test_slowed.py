"""Plants in which the network is the same and something below it is slower: the right layer must come first."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from perf.measure.family import Resources
from perf.measure.plan import Program
from tests.integration.profile.comparing import FP32, changed_most, compared, facts, subject, with_wheel

pytestmark = [pytest.mark.alone, pytest.mark.slow]
DELAYED_CONVOLUTION = Path(__file__).with_name("delayed_convolution.c")
# At the end of MXNet's executor. A convolution converts its weights once, and again when they were written since.
WEIGHT_WRITER = """

_own_forward = Executor.forward


def _forward_after_writing(self, *args, **kwargs):
    weight = self.arg_dict.get("WEIGHT")
    if weight is not None:
        weight += 0
    return _own_forward(self, *args, **kwargs)


Executor.forward = _forward_after_writing
"""


def test_a_reorder_that_is_added_is_the_first_culprit(resources: Resources, tmp_path: Path) -> None:
    of_case = subject(FP32, resources)
    name = convolution_of(of_case.variant.program, filters=64)
    written = WEIGHT_WRITER.replace("WEIGHT", f"{name.removesuffix('_fwd')}_weight")
    first = compared(resources, of_case, with_wheel(of_case.arm, tmp_path, {"mxnet/executor.py": written})).layers[0]
    assert first.name == name
    assert "gained 1 reorder: 0 -> 1" in facts(first)


def test_a_convolution_that_is_delayed_is_the_first_culprit(resources: Resources, tmp_path: Path) -> None:
    """The stacks differ in the time of one operator only."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = tmp_path / "delayed_convolution.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, DELAYED_CONVOLUTION], check=True)
    load = f"\nimport ctypes\nctypes.CDLL({str(library)!r}, ctypes.RTLD_GLOBAL)\n"
    of_case = subject(FP32, resources)
    delayed = with_wheel(of_case.arm, tmp_path, {"mxnet/libinfo.py": load})
    explanation = compared(resources, of_case, delayed)
    assert changed_most(explanation) == convolution_of(of_case.variant.program, filters=32)
    assert not [layer for layer in explanation.layers if layer.facts]


def convolution_of(program: Program, *, filters: int) -> str:
    """The name of the network's first convolution of 3x3 pixels with this number of filters."""
    nodes: list[dict[str, Any]] = json.loads(program.symbol.read_text())["nodes"]
    wanted = {"num_filter": str(filters), "kernel": "(3, 3)"}
    convolutions = [node for node in nodes if node["op"] == "Convolution" and wanted.items() <= node["attrs"].items()]
    return str(convolutions[0]["name"])
