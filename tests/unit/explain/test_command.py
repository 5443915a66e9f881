"""What `mxperf explain` refuses before it measures anything."""

from pathlib import Path

import pytest

from perf.errors import PerfError
from perf.explain.command import Wanted, explained

CASE = "resnet18_v1-b1-mkl-fp32"
TWO_HOSTS = "train-resnet18_v1-b8-mkl-2hosts-r2"
RUN = Path("run.json")


@pytest.mark.parametrize(
    ("name", "wanted", "message"),
    [
        (CASE, Wanted(runs=[RUN] * 3), "3 runs were named"),
        (CASE, Wanted(runs=[RUN], changes=["threads=1"]), "--with: a stack comes from a run or from changes"),
        (CASE, Wanted(runs=[RUN], against=["threads=1"]), "--against: a stack comes from a run or from changes"),
        (CASE, Wanted(changes=["mkl-dist=mxnet-mkl==1.4.1"]), "does not run the build mkl-dist"),
        (TWO_HOSTS, Wanted(changes=["mkl=mxnet-mkl==1.4.1"]), "does not run the build mkl"),
        (TWO_HOSTS, Wanted(changes=["link=1"], against=["link=2"]), "the link is changed for both"),
        ("resnet18_v1", Wanted(), "there is no such case"),
        ("resnet18_v1-b0-mkl-fp32", Wanted(), "there is no such case"),
        ("resnet19_v1-b1-mkl-fp32", Wanted(), "resnet19_v1"),
        (CASE, Wanted(changes=["threads=many"]), "0 threads cannot measure anything"),
        (CASE, Wanted(against=["nonsense=1"]), "nonsense=1: is not a change that can be made"),
        (TWO_HOSTS, Wanted(changes=["threads=1"]), "threads=1: is not a change that can be made"),
    ],
    ids=str,
)
def test_what_cannot_be_compared_is_refused(name: str, wanted: Wanted, message: str, tmp_path: Path) -> None:
    with pytest.raises(PerfError, match=message):
        explained(name, wanted, tmp_path, print, lambda _text, _done: None)
