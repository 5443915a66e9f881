"""What the suite refuses before anything is measured: exit code, reason, and what to do next."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from perf.builds import Build
from perf.builds.compiled import check_programs
from perf.builds.mpi import read_mpi
from perf.cnn.digits.dataset import settings
from perf.errors import PerfError, UnavailableError
from tests.conftest import SmallDisk
from tests.support.inline import Finished, made_by_hand, run_inline

SMOKE = ("perf/cnn/test_inference.py", "--perf-tier=smoke")
TRAIN = ("perf/dist/test_scaling.py", "--perf-tier=smoke", "-k", "not 2hosts")
IMAGENET = ("perf/cnn", f"--perf-model={settings().network}", "-m", "accuracy", "-k", "imagenet")

REFUSED = {
    "--perf-build=mkl": "no requirement or wheel file is named\nnext: write for example --perf-build mkl=",
    "--perf-batch=0": "--perf-batch=0: write a whole number from 1 to",
    "--perf-model=resnet51_v1": "GluonCV has no such network\nnext: choose resnet50_v1 or ",
    "--perf-model=ssd_300_vgg16_atrous_voc": "this is not a classification network",
    "--perf-inject=mkl-fp23=5": "no selected case has a variant mkl-fp23\nnext: name one of mkl-fp32, ",
    "-operf_ranks=0": "-o: perf_ranks = 0: write a whole number from 1 to",
    "--benchmark-min-rounds=5": "--benchmark-min-rounds would not change how often a case is measured\nnext: measure ",
    "--benchmark-warmup": "--benchmark-warmup would warm up the replay of stored samples, not MXNet\nnext: leave it",
    "--benchmark-histogram": "--benchmark-histogram draws with pygal, which is not installed\nnext: begin the command",
    "--perf-instances=1000": "1000 instances need a physical core each",
    "--benchmark-cprofile=ncalls": "--benchmark-cprofile would profile the replay of stored samples",
    "--benchmark-compare-fail=median:5%": "--benchmark-compare-fail would judge absolute times",
    "--benchmark-storage=elasticsearch+http://localhost": "--benchmark-storage: runs are stored in folders only",
    "--benchmark-compare=0042": "--benchmark-compare=0042 matches no stored run; in ",
    "--benchmark-compare=perf/": "--benchmark-compare took perf/ for a stored run: name folders before this option",
    "--benchmark-compare=published": "--benchmark-compare=published: the tables hold for c5.24xlarge and c5.metal, not",
    "--perf-resume": "there is no unfinished session to resume\nnext: leave out --perf-resume",
    "--perf-inject=mkl-fp32": "--perf-inject=mkl-fp32: write VARIANT=PERCENT, such as mkl-fp32=5",
    "--perf-rnn-shape=1,50,512": "--perf-rnn-shape=1,50,512: write N,T,C,H, such as 16,100,256,512",
    "--perf-invocations=0": "--perf-invocations=0: write a whole number from 1 to",
    "--perf-ranks=0": "--perf-ranks=0: write a whole number from 1 to",
    "--perf-train-rec=/nowhere.rec": "is not a file that can be read",
}
REFUSED_OF_IMAGENET = {
    ("--perf-imagenet-rec=none.rec", "--perf-pretrained"): "none.rec: this is not a file that can be read",
    ("--perf-imagenet-rec=README.md",): "--perf-imagenet-rec needs trained networks: add --perf-weights=DIR or",
    ("--perf-weights=none",): "--perf-weights=none: there is no such folder",
}


def failing(error: PerfError) -> Callable[..., Build]:
    """What provides all builds but those that train, of which it says why."""

    def provide(role: str, **_: object) -> Build:
        if role.endswith("-dist"):
            raise error
        return made_by_hand(role)

    return provide


def assert_refused(finished: Finished, reason: str) -> None:
    """A usage error with its reason, and without a traceback."""
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert reason in finished.part("ERROR: ", "\n\n")
    assert "Traceback" not in finished.output
    assert "INTERNALERROR" not in finished.output


@pytest.mark.parametrize("option", REFUSED)
def test_an_option_that_cannot_work_is_refused(tmp_path: Path, option: str) -> None:
    assert_refused(run_inline(tmp_path, *SMOKE, option), REFUSED[option])


def test_other_tests_take_options_that_only_cases_would_ignore(tmp_path: Path) -> None:
    other = "tests/unit/test_wording.py"
    finished = run_inline(tmp_path, other, "--benchmark-min-rounds=5", "--perf-inject=mkl-fp23=5")
    assert finished.code == 0, finished.output


@pytest.mark.parametrize("options", REFUSED_OF_IMAGENET)
def test_options_of_imagenet_that_cannot_work_are_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert_refused(run_inline(tmp_path, *IMAGENET, *options), REFUSED_OF_IMAGENET[options])


def test_without_a_record_file_nothing_of_imagenet_is_collected(tmp_path: Path) -> None:
    assert "test_imagenet" not in run_inline(tmp_path, *IMAGENET, "--collect-only").output


def test_a_record_file_that_is_none_fails_its_networks(tmp_path: Path) -> None:
    finished = run_inline(tmp_path, *IMAGENET, "--perf-imagenet-rec=README.md", f"--perf-weights={tmp_path}")
    assert finished.code == pytest.ExitCode.TESTS_FAILED
    assert "README.md: it is not a record file, at byte 0" in finished.output
    assert "next: create it with MXNet's im2rec, or fetch it again" in finished.output
    assert "Traceback" not in finished.output


def test_a_read_only_cache_is_refused(small_disk: SmallDisk) -> None:
    cache, make_read_only = small_disk
    make_read_only()
    assert run_inline(cache, *SMOKE).part("ERROR: ", "\n\n") == (
        f"{cache}: the cache cannot be written to: Read-only file system\n"
        "next: free some space there, or choose another folder with --perf-cache FOLDER or the variable "
        "MXNET_PERF_CACHE"
    )


def test_a_file_of_hosts_that_is_missing_ends_collection(tmp_path: Path) -> None:
    finished = run_inline(tmp_path, *TRAIN, "--perf-hosts=/nowhere/hosts")
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert "cannot be read: No such file" in finished.output
    assert "Traceback" not in finished.output


def test_a_folder_without_an_mpi_fails_the_training_cases(tmp_path: Path) -> None:
    with pytest.raises(PerfError) as caught:
        read_mpi(Path("/nowhere"), bundled=False)
    finished = run_inline(tmp_path, *TRAIN, f"--perf-mpi={tmp_path}", provide=failing(caught.value))
    assert finished.code == pytest.ExitCode.TESTS_FAILED
    assert "2 failed" in finished.output
    assert "there is no mpiexec.hydra or mpirun in /nowhere/bin" in finished.output
    assert "Traceback" not in finished.output


def test_without_a_compiler_training_is_skipped(tmp_path: Path, without_compiler: UnavailableError) -> None:
    finished = run_inline(tmp_path, *TRAIN, provide=failing(without_compiler))
    assert finished.code == 0
    assert "2 skipped" in finished.output
    assert "horovod must be compiled, and this machine lacks g++" in finished.output
    assert "apt-get install g++ cmake make" in finished.output


def test_without_a_compiler_all_other_cases_are_run(tmp_path: Path, without_compiler: UnavailableError) -> None:
    """They start workers, which a build made by hand does not have."""
    everything = (*TRAIN, "perf/rnn/test_inference.py")
    finished = run_inline(tmp_path, *everything, provide=failing(without_compiler))
    assert finished.code == pytest.ExitCode.TESTS_FAILED
    assert "2 failed, 2 skipped" in finished.output
    assert "/nowhere/bin/python" in finished.output


def test_strictly_what_cannot_be_run_fails(tmp_path: Path, without_compiler: UnavailableError) -> None:
    finished = run_inline(tmp_path, *TRAIN, "--perf-strict", "--benchmark-compare", provide=failing(without_compiler))
    assert finished.code == pytest.ExitCode.TESTS_FAILED
    assert "not run: " in finished.output


@pytest.fixture
def without_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UnavailableError:
    """The error of a build that trains where PATH has no compiler."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError) as caught:
        check_programs("horovod", "build mkl-dist")
    monkeypatch.undo()
    return caught.value


