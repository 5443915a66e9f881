"""Time by operator in real workers, and plants: what was changed on purpose must be the first culprit.

No test asserts a time: which operators run, as which kernels, and which of them comes first, are facts.
"""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perf.builds import Build, process_environment, provision
from perf.cache import cache_folder
from perf.errors import PerfError
from perf.explain.changes import with_changes
from perf.explain.subject import Subject, with_stack
from perf.files import ROOT
from perf.machine import read_topology, this_cpu_has
from perf.measure.family import Resources
from perf.measure.plan import Program, content_of
from perf.profile.explain import OVERHEAD, REST
from perf.stack import Stack
from tests.integration.profile.comparing import (
    FP32,
    INT8,
    NETWORK,
    compared,
    explain,
    facts,
    subject,
    with_program,
)

pytestmark = pytest.mark.alone

LSTM = "lstm-64-64-l1-n4-t20-mkl-fp32"
NATIVE_LSTM = pytest.param(LSTM.replace("mkl", "native"), marks=pytest.mark.slow)
# The convolution that is changed: one of the middle of the network, by its number.
PLANTED = 6


@pytest.mark.parametrize("name", [FP32, FP32.replace("mkl", "native"), LSTM, NATIVE_LSTM])
def test_each_operator_of_a_pass_is_timed_in_both_builds(name: str, resources: Resources) -> None:
    of_case = subject(name, resources)
    alone = explain(resources, of_case, of_case.arm)
    operators = [layer for layer in alone.layers if layer.name not in {OVERHEAD, REST}]
    assert len(operators) > 20 if NETWORK in name else len(operators) == 1
    assert all(layer.now_ms > 0 for layer in operators if layer.kernels)
    assert any(layer.kernels for layer in operators) == ("mkl" in name)
    assert alone.change is None
    assert alone.culprits == 0
    assert OVERHEAD in [layer.name for layer in alone.layers]
    whole = sum(layer.now_ms for layer in alone.layers if layer.name != REST)
    assert (abs(whole / alone.pass_ms - 1) < 0.2) or alone.notes, "what is not accounted for is said"


@pytest.mark.slow
def test_equal_stacks_differ_in_nothing_but_time(resources: Resources) -> None:
    of_case = subject(FP32, resources)
    assert not any(layer.facts for layer in compared(resources, of_case, of_case.arm).layers)


@pytest.mark.slow
def test_a_layer_that_is_no_longer_fused_is_the_first_culprit(resources: Resources, tmp_path: Path) -> None:
    of_case = subject(FP32, resources)
    program, name = unfused(of_case.variant.program, tmp_path)
    first, *rest = compared(resources, of_case, with_program(of_case.arm, program)).layers
    assert first.name == name
    assert first.facts[0].startswith("lost its fusion: conv+bn+relu -> ")
    assert not [facts(layer) for layer in rest if "fusion" in facts(layer)]


