"""Sessions that are asked to end while they measure, and two sessions at once."""

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import filelock
import psutil
import pytest

from perf.builds import provision
from perf.cache import cache_folder, locked
from perf.machine.termination import ENDING_S
from tests.integration.plugin.test_trouble import heard
from tests.support.session import RECURRENT, SMOKE, Session, cache_of, run

__all__ = ["heard"]
MKL = (*RECURRENT, "-kmkl", "--perf-invocations=2")
# How many moments are tried.
MOMENTS = 10
# It measures for longer than any of the moments comes later than its start.
LONG = (*RECURRENT, "-kmkl", "--perf-invocations=20")
MEASURING_S = 4.0


def ended_in_order(session: Session, temporary: Path, *codes: int) -> str:
    """What a session printed that was asked to end; nothing of it may be left but its journal. `codes`: with which it
    may end besides pytest's.
    """
    finished = session.finish()
    assert finished.code in {pytest.ExitCode.INTERRUPTED, *codes}, finished.output
    assert not session.workers()
    assert "Traceback" not in finished.output
    assert "INTERNALERROR" not in finished.output
    assert not list(temporary.glob("mxnet-perf-*"))
    assert list(cache_of(temporary).glob("runs/*/journal.jsonl"))
    return finished.output


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("name", ["SIGTERM", pytest.param("SIGHUP", marks=pytest.mark.slow)])
def test_a_signal_ends_the_session_in_order_and_it_resumes(tmp_path: Path, name: str) -> None:
    with Session(tmp_path, *MKL) as session:
        session.wait_for("invocation 2")
        session.process.send_signal(signal.Signals[name])
        output = ended_in_order(session, tmp_path)
    assert f"KeyboardInterrupt: {name} asked the session to end" in output
    assert "1 case was not finished; rerun the same command with --perf-resume." in output
    resumed = run(tmp_path, *MKL, "--perf-resume")
    assert resumed.code == 0, resumed.output
    assert "Reusing 1 of 2 invocations" in resumed.output


@pytest.mark.usefixtures("heard")
def test_ctrl_c_ends_a_session_that_waits_for_a_build(tmp_path: Path) -> None:
    cache = cache_folder(None)
    build = provision("mkl", override=None, cache=cache, say=print)
    with locked(cache / "builds", build.folder.name, print), Session(tmp_path, *MKL) as session:
        session.wait_for(f"{build.folder.name}: waiting for another session that is making or checking it")
        session.process.send_signal(signal.SIGINT)
        finished = session.finish()
    assert finished.code == pytest.ExitCode.INTERRUPTED, finished.output
    assert "Traceback" not in finished.output
    assert not list(tmp_path.glob("mxnet-perf-*"))


@pytest.mark.slow
@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("seed", range(MOMENTS))
def test_ctrl_c_twice_at_a_random_moment_leaves_nothing(tmp_path: Path, seed: int) -> None:
    moment = random.Random(seed)
    with Session(tmp_path, *LONG) as session:
        session.wait_for("invocation 1")
        time.sleep(moment.uniform(0, MEASURING_S))
        first, second = moment.choices([signal.SIGINT, signal.SIGTERM, signal.SIGHUP], k=2)
        session.process.send_signal(first)
        time.sleep(moment.uniform(0, 0.5))
        session.process.send_signal(second)
        # All is done when pytest has ended: a signal that comes while Python does may end it with its own code.
        ended_in_order(session, tmp_path, -second)


def test_two_sessions_never_measure_at_once(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    together = ("env", f"MXNET_PERF_LOCK={tmp_path}")
    with Session(one, *MKL, before=together) as first:
        first.wait_for("invocation 1")
        first.process.send_signal(signal.SIGSTOP)  # it does not end before the other sessions have started
        refused = run(two, *MKL, "--perf-when-busy=refuse", before=together)
        assert refused.code == pytest.ExitCode.USAGE_ERROR
        holder = f"process {first.process.pid} of user {os.getuid()}"
        assert f"this machine: another session is measuring: {holder}" in refused.output
        with Session(two, *MKL, before=together) as second:
            second.wait_for(f"waiting for another session that is measuring on this machine: {holder}")
            time.sleep(2)
            assert not second.workers()
            first.process.send_signal(signal.SIGCONT)
            assert first.finish().code == 0
            finished = second.finish()
    assert finished.code == 0, finished.output


def wait_until_it_stores(session: Session, temporary: Path) -> None:
    """Wait until a session has written its own run, before it stores it among the baselines."""
    while not list(cache_of(temporary).glob("runs/*/run.json")):
        assert session.process.poll() is None
        time.sleep(0.01)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", pytest.param("SIGHUP", marks=pytest.mark.slow)])
def test_a_signal_while_a_run_is_stored_loses_nothing(tmp_path: Path, name: str) -> None:
    kept, page = tmp_path / "kept", tmp_path / "page.html"
    kept.mkdir()
    options = (f"--benchmark-storage=file://{kept}", "--benchmark-save=whole", f"--perf-report={page}")
    with filelock.FileLock(kept / ".lock") as lock, Session(tmp_path, *RECURRENT, "-kmkl", *options) as session:
        wait_until_it_stores(session, tmp_path)
        session.process.send_signal(signal.Signals[name])
        time.sleep(0.5)
        lock.release()
        finished = session.finish()
    assert finished.code == 0, finished.output
    assert "Traceback" not in finished.output
    assert (kept / "0001_whole.json").exists()
    assert page.read_text().rstrip().endswith("</html>")
    assert not list(tmp_path.glob("mxnet-perf-*"))


@pytest.mark.slow
@pytest.mark.usefixtures("heard")
def test_a_signal_ends_a_session_that_hangs_while_it_stores(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    options = (f"--benchmark-storage=file://{kept}", "--benchmark-save=whole")
    with filelock.FileLock(kept / ".lock"), Session(tmp_path, *RECURRENT, "-kmkl", *options) as session:
        wait_until_it_stores(session, tmp_path)
        time.sleep(ENDING_S + 1)
        session.process.send_signal(signal.SIGTERM)
        output = ended_in_order(session, tmp_path)
    assert "SIGTERM asked the session to end: not all of this session may be stored and shown" in output
    assert not list(kept.glob("*.json"))


def processes_of(folder: Path) -> list[psutil.Process]:
    """The processes that have something of a folder among their arguments and variables."""
    processes = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if str(folder) in " ".join([*process.cmdline(), *process.environ().values()]):
                processes.append(process)
    return processes


@pytest.mark.slow
@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(
    ("shelf", "options"), [("builds", MKL), ("networks", (*SMOKE, "-k", "b1 and mkl-fp32"))], ids=["build", "network"]
)
def test_a_signal_while_something_is_made_leaves_no_part_of_it(
    tmp_path: Path, shelf: str, options: tuple[str, ...], name: str
) -> None:
    """It is asked to end while uv installs a build, or the `zoo` build prepares a network."""
    made = tmp_path / "cache" / shelf
    made.mkdir(parents=True)
    with Session(tmp_path, *options) as session:
        while not list(made.glob("*.tmp/*")):
            assert session.process.poll() is None
            time.sleep(0.005)
        session.process.send_signal(signal.Signals[name])
        finished = session.finish()
        assert not processes_of(tmp_path)
    assert finished.code == pytest.ExitCode.INTERRUPTED, finished.output
    assert f"{name} asked the session to end" in finished.output
    assert "Traceback" not in finished.output
    assert [path for path in made.iterdir() if path.suffix != ".lock"] == []
    assert not list(tmp_path.glob("mxnet-perf-*"))
