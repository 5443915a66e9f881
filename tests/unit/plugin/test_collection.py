"""Collecting: which items are measured, and what is refused although nothing is started."""

import json
import re
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from perf.files import ROOT
from perf.machine import read_machine
from perf.plugin.collection import may_collect_suite
from tests.support.factories import benchmark, document
from tests.support.inline import Finished, run_inline


def collect(folder: Path, *options: str) -> Finished:
    """`pytest OPTIONS --collect-only`, which leaves no cache in `folder`."""
    finished = run_inline(folder / "cache", "--collect-only", "-q", "--perf-tier=smoke", *options)
    assert not (folder / "cache").exists()
    return finished


REFUSED = {
    ("perf/cnn", "--perf-model=resnet51_v1"): "GluonCV has no such network\nnext: choose resnet50_v1 or ",
    ("perf/dist", "--perf-model=nosuch"): "--perf-model=nosuch: GluonCV has no such network",
    ("perf", "--perf-model=ssd_300_vgg16_atrous_voc"): "this is not a classification network",
    (
        "perf/cnn",
        "--perf-symbol=vgg11=a.json,a.params,3x8x8",
    ): "GluonCV has a network of this name\nnext: choose another",
    ("perf/rnn", "--perf-symbol=mynet=none.json,a.params,3x8x8"): "none.json: cannot be read: No such file",
    ("perf/rnn", "--perf-cell=lsmt"): "there is no such recurrent cell\nnext: choose lstm or bilstm",
    ("perf/rnn", "--perf-inject=mkl-int8=5"): "no selected case has a variant mkl-int8\nnext: name one of mkl-fp32, ",
    ("perf/cnn", "--benchmark-min-rounds=5"): "--benchmark-min-rounds would not change how often a case is measured",
    ("perf/cnn", "--perf-cell=xlstm"): "--perf-cell=xlstm: there is no such recurrent cell\nnext: choose lstm",
    ("perf/rnn", "--perf-model=nosuch", "-k", "nothing"): "--perf-model=nosuch: GluonCV has no such network",
    ("perf/rnn", "-operf_model=NoSuch"): "-o: perf_model = NoSuch: GluonCV has no such network",
    ("perf/rnn", "--perf-build=mkl=./no.whl"): "--perf-build mkl=./no.whl: the wheel cannot be read: No such file",
    ("perf/rnn", "--perf-strict"): "--perf-strict would judge nothing: add --benchmark-compare",
    ("perf/cnn", "--benchmark-histogram"): "--benchmark-histogram draws with pygal, which is not installed\nnext: ",
}


@pytest.mark.parametrize("options", REFUSED)
def test_what_cannot_work_is_refused_while_collecting(tmp_path: Path, options: tuple[str, ...]) -> None:
    finished = collect(tmp_path, *options)
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert REFUSED[options] in finished.part("ERROR: ", "\n\n")
    assert "Traceback" not in finished.output
    assert "INTERNALERROR" not in finished.output


def test_a_rerun_needs_a_verdict(tmp_path: Path) -> None:
    finished = run_inline(tmp_path, "--collect-only", "perf/cnn", "--perf-tier=smoke", "--perf-rerun=inconclusive")
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert "no finished session has judged a case\nnext: judge the cases first: " in finished.part("ERROR: ", "\n\n")


def test_a_rerun_selects_cases_by_their_last_verdict_and_no_checks_of_answers(tmp_path: Path) -> None:
    nothing = dict.fromkeys(("latency_ratio", "smallest_loss", "beside"))
    verdict: dict[str, Any] = {"kind": "inconclusive", "reason": "", "changes": [], "missing": [], "ratios": []}
    verdict |= nothing
    content = document(
        benchmark("cifar_resnet20_v1-b1", "mkl-int8", verdict=verdict),
        benchmark("cifar_resnet20_v1-b4", "mkl-int8", verdict={**verdict, "kind": "ok"}),
        machine_class=read_machine().machine_class,
    )
    run = tmp_path / "runs" / "1" / "run.json"
    run.parent.mkdir(parents=True)
    run.write_text(json.dumps(content))
    options = ("--collect-only", "-q", "perf", "--perf-tier=smoke", "--perf-rerun=inconclusive", "--perf-rerun=invalid")
    finished = run_inline(tmp_path, *options)
    assert finished.code == pytest.ExitCode.OK
    assert re.findall(r"^perf/.*$", finished.output, re.MULTILINE) == [
        "perf/cnn/test_inference.py::test_inference[cifar_resnet20_v1-b1-mkl-int8]"
    ]
    assert "1 case with the last verdict inconclusive or invalid" in finished.output


