"""Which settings a published case is measured in, and which of its sizes."""

import pytest

from perf.errors import PerfError
from perf.explain.published import gflop_of, published_cases, published_speedup, settings_of
from perf.explain.subject import case_named
from perf.machine import Node, Numactl, Topology

RESNET, LSTM = "resnet50_v1-b1-mkl-fp32", "lstm-512-512-l4-n1-t50-mkl-fp32"
TWO_CORES = Topology((Node(0, (0, 1), ((0,), (1,))),))
ONE_CORE = Topology((Node(0, (0,), ((0,),)),))
NUMACTL = Numactl(None, "numactl is not installed", "install numactl")


@pytest.mark.parametrize(("name", "published"), [(RESNET, 9.32), (LSTM, 10.49), ("resnet50_v1-b64-mkl-int8", 82.01)])
def test_a_case_of_the_announcement_has_its_figure(name: str, published: float) -> None:
    assert published_speedup(case_named(name)) == published


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("resnet50_v1-b3-mkl-fp32", "resnet50_v1-b1-mkl-fp32, resnet50_v1-b2-mkl-fp32"),
        ("resnet50_v1-b1-native-fp32", "tables 2 and 3"),
        ("resnet34_v1-b1-mkl-fp32", "tables 2 and 3"),
        ("lstm-512-512-l4-n2-t50-mkl-fp32", "lstm-512-512-l4-n1-t50-mkl-fp32"),
        ("gru-512-512-l4-n1-t50-mkl-fp32", "tables 2 and 3"),
        ("train-resnet50_v1-b8-mkl-r2", "tables 2 and 3"),
    ],
)
def test_a_case_that_the_announcement_lacks_is_refused_with_what_it_has(name: str, step: str) -> None:
    with pytest.raises(PerfError, match="no speedup of this case") as error:
        published_speedup(case_named(name))
    assert step in str(error.value)


def test_other_batches_of_a_case_are_those_of_the_announcement() -> None:
    assert [case.id for case in published_cases(case_named(LSTM))] == [LSTM, LSTM.replace("n1", "n32")]
    assert len(published_cases(case_named(RESNET))) == 7


def test_a_pass_costs_what_its_multiply_adds_cost() -> None:
    assert gflop_of(case_named(RESNET)) == pytest.approx(7.7, rel=0.1)
    assert gflop_of(case_named(LSTM)) == pytest.approx(0.84, rel=0.01)


def test_two_cores_have_a_thread_alone_and_two_instances_that_share_caches_and_memory() -> None:
    own, one, every = settings_of(case_named(RESNET), TWO_CORES, NUMACTL)
    assert (own.name, one.name, every.name) == ("", "1 thread", "2 instances of 1 thread")
    assert [len(setting.placements) for setting in (own, one, every)] == [1, 1, 2]
    assert [setting.placements[0].threads for setting in (own, one, every)] == [2, 1, 1]
    assert [case.id for case in own.cases] == [RESNET, RESNET.replace("b1", "b4")]
    assert [case.id for case in one.cases] == [RESNET]


def test_one_core_has_nothing_to_replace_but_the_batch() -> None:
    (own,) = settings_of(case_named(LSTM), ONE_CORE, NUMACTL)
    assert len(own.cases) == 1, "32 samples take too long on one core"
