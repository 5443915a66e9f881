"""A bisection of real wheels: a slower one is located, a kill loses nothing, one that does not import is skipped.

docs/other-wheels.md shows a longer one that was run by hand.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from perf.bisection.session import find_item
from perf.bisection.state import Step, read_bisection, read_steps
from perf.builds import Build, provision
from perf.cache import cache_folder
from perf.errors import PerfError
from perf.files import ROOT
from perf.machine import read_machine
from perf.runs.schema import read_run
from tests.support.inline import Finished
from tests.support.wheels import repacked, wheel

pytestmark = [pytest.mark.alone, pytest.mark.slow]
CASE = "lstm-16-16-l2-n2-t5-mkl-fp32"
FIRST = "mxnet-mkl==1.5.0"
NAME = "mxnet_mkl-1.5.0-py2.py3-none-manylinux1_x86_64.whl"
# Five times the time for every pass, which shows on a busy machine too.
SLOWER = """

_own_forward = Executor.forward


def _slow_forward(self, *args, **kwargs):
    import time

    began_s = time.perf_counter()
    outputs = _own_forward(self, *args, **kwargs)
    for output in outputs:
        output.wait_to_read()
    end_s = began_s + 5 * (time.perf_counter() - began_s)
    while time.perf_counter() < end_s:
        pass
    return outputs


Executor.forward = _slow_forward
"""
PATIENCE_S = 100.0


class Command:
    """`mxperf bisect FIRST WHEEL` on a case of the smoke tier; its cache shares the builds of the user's."""

    def __init__(self, folder: Path, cache: Path, second: Path) -> None:
        self.folder = folder
        self._cache = cache
        self._arguments = [FIRST, str(second), f"--case={CASE}", "--tier=smoke", f"--folder={folder}"]

    def start(self) -> "subprocess.Popen[str]":
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "MXNET_PERF"))}
        return subprocess.Popen(
            [sys.executable, "-c", "from perf.cli.main import main; main()", "bisect", *self._arguments],
            cwd=ROOT,
            env={**environment, "MXNET_PERF_CACHE": str(self._cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self) -> Finished:
        with self.start() as process:
            output, _ = process.communicate(timeout=PATIENCE_S)
            return Finished(process.returncode, output)

    def killed_while_measuring(self) -> list[psutil.Process]:
        """Kill it with the first invocation of the second wheel on the disk; return what it had started."""
        with self.start() as process:
            deadline_s = time.monotonic() + PATIENCE_S
            while not self._has_measured() and process.poll() is None and time.monotonic() < deadline_s:
                time.sleep(0.005)
            started = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGKILL)
        return started

    def steps(self) -> list[Step]:
        bisection = read_bisection(self.folder)
        assert bisection is not None
        return read_steps(self.folder, bisection)

    def _has_measured(self) -> bool:
        journals = sorted(self._cache.glob("runs/*/journal.jsonl"))
        return len(journals) > 1 and b'{"measured":' in journals[-1].read_bytes()


@pytest.fixture(scope="module")
def mkl() -> Build:
    return provision("mkl", override=None, cache=cache_folder(None), say=print)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    (folder / "builds").mkdir()
    for build in cache_folder(None).glob("builds/*[0-9a-f]"):
        (folder / "builds" / build.name).symlink_to(build)
    return folder


@pytest.fixture(scope="module")
def located(tmp_path_factory: pytest.TempPathFactory, cache: Path, mkl: Build) -> tuple[Command, Finished]:
    """A bisection that was killed and resumed."""
    folder = tmp_path_factory.mktemp("wheels")
    (packages,) = mkl.folder.glob("lib/python*/site-packages")
    slower = repacked(packages, folder / NAME, {"mxnet/executor.py": SLOWER})
    command = Command(folder / "bisection", cache, slower)
    started = command.killed_while_measuring()
    assert started
    gone, alive = psutil.wait_procs(started, timeout=10)
    assert not alive, f"{alive} outlived the command; {gone} did not"
    assert command.steps() == []
    return command, command.finish()


def test_the_slower_wheel_is_named_with_its_change_and_a_command(located: tuple[Command, Finished]) -> None:
    command, finished = located
    assert finished.code == 0, finished.output
    (step,) = command.steps()
    assert (step.wheel, step.answer) == (1, "slower")
    assert step.change_high is not None
    assert step.change_high < 0.98
    assert len(step.values) >= 3
    assert f"{NAME} (after {FIRST})\nreproduce: " in finished.output
    assert f"perf/rnn/test_inference.py::test_inference[{CASE}]' --perf-tier=smoke --perf-build=mkl=" in finished.output


def test_what_was_measured_before_the_kill_is_not_measured_again(located: tuple[Command, Finished]) -> None:
    log = (located[0].folder / "logs" / "wheel-001-session-1.txt").read_text()
    assert "Reusing 1 of 3 invocations" in log or "Reusing 2 of 3 invocations" in log, log


def test_a_finished_bisection_measures_nothing_and_says_the_same(located: tuple[Command, Finished]) -> None:
    command, finished = located
    before = {path: path.stat().st_mtime_ns for path in command.folder.rglob("*.*") if path.name != ".lock"}
    again = command.finish()
    assert (again.code, again.output) == (finished.code, finished.output)
    assert {path: path.stat().st_mtime_ns for path in command.folder.rglob("*.*") if path.name != ".lock"} == before


def test_a_wheel_that_does_not_import_is_undecided(
    located: tuple[Command, Finished], tmp_path: Path, cache: Path
) -> None:
    broken = wheel(tmp_path / "mxnet_mkl-9.9-py3-none-any.whl", {"mxnet/__init__.py": "raise ImportError('broken')\n"})
    command = Command(tmp_path / "bisection", cache, broken)
    shutil.copytree(located[0].folder / "first", command.folder / "first")
    finished = command.finish()
    assert finished.code == 3, finished.output
    assert f"{broken} is undecided: build mkl ({broken}): " in finished.output
    assert f"nothing to bisect: {broken} could not be compared with {FIRST} in {CASE}." in finished.output
    assert [step.answer for step in command.steps()] == ["undecided"]


def test_the_run_of_the_first_wheel_is_a_stored_run_of_this_machine(located: tuple[Command, Finished]) -> None:
    run = read_run(located[0].folder / "first" / "0001_first.json")
    assert run.perf.machine_class == read_machine().machine_class
    assert list(run.cases) == [CASE]


@pytest.mark.parametrize("name", ["cifar_resnet20_v1", "lstm-16-16-l2-n2-t5"])
def test_the_name_of_a_check_of_answers_is_no_case(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A network or a workload, of which checks are named, and not a case of it."""
    for variable in (variable for variable in os.environ if variable.startswith("PYTEST_")):
        monkeypatch.delenv(variable)
    with pytest.raises(PerfError, match="there is no such case in the smoke tier") as caught:
        find_item(name, "smoke", [])
    assert f"name one of {name}-" in str(caught.value.next_step)
