"""The table and the sentences of a speedup beside the announcement's."""

from dataclasses import replace

import pytest

from perf.explain.substitutions import Row, factor_text, sentences_of, table_of
from perf.judge.speedup import Estimate

FIRST = Row("", 90.0, 30.0, Estimate(3.0, 2.9, 3.1, 4), 9.0, 0.25, 0.75)
KERNELS = replace(FIRST, replaced="OpenBLAS kernels Haswell", native_ms=60.0, speedup=Estimate(2.0, 1.9, 2.1, 4))
CASE, VARIANT = "resnet50_v1-b1-mkl-fp32", "mkl-fp32"


def test_a_factor_has_an_interval_that_is_wider_than_each_of_its_parts() -> None:
    assert factor_text(KERNELS, FIRST) == "0.67 [0.63, 0.71]"


def test_without_an_interval_of_both_there_is_none_of_the_factor() -> None:
    assert factor_text(replace(KERNELS, speedup=Estimate(2.0, None, None, 1)), FIRST) == "0.67"


def test_each_row_is_in_the_table_beside_its_published_figure() -> None:
    first, second = table_of([FIRST, KERNELS], VARIANT).rows
    assert list(first) == ["nothing", "90.00", "30.00", "3.00 [2.90, 3.10]", "-", "9.00", "25 %", "75 %"]
    assert list(second)[:1] == ["OpenBLAS kernels Haswell"]
    assert list(second)[4:6] == ["0.67 [0.63, 0.71]", "9.00"]


def test_sentences_name_the_gap_and_what_this_machine_cannot_exceed() -> None:
    lines = sentences_of([FIRST, KERNELS], CASE, VARIANT)
    assert lines[0] == f"{CASE}: published 9.00, here 3.00 [2.90, 3.10]; the announcement's is 3.00 times that."
    assert lines[1] == "With OpenBLAS kernels Haswell it is 2.00 [1.90, 2.10]; the announcement's is 4.50 times that."
    assert lines[2].startswith(
        "native-fp32 reaches 25 % of this machine's FP32 peak: no build can be more than 4.0 times"
    )
    assert lines[-1].startswith("What no row replaces stays unexplained")


def test_an_unknown_limit_claims_nothing() -> None:
    unknown = replace(FIRST, native_of_limit=None, own_of_limit=None)
    assert not [line for line in sentences_of([unknown], CASE, VARIANT) if "peak" in line]
    assert list(table_of([unknown], VARIANT).rows[0])[6:] == ["-", "-"]


@pytest.mark.parametrize(("fraction", "exceeds"), [(1.02, False), (1.05, True)])
def test_a_row_above_the_limit_is_reported(fraction: float, exceeds: bool) -> None:
    lines = sentences_of([replace(FIRST, own_of_limit=fraction)], CASE, VARIANT)
    assert any("exceeds the limit" in line for line in lines) is exceeds
