"""What a layer runs in another way than before."""

import pytest

from perf.profile.facts import OWN, facts_of
from perf.profile.layers import Layer
from perf.profile.primitives import Primitive
from tests.unit.profile.test_layers import ALONE, FUSED, INT8, POOL

SAME = Layer((POOL,), (POOL,))
REORDER = Primitive("reorder", "simple:any", "in:nchw out:nChw8c", 0.1)


def conv(kernel: str = "jit:avx2", source: str = "nChw8c", batch: int = 1) -> Primitive:
    return Primitive("convolution", kernel, f"forward_inference,fsrc:{source},mb{batch}", 0.2)


def test_equal_layers_have_no_facts() -> None:
    assert facts_of(SAME, [conv()], [conv()], (2, 2)) == ()


@pytest.mark.parametrize(
    ("then", "now", "fact"),
    [
        ([conv()], [conv("gemm:ref")], "kernel: convolution jit:avx2 -> convolution gemm:ref"),
        ([conv()], [], f"kernel: convolution jit:avx2 -> {OWN}"),
        ([conv()], [REORDER, conv()], "gained 1 reorder: 0 -> 1"),
        ([REORDER, REORDER, conv()], [conv()], "lost 2 reorders: 2 -> 0"),
        ([conv()], [conv(source="nchw")], "layout: src aBcd8b -> src abcd"),
        ([conv()], [conv(batch=2)], "shape: mb1 -> mb2"),
    ],
)
def test_another_way_to_run_it_is_a_fact(then: list[Primitive], now: list[Primitive], fact: str) -> None:
    assert facts_of(SAME, then, now, (2, 2)) == (fact,)


def test_the_same_layout_in_the_words_of_another_release_is_no_fact() -> None:
    newer = Primitive(
        "convolution", "jit:avx2", "forward_inference,src_f32::blocked:aBcd8b:f0,post_ops:'sum;';,mb1", 0.2
    )
    assert facts_of(SAME, [conv()], [newer], (2, 2)) == ()


def test_another_number_of_primitives_is_a_fact() -> None:
    assert facts_of(SAME, [conv()], [conv(), conv()], (2, 2)) == ("primitives: 1 -> 2",)


def test_threads_are_a_fact() -> None:
    assert facts_of(SAME, [], [], (2, 1)) == ("threads: 2 -> 1",)


def test_lost_fusion_and_lost_int8_come_first() -> None:
    lost = facts_of(Layer((FUSED,), tuple(ALONE)), [conv()], [conv("gemm:ref")], (2, 1))
    assert [fact.partition(":")[0] for fact in lost] == ["lost its fusion", "kernel", "threads"]
    assert lost[0] == "lost its fusion: conv+bn+relu -> conv, bn, relu"
    assert facts_of(Layer((INT8,), (FUSED,)), [], [], (2, 2)) == ("lost INT8: int8 conv+bn+relu -> conv+bn+relu",)


def test_what_one_stack_alone_runs_is_a_fact() -> None:
    assert facts_of(Layer((), (POOL,)), [], [], (2, 2)) == ("only the candidate runs Pooling",)
    assert facts_of(Layer((POOL,), ()), [], [], (2, 2)) == ("only the baseline runs Pooling",)
