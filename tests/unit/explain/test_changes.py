"""Changes of a stack: how they are written, and which of them would have no effect."""

import pytest

from perf.errors import PerfError
from perf.explain.changes import changeable_roles, link_of, parse_changes, tuning_of
from perf.explain.subject import case_named

CNN, TRAINING = "resnet18_v1-b1-mkl-fp32", "train-resnet18_v1-b8-mkl-r2"
TWO_HOSTS = "train-resnet18_v1-b8-mkl-2hosts-r2"


def test_changes_are_read_by_name() -> None:
    changes = parse_changes(["threads=1", "mkl=mxnet-mkl==1.4.1"], "--with")
    assert changes == {"threads": "1", "mkl": "mxnet-mkl==1.4.1"}


@pytest.mark.parametrize("option", ["threads", "threads=", "=1", ""])
def test_a_change_without_name_or_value_is_refused(option: str) -> None:
    with pytest.raises(PerfError, match=r"--against .*no change is named"):
        parse_changes([option], "--against")


def test_a_name_that_is_changed_twice_is_refused() -> None:
    with pytest.raises(PerfError, match="threads is changed twice"):
        parse_changes(["threads=1", "threads=2"], "--with")


@pytest.mark.parametrize(
    ("name", "roles"),
    [
        (CNN, {"mkl", "zoo"}),
        ("resnet18_v1-b1-mkl-int8", {"mkl", "zoo"}),
        ("resnet18_v1-b1-native-fp32", {"native", "zoo"}),
        ("lstm-64-64-l1-n1-t2-mkl-fp32", {"mkl"}),
        ("lstm-64-64-l1-n1-t2-native-fp32", {"native"}),
        (TRAINING, {"mkl-dist"}),
    ],
)
def test_the_build_of_the_reference_changes_no_other_case(name: str, roles: set[str]) -> None:
    assert changeable_roles(case_named(name)) == roles


@pytest.mark.parametrize("threads", ["0", "-1", "many", "1.5", "²", pytest.param("9" * 5000, id="5000 digits")])
def test_what_is_no_number_of_threads_is_refused(threads: str) -> None:
    with pytest.raises(PerfError, match="is no number of threads"):
        tuning_of({"threads": threads}, of_ranks=False)


def test_more_threads_than_the_machine_has_are_refused() -> None:
    with pytest.raises(PerfError, match="cannot run 999999 threads"):
        tuning_of({"threads": "999999"}, of_ranks=False)


def test_a_variable_that_follows_from_the_threads_is_refused() -> None:
    with pytest.raises(PerfError, match="OMP_NUM_THREADS=1: has no effect") as error:
        tuning_of({"OMP_NUM_THREADS": "1"}, of_ranks=False)
    assert error.value.next_step == "write threads=1"


@pytest.mark.parametrize("name", ["threads", "OMP_NUM_THREADS"])
def test_the_threads_of_ranks_cannot_be_changed(name: str) -> None:
    with pytest.raises(PerfError, match="ranks run one thread"):
        tuning_of({name: "1"}, of_ranks=True)


@pytest.mark.parametrize("change", ["PATH=x", "LD_PRELOAD=x", "MXNET_LIBRARY_PATH=/x.so", "HOROVOD_CYCLE_TIME=1"])
def test_a_variable_that_does_more_than_tune_is_refused(change: str) -> None:
    with pytest.raises(PerfError, match="is not a change that can be made"):
        tuning_of(parse_changes([change], "--with"), of_ranks=False)


def test_the_link_between_emulated_hosts_can_be_changed() -> None:
    assert link_of(case_named(TWO_HOSTS), {"link": "0.5"}) == 0.5
    assert link_of(case_named(TWO_HOSTS), {"MXNET_ENGINE_TYPE": "x"}) is None


@pytest.mark.parametrize("name", [CNN, TRAINING])
def test_a_case_without_emulated_hosts_has_no_link(name: str) -> None:
    with pytest.raises(PerfError, match="has no link between emulated hosts"):
        link_of(case_named(name), {"link": "1"})


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "fast", "0.001"])
def test_what_is_no_rate_of_a_link_is_refused(rate: str) -> None:
    with pytest.raises(PerfError, match="is no rate of a link"):
        link_of(case_named(TWO_HOSTS), {"link": rate})