def test_collecting_starts_nothing(tmp_path: Path) -> None:
    unmade = tmp_path / "unmade"
    collected = run_inline(unmade, *SMOKE, "--collect-only")
    assert collected.code == 0
    assert "test_inference[cifar_resnet20_v1-b4-mkl-int8]" in collected.output
    assert "6 tests collected" in collected.output
    assert "build " not in collected.output
    assert not unmade.exists()


@pytest.mark.parametrize("option", ["--benchmark-skip", "--benchmark-disable"])
def test_what_is_not_measured_is_skipped_case_by_case(tmp_path: Path, option: str) -> None:
    unmade = tmp_path / "unmade"
    finished = run_inline(unmade, *SMOKE, option)
    assert finished.code == 0
    assert f"not measured: {option}" in finished.part("SKIPPED [6] ")
    assert "6 skipped" in finished.output
    assert not unmade.exists()


def test_a_test_with_a_parameter_of_the_fixtures_name_is_no_case(tmp_path: Path) -> None:
    test = tmp_path / "test_foreign.py"
    test.write_text(
        "import pytest\n\n@pytest.mark.parametrize('record', [1, 2])\ndef test_it(record):\n    assert record\n"
    )
    finished = run_inline(tmp_path, str(test))
    assert finished.code == 0, finished.output
    assert "2 passed" in finished.output


