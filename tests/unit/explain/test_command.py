"""What `mxperf explain` refuses before anything is provisioned."""

from pathlib import Path

import pytest

from perf.errors import PerfError
from perf.explain.command import explained

CASE = "resnet18_v1-b1-mkl-fp32"


def refused(name: str, changes: list[str], cache: Path) -> PerfError:
    with pytest.raises(PerfError) as error:
        explained(name, [], changes, cache, print, lambda _text, _done: None)
    return error.value


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (CASE, "native=mxnet==1.4.1"),
        (CASE.replace("mkl", "native"), "mkl=mxnet-mkl==1.4.1"),
        ("lstm-64-64-l1-n4-t20-mkl-fp32", "native=mxnet==1.4.1"),
    ],
)
def test_a_build_that_the_case_does_not_run_is_refused(name: str, change: str, tmp_path: Path) -> None:
    error = refused(name, [change], tmp_path)
    assert "runs the build" in error.what
    assert not list(tmp_path.iterdir()), "nothing was provisioned"


@pytest.mark.parametrize(
    ("change", "problem"),
    [("threads=two", "is not a number"), ("threads=" + "9" * 5000, "is not a number"), ("LD_PRELOAD=a.so", "change")],
)
def test_a_change_that_cannot_be_made_is_refused(change: str, problem: str, tmp_path: Path) -> None:
    assert problem in refused(CASE, [change], tmp_path).what
    assert not list(tmp_path.iterdir()), "nothing was provisioned"
