"""The names of cases that can be explained, and changes of a stack."""

import pytest

from perf.cnn.family import CnnCase, CnnFamily
from perf.errors import PerfError
from perf.explain.subject import case_named, parse_changes
from perf.rnn.family import RnnCase, RnnFamily

CNN = CnnFamily(pretrained=False, calibration="naive")


@pytest.mark.parametrize(
    "case", [*CNN.cases("quick"), *CNN.cases("smoke"), *RnnFamily().cases("nightly")], ids=lambda c: c.id
)
def test_every_case_is_recognised_by_its_name(case: CnnCase | RnnCase) -> None:
    assert case_named(case.id).id == case.id


@pytest.mark.parametrize(
    "name", ["resnet18_v1", "resnet18_v1-b1", "training-resnet18_v1-b8-mkl-r2", "lstm-64-64-l1-n1-t2-mkl-int8", ""]
)
def test_what_is_no_case_is_refused(name: str) -> None:
    with pytest.raises(PerfError, match="no such case that can be explained"):
        case_named(name)


def test_a_cell_that_does_not_exist_is_refused() -> None:
    with pytest.raises(PerfError, match="no such recurrent cell"):
        case_named("lstn-64-64-l1-n1-t2-mkl-fp32")


def test_changes_are_read_by_name() -> None:
    assert parse_changes(["threads=1", "mkl=mxnet-mkl==1.4.1"]) == {"threads": "1", "mkl": "mxnet-mkl==1.4.1"}


@pytest.mark.parametrize("option", ["threads", "threads=", "=1", ""])
def test_a_change_without_name_or_value_is_refused(option: str) -> None:
    with pytest.raises(PerfError, match="no change is named"):
        parse_changes([option])


@pytest.mark.parametrize(
    "name", ["resnet18_v1-b0-mkl-fp32", "lstm-64-64-l0-n1-t2-mkl-fp32", f"resnet18_v1-b{'9' * 5000}-mkl-fp32"]
)
def test_a_size_that_no_array_has_is_refused(name: str) -> None:
    with pytest.raises(PerfError, match="no case has the size"):
        case_named(name)


def test_two_changes_of_one_thing_are_refused() -> None:
    with pytest.raises(PerfError, match="threads is changed twice"):
        parse_changes(["threads=1", "threads=2"])


@pytest.mark.parametrize("name", ["resnet18-b1-mkl-fp32", "[/red]-b1-mkl-fp32", "<b>-b1-mkl-int8"])
def test_a_network_that_gluoncv_lacks_is_refused_before_anything_is_prepared(name: str) -> None:
    with pytest.raises(PerfError, match="GluonCV has no such network"):
        case_named(name)


def test_a_network_may_be_written_in_any_capitals() -> None:
    assert case_named("ResNet18_v1-b1-mkl-fp32").id == "resnet18_v1-b1-mkl-fp32"
