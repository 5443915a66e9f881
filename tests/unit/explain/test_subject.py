"""The names of cases that can be explained."""

import pytest

from perf.cnn.family import CnnCase, CnnFamily
from perf.dist.family import DistFamily, TrainingCase
from perf.errors import PerfError
from perf.explain.subject import case_named, ranks_on_host
from perf.rnn.family import RnnCase, RnnFamily

CNN = CnnFamily(pretrained=False, calibration="naive")
TRAINING = DistFamily("nightly").cases([1, 2, 4])
TWO_HOSTS = "train-resnet18_v1-b8-mkl-2hosts-r2"


@pytest.mark.parametrize(
    "case", [*CNN.cases("quick"), *CNN.cases("smoke"), *RnnFamily().cases("nightly"), *TRAINING], ids=lambda c: c.id
)
def test_every_case_is_recognised_by_its_name(case: CnnCase | RnnCase | TrainingCase) -> None:
    named = case_named(case.id)
    assert (named.id, named.family.name) == (case.id, case.family.name)


@pytest.mark.parametrize(
    "name",
    [
        "resnet18_v1",
        "resnet18_v1-b1",
        "resnet18_v1-b0-mkl-fp32",
        "train-resnet18_v1-b8-mkl",
        "train-resnet18_v1-b8-mkl-r0",
        "train-resnet18_v1-b8-mkl-2hosts-r4",
        "training-resnet18_v1-b8-mkl-r2",
        "lstm-64-64-l1-n1-t2-mkl-int8",
        pytest.param(f"resnet18_v1-b{'1' * 400}-mkl-fp32", id="a batch that no float holds"),
        pytest.param(f"train-resnet18_v1-b1-mkl-r{'1' * 5000}", id="ranks that Python refuses to read"),
        "",
    ],
)
def test_what_is_no_case_is_refused(name: str) -> None:
    with pytest.raises(PerfError, match="there is no such case"):
        case_named(name)


def test_a_cell_that_does_not_exist_is_refused() -> None:
    with pytest.raises(PerfError, match="no such recurrent cell"):
        case_named("lstn-64-64-l1-n1-t2-mkl-fp32")


def test_a_network_that_cannot_be_trained_is_refused() -> None:
    with pytest.raises(PerfError, match="alexnet cannot be trained"):
        case_named("train-alexnet-b1-mkl-r2")


@pytest.mark.parametrize(
    ("name", "ranks"),
    [("resnet18_v1-b1-mkl-fp32", 0), ("train-resnet18_v1-b8-mkl-r4", 4), (TWO_HOSTS.replace("r2", "r1"), 2)],
)
def test_a_host_has_room_for_the_ranks_of_a_case(name: str, ranks: int) -> None:
    assert ranks_on_host(case_named(name)) == ranks
