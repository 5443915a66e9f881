"""What profiles of one or two stacks say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from perf.measure.workers.replies import GraphNode
from perf.profile.arms import ArmProfile, Times
from perf.profile.explain import OVERHEAD, REST, explanation_of
from perf.profile.primitives import Primitive
from tests.unit.profile.test_layers import ALONE, FUSED, POOL

CONV = Primitive("convolution", "jit:avx2", "forward_inference,mb1", 0.5)
REFERENCE = Primitive("convolution", "gemm:ref", "forward_inference,mb1", 0.5)


def arm(
    nodes: Sequence[GraphNode],
    operators_ms: Mapping[str, float],
    *,
    overhead_ms: float = 0.1,
    rest_ms: float = 0.0,
    primitives: Mapping[str, tuple[Primitive, ...]] | None = None,
    threads: int = 2,
) -> ArmProfile:
    """A profile of four invocations, that differ by 0.3 %."""

    def times(scale: float) -> Times:
        pass_ms = sum(operators_ms.values()) + overhead_ms + rest_ms
        return Times(pass_ms * scale, overhead_ms * scale, {name: ms * scale for name, ms in operators_ms.items()})

    return ArmProfile(nodes, primitives or {}, threads, [times(1 + number / 1000) for number in range(4)])


THEN = arm([FUSED, POOL], {"sg0": 1.0, "pool0": 0.5}, primitives={"sg0": (CONV,)})


def test_a_stack_alone_shows_the_longest_layer_first_and_its_overhead() -> None:
    alone = explanation_of(THEN, None, 12.34)
    assert [layer.name for layer in alone.layers] == ["conv0", "pool0", OVERHEAD]
    assert alone.layers[0].kernels == ("convolution jit:avx2",)
    assert (alone.culprits, alone.change, alone.then_pass_ms, alone.notes) == (0, None, None, ())
    assert alone.accounted == pytest.approx(1.0)
    assert alone.elapsed_s == 12.3


def test_another_kernel_of_a_layer_is_the_culprit() -> None:
    now = arm([FUSED, POOL], {"sg0": 2.0, "pool0": 0.5}, primitives={"sg0": (REFERENCE,)})
    explanation = explanation_of(now, THEN, 1.0)
    assert explanation.culprits == 1
    first = explanation.layers[0]
    assert first.name == "conv0"
    assert first.facts == ("kernel: convolution jit:avx2 -> convolution gemm:ref",)
    assert first.change is not None
    assert first.change.ms == pytest.approx(1.0, rel=0.01)
    assert explanation.change is not None
    assert explanation.change.ms == pytest.approx(1.0, rel=0.01)


def test_the_operators_that_a_fused_one_became_are_one_layer() -> None:
    now = arm([*ALONE, POOL], {"conv0": 0.8, "bn0": 0.6, "relu0": 0.4, "pool0": 0.5})
    first = explanation_of(now, THEN, 1.0).layers[0]
    assert first.facts[0] == "lost its fusion: conv+bn+relu -> conv, bn, relu"
    assert first.now_ms == pytest.approx(1.8, rel=0.01)
    assert first.then_ms == pytest.approx(1.0, rel=0.01)


def test_what_is_in_no_operator_is_a_culprit_of_its_own_and_is_said() -> None:
    now = arm([FUSED, POOL], {"sg0": 1.0, "pool0": 0.5}, rest_ms=0.4, primitives={"sg0": (CONV,)})
    explanation = explanation_of(now, THEN, 1.0)
    assert explanation.layers[0].name == REST
    assert explanation.culprits == 1
    assert explanation.notes == ("20 % of a pass is neither in an operator nor MXNet's overhead",)


def test_operators_that_take_longer_one_by_one_are_said_to() -> None:
    now = arm([FUSED, POOL], {"sg0": 1.0, "pool0": 0.5}, rest_ms=-0.16)
    (note,) = explanation_of(now, None, 1.0).notes
    assert "11 % longer" in note


def test_threads_are_stated_of_the_stack_and_of_every_layer() -> None:
    now = arm([FUSED, POOL], {"sg0": 2.0, "pool0": 0.5}, primitives={"sg0": (CONV,)}, threads=1)
    explanation = explanation_of(now, THEN, 1.0)
    assert explanation.notes == ("2 threads in the baseline's stack, 1 in the candidate's",)
    assert all("threads: 2 -> 1" in layer.facts for layer in explanation.layers if layer.operators)


def test_another_library_of_the_whole_stack_is_said() -> None:
    then = replace(THEN, libraries={"BLAS": "libmklml_intel.so", "OpenMP": "libiomp5.so"})
    now = replace(THEN, libraries={"OpenMP": "libgomp.so.1"})
    assert explanation_of(now, then, 1.0).notes == (
        "OpenMP: libiomp5.so in the baseline's stack, libgomp.so.1 in the candidate's",
    )
