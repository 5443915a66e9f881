"""Cases and plans of the RNN family."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from perf.errors import PerfError
from perf.measure.family import Resources
from perf.rnn.family import RnnFamily, table3
from perf.rnn.shapes import check_cells

FAMILY = RnnFamily()


def resources(tmp_path: Path) -> Resources:
    """Return resources without real builds, because a plan only passes builds on."""
    return Resources(
        build=lambda role: Mock(role=role),
        placements=(),
        cores=2,
        cache=tmp_path,
        scratch=tmp_path,
        timeout_s=1,
        say=print,
    )


def test_the_nightly_tier_is_all_of_table_3_for_three_cells() -> None:
    cases = FAMILY.cases("nightly")
    assert len(cases) == len({case.id for case in cases}) == 8 * 3 * 2
    assert {(case.shape, case.layers) for case in cases} == set(table3())


def test_the_quick_tier_is_one_lstm_workload() -> None:
    assert [case.id for case in FAMILY.cases("quick")] == [
        "lstm-512-512-l4-n1-t50-native-fp32",
        "lstm-512-512-l4-n1-t50-mkl-fp32",
    ]


def test_cells_and_shapes_replace_the_tiers_own() -> None:
    cases = FAMILY.cases("quick", ["gru", "bilstm"], [(16, 100, 256, 512)])
    assert {case.workload for case in cases} == {"gru-256-512-l4-n16-t100", "bilstm-256-512-l4-n16-t100"}


def test_numbers_of_layers_replace_the_tiers_own() -> None:
    cases = FAMILY.cases("quick", ["gru"], [(16, 100, 256, 512)], [1, 2])
    assert [case.workload for case in cases if case.variant == "mkl-fp32"] == [
        "gru-256-512-l1-n16-t100",
        "gru-256-512-l2-n16-t100",
    ]


def test_only_lstms_have_published_figures() -> None:
    (native, mkl) = FAMILY.cases("quick")
    assert (native.family.published(native), mkl.family.published(mkl)) == (None, 10.49)
    (_, tanh) = FAMILY.cases("quick", ["rnn_tanh"])
    assert FAMILY.published(tanh) is None


def test_a_plan_measures_the_reference_and_every_shape(tmp_path: Path) -> None:
    cases = FAMILY.cases("quick", ["lstm"], [(1, 50, 512, 512), (32, 50, 512, 512)])
    optimised = [case for case in cases if case.variant == "mkl-fp32"]
    plan = FAMILY.plan(cases[0].subject, optimised, resources(tmp_path))
    assert [(variant.name, variant.over) for variant in plan.variants] == [
        ("native-fp32", ()),
        ("mkl-fp32", ("native-fp32",)),
    ]
    small, large = plan.workloads
    assert small.inputs == {
        "data": (50, 1, 512),
        "parameters": (4 * 4 * 512 * (512 + 512 + 2),),
        "state": (4, 1, 512),
        "state_cell": (4, 1, 512),
    }
    assert (large.inputs["data"], large.items) == ((50, 32, 512), 32)


def test_an_unknown_cell_is_refused_with_the_nearest_ones() -> None:
    with pytest.raises(PerfError, match="lsmt: there is no such recurrent cell\nnext: choose lstm or bilstm"):
        check_cells(["lstm", "lsmt"])
