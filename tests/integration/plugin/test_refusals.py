"""What the suite refuses before anything is measured: exit code, reason, and what to do."""

from pathlib import Path

import pytest

from tests.support.session import SMOKE, Finished, run, run_all
from tests.support.tmpfs import mounting

USAGE_ERROR = 4


REFUSED = {
    "--perf-build=mkl": "no requirement or wheel file is named\nnext: write for example --perf-build mkl=",
    "--perf-batch=0": "--perf-batch=0: must be at least 1",
    "--perf-model=resnet51_v1": "GluonCV has no such network\nnext: choose resnet50_v1 or ",
    "--perf-model=ssd_300_vgg16_atrous_voc": "this is not a classification network",
    "--perf-inject=mkl-fp23=5": "no selected case has a variant mkl-fp23\nnext: name one of mkl-fp32, ",
    "-operf_ranks=0": "-o: perf_ranks = 0: must be at least 1",
    "--benchmark-min-rounds=5": "--benchmark-min-rounds would not change how often a case is measured\nnext: measure ",
    "--benchmark-warmup": "--benchmark-warmup would warm up the replay of stored samples, not MXNet\nnext: leave it",
    "--benchmark-histogram": "--benchmark-histogram draws with pygal, which is not installed\nnext: begin the command",
    "--perf-instances=1000": "1000 instances do not fit",
    "--benchmark-cprofile=ncalls": "--benchmark-cprofile would profile the replay of stored samples",
    "--benchmark-compare-fail=median:5%": "--benchmark-compare-fail would judge absolute times",
    "--benchmark-storage=elasticsearch+http://localhost": "--benchmark-storage: runs are stored in folders only",
    "--benchmark-compare=0042": "--benchmark-compare=0042 matches no stored run; in ",
    "--benchmark-compare=perf/": "--benchmark-compare took perf/ for a stored run: name folders before this option",
    "--benchmark-compare=published": "--benchmark-compare=published: the tables hold for c5.24xlarge and c5.metal, not",
    "--perf-resume": "there is no unfinished session to resume\nnext: leave out --perf-resume",
    "--perf-inject=mkl-fp32": "--perf-inject=mkl-fp32: write VARIANT=PERCENT, such as mkl-fp32=5",
    "--perf-rnn-shape=1,50,512": "--perf-rnn-shape=1,50,512: write N,T,C,H, such as 16,100,256,512",
    "--perf-invocations=0": "--perf-invocations=0: must be at least 1",
    "--perf-strict": "--perf-strict would judge nothing: add --benchmark-compare",
    "-n1": "the performance suite cannot run under xdist: tests at the same time would take each other's cores",
}
# Names that do not exist: refused while collecting, where nothing is started.
NAMES = {
    "--perf-model=nosuch": "--perf-model=nosuch: GluonCV has no such network",
    "--perf-cell=lsmt": "--perf-cell=lsmt: there is no such recurrent cell\nnext: choose lstm or bilstm",
}
# Refused once the builds are there: with one build they are there sooner.
LATE = ("--benchmark-compare=0042", "--benchmark-compare=published", "--perf-resume")
NARROW = ("perf/rnn/test_inference.py", "--perf-tier=smoke", "-knative")
# Tests that measure nothing.
FOREIGN = ("tests/unit/test_wording.py",)
# Nothing is to be made for these, so they are given a cache that is not there.
EMPTY = ("--collect-only", "--benchmark-skip", "--benchmark-disable")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str | tuple[str, ...], Finished]:
    """A session for each option: none of them measures."""
    folder = tmp_path_factory.mktemp("sessions")
    unmade = folder / "unmade"
    options = [*REFUSED, *EMPTY]
    collecting = [["perf/", "--collect-only", name, f"--perf-cache={unmade}"] for name in NAMES]
    caches = {option: [f"--perf-cache={unmade}"] for option in EMPTY}
    finished = run_all(
        folder,
        [
            *([*(NARROW if option in LATE else SMOKE), option, *caches.get(option, [])] for option in options),
            *collecting,
            [*FOREIGN, "--benchmark-min-rounds=5", "--perf-inject=mkl-fp23=5"],
        ],
    )
    assert not unmade.exists()
    return dict(zip([*options, *NAMES, FOREIGN], finished, strict=True))


def test_a_test_with_a_parameter_of_the_fixtures_name_is_no_case(tmp_path: Path) -> None:
    test = tmp_path / "test_foreign.py"
    test.write_text(
        "import pytest\n\n@pytest.mark.parametrize('record', [1, 2])\ndef test_it(record):\n    assert record\n"
    )
    finished = run(tmp_path, str(test))
    assert finished.code == 0, finished.output
    assert "2 passed" in finished.output


@pytest.mark.real
@pytest.mark.parametrize("option", REFUSED)
def test_options_that_cannot_work(ended: dict[str | tuple[str, ...], Finished], option: str) -> None:
    assert ended[option].code == USAGE_ERROR
    assert REFUSED[option] in ended[option].part("ERROR: ", "\n\n")
    assert "Traceback" not in ended[option].output
    assert "INTERNALERROR" not in ended[option].output


@pytest.mark.real
@pytest.mark.parametrize("option", NAMES)
def test_names_that_do_not_exist_are_refused_while_collecting(
    ended: dict[str | tuple[str, ...], Finished], option: str
) -> None:
    assert ended[option].code == USAGE_ERROR
    assert ended[option].part("ERROR: ", "\n\n").startswith(NAMES[option])
    assert "Traceback" not in ended[option].output


@pytest.mark.real
def test_other_tests_take_options_that_only_cases_would_ignore(ended: dict[str | tuple[str, ...], Finished]) -> None:
    assert ended[FOREIGN].code == 0, ended[FOREIGN].output


@pytest.mark.real
def test_collecting_starts_nothing(ended: dict[str | tuple[str, ...], Finished]) -> None:
    collected = ended["--collect-only"]
    assert collected.code == 0
    assert "test_inference[cifar_resnet20_v1-b4-mkl-int8]" in collected.output
    assert "6 tests collected" in collected.output
    assert "build " not in collected.output


@pytest.mark.real
@pytest.mark.parametrize("option", ["--benchmark-skip", "--benchmark-disable"])
def test_nothing_measured_is_told_for_every_case(ended: dict[str | tuple[str, ...], Finished], option: str) -> None:
    assert ended[option].code == 0
    assert f"not measured: {option}" in ended[option].part("SKIPPED [6] ")
    assert "6 skipped" in ended[option].output


def test_read_only_cache(tmp_path: Path) -> None:
    cache = tmp_path / "read-only"
    cache.mkdir()
    finished = run(tmp_path, *SMOKE, f"--perf-cache={cache}", before=mounting(cache, "ro"))
    assert finished.code == USAGE_ERROR
    assert finished.part("ERROR: ", "\n\n") == (
        f"{cache}: the cache cannot be written to: Read-only file system\n"
        "next: free some space there, or choose another folder with --perf-cache FOLDER or the variable "
        "MXNET_PERF_CACHE"
    )
