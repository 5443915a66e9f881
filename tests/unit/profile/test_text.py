"""An explanation as text."""

import msgspec

from perf.profile.text import explanation_lines, explanation_table, headline
from perf.runs.explanation import Explanation, LayerTime, TimeChange

CONV = LayerTime(
    "conv0", "conv+bn+relu", ("convolution gemm:ref",), 1.5, 0.5, TimeChange(1.0, 0.9, 1.1),
    ("kernel: convolution jit:avx2 -> convolution gemm:ref",),
)  # fmt: skip
POOL = LayerTime("pool0", "Pooling", ("pooling jit:avx2",), 0.5, 0.5, TimeChange(0.02, -0.1, 0.14))
CHANGED = Explanation(
    layers=(CONV, POOL),
    culprits=1,
    pass_ms=2.1,
    then_pass_ms=1.1,
    change=TimeChange(1.0, 0.8, 1.2),
    accounted=0.97,
    notes=(),
    invocations=4,
    elapsed_s=20.0,
)
ALONE = msgspec.structs.replace(CHANGED, change=None, then_pass_ms=None, culprits=0)


def test_a_line_says_how_much_a_layer_accounts_for_and_what_it_runs_in_another_way() -> None:
    assert explanation_lines(CHANGED) == [
        "conv0: +1.000 [+0.900, +1.100] ms, 100 % of the change: kernel: convolution jit:avx2 -> convolution gemm:ref"
    ]


def test_without_a_baseline_the_longest_layers_are_named() -> None:
    assert explanation_lines(ALONE, 1) == ["conv0 (conv+bn+relu): 71 % of a pass"]


def test_noise_is_called_so() -> None:
    noise = msgspec.structs.replace(CHANGED, culprits=0, layers=(POOL,), change=TimeChange(0.2, -0.2, 0.6))
    assert explanation_lines(noise) == ["no layer accounts for the change"]
    assert "ms: no significant change, and nothing runs in another way; " in headline(noise)


def test_a_significant_change_is_not_called_noise_where_no_layer_accounts_for_it() -> None:
    spread = msgspec.structs.replace(CHANGED, culprits=0, layers=(POOL,))
    assert "a significant change, but nothing runs in another way, and no layer changed" in headline(spread)


def test_what_runs_in_another_way_is_not_denied_where_it_accounts_for_nothing() -> None:
    opposite = msgspec.structs.replace(CHANGED, culprits=0, change=TimeChange(-0.1, -0.3, 0.1))
    assert "no significant change; 1 layer runs in another way, but no layer that does changed" in headline(opposite)


def test_the_headline_says_what_is_accounted_for() -> None:
    assert headline(CHANGED) == (
        "A pass takes 1.100 -> 2.100 ms, +1.000 [+0.800, +1.200] ms; 1 layer accounts for 100 % of the change; "
        "operators and MXNet's overhead account for 97.0 % of a pass."
    )
    assert headline(ALONE) == ("A pass takes 2.100 ms; operators and MXNet's overhead account for 97.0 % of it.")


def test_the_table_has_a_row_for_each_layer() -> None:
    assert [row[0] for row in explanation_table(CHANGED).rows] == ["conv0", "pool0"]
    assert explanation_table(ALONE).rows[0] == ["conv0", "conv+bn+relu", "1.500", "71 %", "-", "convolution gemm:ref"]
    assert explanation_table(ALONE, {"conv0": 0.8}).rows[0][4] == "80 %"
