"""A worker that does not do as it should: what the measuring process says, and that nothing of it is left."""

import time
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from perf.measure.workers.instance import LAST_WORDS, Instance, WorkerError
from perf.measure.workers.worker_group import Ready
from tests.support.fakes import PLACEMENTS, build


class Start(Protocol):
    def __call__(self, script: str, timeout_s: float = ...) -> Instance: ...


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts a shell script in the place of a build's Python."""

    def start(script: str, timeout_s: float = 60) -> Instance:
        python = tmp_path / "bin" / "python"
        python.parent.mkdir()
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        return Instance(build(folder=tmp_path), PLACEMENTS[0], tmp_path / "log", timeout_s=timeout_s)

    return start


# Nested as deeply as no worker's answer is.
DEEP = '{"pid": ' + "[" * 3000


def failure(instance: Instance) -> WorkerError:
    with instance, pytest.raises(WorkerError) as caught:
        instance.receive(Ready)
    assert not psutil.pid_exists(instance.pid)
    return caught.value


@pytest.mark.parametrize(
    "garbage", ["hello", "5", "[]", "null", '{"pid": "one"}', "{}", '{"pid": 1', r"\377\376", DEEP]
)
def test_garbage_is_shown(start: Start, garbage: str) -> None:
    error = failure(start(f"printf '%b\\n' '{garbage}'; sleep 60"))
    assert error.what.startswith("the worker answered with something that is no reply")
    if garbage.isascii() and "\\" not in garbage:
        assert error.what.endswith(garbage[:200])


def test_exit_tells_code_and_last_words(start: Start) -> None:
    error = failure(start("seq 100 >&2; echo >&2; echo no MXNet here >&2; exit 7"))
    assert error.what == "the worker exited with code 7"
    assert error.last_words.endswith("99\n100\nno MXNet here")
    assert len(error.last_words.splitlines()) == LAST_WORDS


def test_exit_without_a_word(start: Start) -> None:
    error = failure(start("exit 7"))
    assert (error.what, error.last_words) == ("the worker exited with code 7", "")


def test_death_by_signal_is_named(start: Start) -> None:
    assert failure(start("kill -SEGV $$")).what == "the worker was ended by SIGSEGV"


def test_silence_ends_the_whole_process_group(start: Start) -> None:
    started = time.monotonic()
    error = failure(start("sleep 600 & echo $! >&2; wait", 1))
    assert error.what == "the worker did not answer within 1 s and was killed"
    assert time.monotonic() - started < 20
    assert gone(int(error.last_words))


@pytest.mark.parametrize("part", ["printf '{\"pid\"'; sleep 600", "exec cat /dev/zero"])
def test_a_line_that_never_ends_is_silence(start: Start, part: str) -> None:
    assert failure(start(part, 0.5)).what == "the worker did not answer within 0.5 s and was killed"


def test_closing_the_pipe_without_ending(start: Start) -> None:
    assert (
        failure(start("exec >&-; exec sleep 600", 0.5)).what == "the worker closed its pipe, did not end and was killed"
    )


def test_request_to_a_dead_worker(start: Start) -> None:
    with start("echo out of memory >&2; exit 3") as instance:
        assert gone(instance.pid)
        with pytest.raises(WorkerError, match="the worker exited with code 3") as caught:
            instance.ask(Ready, "load")
    assert caught.value.last_words == "out of memory"


def gone(pid: int) -> bool:
    """Whether an orphan is gone; whoever adopted it may take a moment to notice."""
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False