MARKS = """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if {condition}:
            item.add_marker(pytest.mark.perf({arguments}))
"""


def marked(folder: Path, condition: str, arguments: str) -> Finished:
    """What a session says whose user marks items in a plugin."""
    (folder / "marks.py").write_text(MARKS.format(condition=condition, arguments=arguments))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.delitem(sys.modules, "marks", raising=False)
        return collect(folder, "perf/cnn", "-p", "marks")


@pytest.mark.parametrize("arguments", ["tolerance=0.03", "tolerance=0.1, resolution=0.3", "resolution=0.2"])
def test_cases_may_be_marked_with_a_tolerance(tmp_path: Path, arguments: str) -> None:
    assert marked(tmp_path, '"test_inference" in item.name', arguments).code == pytest.ExitCode.OK


REFUSED_MARKS = {
    "0.03": "its marker perf: perf(0.03)\nnext: write perf(tolerance=0.03), ",
    "": "its marker perf: perf()",
    "tolerence=0.03": "its marker perf: perf(tolerence=0.03)",
    "tolerance='3%'": "its marker perf: Expected `float | null`, got `str` - at `$.change`",
    "tolerance=True": "its marker perf: Expected `float | null`, got `bool`",
    "tolerance=3": "its marker perf has a value that is not between 0 and 1",
    "tolerance=None": "its marker perf: perf(tolerance=None)\nnext: write perf(tolerance=0.03), ",
    "tolerance=0.03, resolution=None": "its marker perf: perf(tolerance=0.03, resolution=None)",
    "tolerance=float('nan')": "its marker perf has a value that is not between 0 and 1",
    "tolerance=0.3": "its marker perf allows a change of 0.3, but `ok` excludes 0.05",
}


@pytest.mark.parametrize("arguments", REFUSED_MARKS)
def test_a_mark_that_sets_no_tolerance_is_refused_with_its_item(tmp_path: Path, arguments: str) -> None:
    finished = marked(tmp_path, '"b4-mkl-int8" in item.name', arguments)
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    message = finished.part("ERROR: ", "\n\n")
    item = "perf/cnn/test_inference.py::test_inference[cifar_resnet20_v1-b4-mkl-int8]"
    assert message.startswith(f"{item}: {REFUSED_MARKS[arguments]}")
    assert "Traceback" not in finished.output


def test_a_mark_on_a_check_of_answers_is_refused(tmp_path: Path) -> None:
    finished = marked(tmp_path, '"test_fusion" in item.name', "tolerance=0.03")
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert (
        "its marker perf has no effect, since it does not measure a case\nnext: mark items of cases only"
        in finished.output
    )


ACCEPTED = {
    ("perf/cnn", "--perf-build=zoo=mxnet==1.9.1", "--perf-model=nosuch"): "test_inference[nosuch-b1-mkl-fp32]",
    ("perf/cnn", "-k", "mkl-int8", "--perf-inject=native-fp32=5"): "test_inference[cifar_resnet20_v1-b1-mkl-int8]",
    ("perf/cnn", "-maccuracy", "--benchmark-min-rounds=5"): "test_fusion[cifar_resnet20_v1]",
    ("perf/dist/test_scaling.py", "--perf-model=resnet101_v1"): "test_scaling[",
    ("perf/cnn/test_inference.py", "--perf-model=CIFAR_ResNet20_v1"): "test_inference[cifar_resnet20_v1-b1-mkl-int8]",
    ("perf/rnn", "--perf-strict", "--benchmark-skip"): "test_inference[lstm-",
    ("tests/unit/test_wording.py", "--perf-strict", "--perf-cell=xlstm"): "test_wording.py::",
    ("tests/unit/test_wording.py", "-operf_tier=quik"): "test_wording.py::",
    ("tests/unit/test_wording.py", "--benchmark-min-rounds=5", "--perf-inject=nosuch=5"): "test_wording.py::",
}