def unfused(program: Program, folder: Path) -> tuple[Program, str]:
    """A copy of a network with an identity after one convolution that another one would be fused with, and its name."""
    graph = json.loads(program.symbol.read_text())
    nodes: list[dict[str, Any]] = graph["nodes"]
    convolutions = [number for number, node in enumerate(nodes) if node["op"] == "Convolution"]
    fused = [n for n in convolutions if relu_follows(nodes, n)]
    place = fused[len(fused) // 2]
    copied = {"op": "_copy", "name": "planted_copy", "inputs": [[place, 0, 0]]}

    def moved(number: int) -> int:
        return number + (number > place)

    later = [
        {**node, "inputs": [[place + 1 if n == place else moved(n), *rest] for n, *rest in node["inputs"]]}
        for node in nodes[place + 1 :]
    ]
    graph["nodes"] = [*nodes[: place + 1], copied, *later]
    graph["arg_nodes"] = [moved(n) for n in graph["arg_nodes"]]
    graph["heads"] = [[moved(n), *rest] for n, *rest in graph["heads"]]
    graph.pop("node_row_ptr", None)
    target = folder / "unfused.json"
    target.write_text(json.dumps(graph))
    changed = replace(program, symbol=target, content=content_of(target, program.params))
    return changed, nodes[place]["name"]


def relu_follows(nodes: list[dict[str, Any]], convolution: int) -> bool:
    """Whether a batch norm and then a relu use a convolution: the three are fused into one."""

    def users(number: int) -> list[int]:
        return [user for user, node in enumerate(nodes) if any(n == number for n, *_ in node["inputs"])]

    norms = users(convolution)
    return [nodes[n]["op"] for n in norms] == ["BatchNorm"] and [nodes[n]["op"] for n in users(norms[0])] == [
        "Activation"
    ]


@pytest.mark.slow
def test_a_layer_that_is_left_in_fp32_is_the_first_culprit(resources: Resources, tmp_path: Path) -> None:
    of_case = subject(INT8, resources)
    baseline, candidate = (quantised(of_case.variant.build, resources, tmp_path, number) for number in (-1, PLANTED))
    arms = [with_program(of_case.arm, program) for program in (candidate, baseline)]
    first, *rest = compared(resources, of_case, *arms).layers
    assert first.facts[0].startswith("lost INT8: int8 conv+bn")
    assert not [facts(layer) for layer in rest if "lost INT8" in facts(layer)]


def quantised(build: Build, resources: Resources, folder: Path, number: int) -> Program:
    """The network in INT8, but for one convolution."""
    fp32 = subject(FP32, resources).variant.program
    symbol, params = folder / f"{number}.json", folder / f"{number}.params"
    script = ROOT / "tests" / "integration" / "profile" / "quantise_but.py"
    command = [build.python, script, fp32.symbol, fp32.params, symbol, params, str(number)]
    subprocess.run(list(map(str, command)), env=process_environment(build, 2), check=True, capture_output=True)
    return Program(symbol, params, None, content_of(symbol, params))


@pytest.mark.skipif(read_topology().physical_cores < 2, reason="needs two cores")
@pytest.mark.slow
def test_fewer_threads_are_stated_of_the_whole_stack_and_of_every_layer(resources: Resources) -> None:
    of_case = subject(FP32, resources)
    threads = of_case.placements[0].threads
    halved = with_changes(of_case.arm, {"threads": str(threads // 2)})
    explanation = compared(resources, of_case, halved)
    assert f"threads: {threads} -> {threads // 2}" in explanation.layers[0].facts
    assert any("threads in the baseline" in note for note in explanation.notes)


@pytest.mark.skipif(not this_cpu_has("avx2"), reason="needs AVX2")
@pytest.mark.slow
def test_a_capped_instruction_set_shows_in_the_first_culprits_kernel(resources: Resources) -> None:
    newer = provision("mkl", override="mxnet==1.7.0.post2", cache=cache_folder(None), say=print)
    roles = {role: resources.build(role) for role in ("native", "zoo")} | {"mkl": newer}
    of_case = subject(FP32, replace(resources, build=roles.__getitem__))
    capped = with_changes(of_case.arm, {"DNNL_MAX_CPU_ISA": "SSE41"})
    first = compared(resources, of_case, capped).layers[0]
    before, _, after = facts(first).partition(" -> ")
    assert "avx2" in before
    assert "sse4" in after


@pytest.mark.slow
def test_a_recurrent_network_in_mxnets_own_code_is_the_first_culprit(resources: Resources) -> None:
    of_case = subject(LSTM, resources)
    own = with_changes(of_case.arm, {"MXNET_USE_MKLDNN_RNN": "0"})
    first = compared(resources, of_case, own).layers[0]
    assert first.operators == "RNN"
    assert "rnn ref:any" in facts(first).partition(" -> ")[0]
    assert facts(first).endswith("-> MXNet's own code")


def test_a_stored_stack_is_restored_with_its_threads_and_variables(resources: Resources) -> None:
    of_case = subject(LSTM, resources)
    stored = replace_stack(of_case, threads=1, variables={"MXNET_USE_MKLDNN_RNN": "0"})
    arm, missing = with_stack(of_case, stored, resources)
    assert arm.placement.threads == 1
    assert arm.variant.build.variables == {"MXNET_USE_MKLDNN_RNN": "0"}
    assert not [difference for difference in missing if not difference.startswith("placement")]


def replace_stack(of_case: Subject, **fields: Any) -> Stack:
    return msgspec.structs.replace(of_case.stack, **fields)


def test_a_change_that_would_load_a_file_is_refused(resources: Resources) -> None:
    of_case = subject(LSTM, resources)
    with pytest.raises(PerfError, match="is not a change that can be made"):
        with_changes(of_case.arm, {"MXNET_LIBRARY_PATH": "/opt/libmxnet.so"})
