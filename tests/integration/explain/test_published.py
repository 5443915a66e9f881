"""A published case measured with one thing replaced at a time, by real builds. No test asserts a speedup."""

from dataclasses import replace

import pytest

from perf.builds.data import load
from perf.explain.published import REPLACED, rows_of, settings_of
from perf.explain.subject import case_named
from perf.explain.substitutions import sentences_of
from perf.machine import find_numactl, read_topology
from perf.measure.family import Resources
from perf.measure.tiers import effort_of

pytestmark = pytest.mark.alone

LSTM = "lstm-512-512-l4-n1-t50-mkl-fp32"


@pytest.mark.slow
def test_each_setting_and_each_choice_of_kernels_is_a_row(resources: Resources) -> None:
    topology, case = read_topology(), case_named(LSTM)
    said: list[str] = []
    shown = replace(resources, say=said.append)
    rows = rows_of(case, topology, shown, effort_of("smoke"), lambda _text, _left_s: None, said.append)
    sizes = sum(len(setting.cases) for setting in settings_of(case, topology, find_numactl(topology)))
    chosen = resources.build("native").blas_kernels in load().avx2_kernels
    assert len(rows) == sizes * (1 if chosen else 2)
    assert len({row.replaced for row in rows}) == len(rows), "each differs from the rest"
    assert (rows[0].replaced, rows[0].published) == ("", 10.49)
    assert all(row.native_ms > 0 and row.own_ms > 0 for row in rows)
    assert sentences_of(rows, LSTM, case.variant)
    assert REPLACED not in " ".join(row.replaced for row in rows)