@pytest.mark.parametrize("options", ACCEPTED)
def test_what_works_is_collected(tmp_path: Path, options: tuple[str, ...]) -> None:
    finished = collect(tmp_path, *options)
    assert finished.code == 0, finished.output
    assert ACCEPTED[options] in finished.output


@pytest.mark.parametrize(
    ("folder", "arguments", "leads"),
    [
        (ROOT, ["perf/cnn/test_inference.py::test_inference[a::b]"], True),
        (ROOT, ["tests/unit", "perf"], True),
        (ROOT, ["."], True),
        (ROOT, [str(ROOT.parent)], True),
        (ROOT / "perf" / "rnn", ["test_parity.py"], True),
        (ROOT / "perf", ["../tests/unit/judge"], False),
        (ROOT, ["tests"], False),
    ],
)
def test_arguments_that_lead_to_the_suite(folder: Path, arguments: list[str], leads: bool) -> None:
    config: Any = Mock(rootpath=ROOT, args=arguments, **{"invocation_params.dir": folder, "option.pyargs": False})
    assert may_collect_suite(config) == leads
    config.option.pyargs = True
    assert may_collect_suite(config)


def test_a_mistake_is_refused_in_a_checkout_behind_a_link(tmp_path: Path) -> None:
    """Taken for a session of other tests, it would measure with the defaults, and not strictly."""
    (tmp_path / "link").symlink_to(ROOT)
    finished = collect(tmp_path, f"{tmp_path}/link/perf/cnn", "--perf-tier=quik", "--perf-strict")
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert "--perf-tier=quik: write one of quick, nightly, smoke" in finished.part("ERROR: ", "\n\n")


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A configuration file of the user's own, in a folder of its own."""
    path = tmp_path / "ci" / "own.ini"
    path.parent.mkdir()
    path.write_text("[pytest]\n")
    return path


@pytest.mark.parametrize("options", [(), ("--perf-rerun=ok",), ("--perf-shard=1/2",), ("--perf-tier=smoke",)])
def test_another_root_folder_is_refused(tmp_path: Path, configuration: Path, options: tuple[str, ...]) -> None:
    """Ids of items would begin in another way, and nothing would know them: no shard, no rerun, no mark."""
    finished = collect(tmp_path, "perf/cnn", "-c", str(configuration), *options)
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert finished.part("ERROR: ", "\n\n") == (
        f"ids of cases begin at the checkout, and pytest's root folder is {configuration.parent}\n"
        f"next: add --rootdir={ROOT}"
    )


def test_a_configuration_that_leaves_a_family_out_is_refused(tmp_path: Path, configuration: Path) -> None:
    own = ("-c", str(configuration), f"--rootdir={ROOT}")
    finished = collect(tmp_path, "perf", *own)
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert finished.part("ERROR: ", "\n\n").startswith(f"{configuration}: norecursedirs leaves out perf/dist\nnext: ")
    for folder, item in {
        "perf/dist": "perf/dist/test_scaling.py::",
        "perf/cnn": "perf/cnn/test_inference.py::",
    }.items():
        finished = collect(tmp_path, folder, *own)
        assert finished.code == 0, finished.output
        assert item in finished.output
    configuration.write_text("[pytest]\nnorecursedirs = .* build\n")
    assert "perf/dist/test_scaling.py::" in collect(tmp_path, "perf", *own).output


def test_other_tests_may_have_any_root_folder(tmp_path: Path, configuration: Path) -> None:
    finished = collect(tmp_path, "tests/unit/test_wording.py", "-c", str(configuration), "-operf_tier=quik")
    assert finished.code == 0, finished.output
    assert "::test_a_noun_agrees_with_its_number" in finished.output
