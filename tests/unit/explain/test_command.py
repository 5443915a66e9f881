"""What `mxperf explain` refuses before it measures anything."""

import json
from pathlib import Path
from typing import Any

import pytest

from perf.errors import PerfError
from perf.explain.command import Wanted, explained, ranks_per_host_of
from perf.explain.subject import case_named
from perf.machine import read_machine
from tests.support.factories import CASE as STORED
from tests.support.factories import benchmark, document

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
        (CASE, Wanted(changes=["native=mxnet==1.4.1"]), "does not run the build native"),
        (CASE, Wanted(changes=["mkl=missing.whl"]), "the wheel cannot be read"),
        (CASE, Wanted(changes=["mkl===1.5.0"]), "no requirement or wheel file is named"),
        (CASE, Wanted(changes=["threads=many"]), "threads=many: is no number of threads"),
        (CASE, Wanted(against=["nonsense=1"]), "nonsense=1: is not a change that can be made"),
        (TWO_HOSTS, Wanted(changes=["threads=1"]), "threads=1: ranks run one thread on each"),
    ],
    ids=str,
)
def test_what_cannot_be_compared_is_refused(name: str, wanted: Wanted, message: str, tmp_path: Path) -> None:
    with pytest.raises(PerfError, match=message):
        explained(name, wanted, tmp_path, print, lambda _text, _done: None)


def stored(folder: Path, **context: Any) -> Path:
    """A run of one case, of this machine's class unless the context names another one."""
    path = folder / "run.json"
    path.write_text(json.dumps(document(benchmark(), **{"machine_class": read_machine().machine_class, **context})))
    return path


@pytest.mark.parametrize(
    ("name", "context", "message"),
    [
        ("resnet50_v1-b8-mkl-fp32", {}, f"does not contain the case resnet50_v1-b8-mkl-fp32\nnext: .*{STORED}"),
        (STORED, {"machine_class": "other-2c"}, "was measured on machine class other-2c, not "),
        (STORED, {"arguments": ["--perf-symbol=resnet50_v1=a.json,a.params,3x8x8"]}, "a network of your own cannot be"),
    ],
    ids=["another case", "another class", "own network"],
)
def test_a_run_that_cannot_be_explained_here_is_refused(
    name: str, context: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(PerfError, match=message):
        explained(name, Wanted(runs=[stored(tmp_path, **context)]), tmp_path, print, lambda _text, _done: None)


def test_a_run_without_cases_names_none(tmp_path: Path) -> None:
    path = stored(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "benchmarks": []}))
    with pytest.raises(PerfError, match="does not contain the case") as error:
        explained(STORED, Wanted(runs=[path]), tmp_path, print, lambda _text, _done: None)
    assert error.value.next_step == "name another run: this one has no case"


def test_ranks_per_host_are_those_of_a_training_case_only() -> None:
    arguments = ["--perf-tier=quick", "--perf-ranks=many", "--perf-ranks=4"]
    assert ranks_per_host_of(case_named(TWO_HOSTS), arguments) == 4
    assert ranks_per_host_of(case_named(TWO_HOSTS), []) is None
    assert ranks_per_host_of(case_named(CASE), arguments) is None