def test_a_report_that_cannot_be_written_costs_no_summary(tmp_path: Path, without_compiler: UnavailableError) -> None:
    finished = run_inline(tmp_path, *TRAIN, "--junitxml=/dev/full", provide=failing(without_compiler))
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert "= performance =" in finished.output
    assert finished.part("Another plugin could not write what it keeps of this session: ") == (
        "OSError: [Errno 28] No space left on device"
    )
    assert "Traceback" not in finished.output


def test_without_a_place_for_temporary_files_nothing_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    assert_refused(run_inline(tmp_path, *SMOKE), "[Errno 2] No such file or directory: '/proc/.mxnet-perf-session-")


ODD = "a\n::error::b\u202ec\x1b[31m"
NAMED = {
    "hosts": (*TRAIN, f"--perf-hosts=/nowhere/{ODD}"),
    "weights": (*SMOKE, f"--perf-weights={ODD}"),
    "network": (*SMOKE, f"--perf-symbol=net={ODD}.json,{ODD}.params,3x8x8"),
    "wheel": (*SMOKE, f"--perf-build=mkl=./{ODD}-1.5.0-py3-none-any.whl"),
    "requirement": (*SMOKE, f"--perf-build=mkl={ODD}"),
    "cache": (*SMOKE, f"--perf-cache=/proc/{ODD}"),
    "stored run": (*SMOKE, f"--benchmark-compare={ODD}"),
    "model": (*SMOKE, f"--perf-model={ODD}"),
}


@pytest.mark.parametrize("what", NAMED)
def test_an_odd_name_is_refused_on_one_line_without_its_marks(tmp_path: Path, what: str) -> None:
    """In a workflow, whose log takes a line that begins with colons for a command."""
    finished = run_inline(tmp_path, *NAMED[what], workflow=True)
    assert_refused(finished, "a ")
    assert not re.search(r"^\s*::error::b|[\u202e\x1b]", finished.output, re.MULTILINE), finished.output


LONG = "x" * 5000
UNUSABLE = {
    "--perf-cache=~nobody-here/cache": "~nobody-here/cache: ~nobody-here is not the home folder of a user",
    "--perf-weights=~nobody-here": "--perf-weights=~nobody-here: ~nobody-here is not the home folder of a user",
    "--perf-symbol=n=~nobody-here/a.json,b.params,3x8x8": "~nobody-here is not the home folder of a user",
    "--perf-build=mkl=~nobody-here/a.whl": "the wheel cannot be read: Could not determine home directory",
    f"--perf-weights={LONG}": "x...: File name too long",
    f"--perf-mpi={LONG}": "x...: File name too long",
    f"--perf-report={LONG}/page.html": "x...: File name too long",
    f"--perf-imagenet-rec={LONG}": "this is not a file that can be read",
    f"--perf-build=mkl={LONG}.whl": "the wheel cannot be read: File name too long",
    f"--perf-cache={LONG}": "the cache cannot be written to: File name too long",
    f"--benchmark-compare={LONG}": "x...",
}


@pytest.mark.parametrize("option", UNUSABLE, ids=lambda option: option[:40])
def test_a_path_that_cannot_be_is_refused(tmp_path: Path, option: str) -> None:
    assert_refused(run_inline(tmp_path, *SMOKE, option), UNUSABLE[option])
