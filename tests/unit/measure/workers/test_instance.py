"""A misbehaving worker: its error, and that no process of it is left."""

import time
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from perf.errors import WorkerError
from perf.measure.workers.instance import LAST_LINES, Instance
from perf.measure.workers.replies import Ready
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


# Nested more deeply than any reply of a worker.
DEEP = '{"pid": ' + "[" * 3000


def failure(instance: Instance) -> WorkerError:
    with instance, pytest.raises(WorkerError) as caught:
        instance.receive(Ready)
    assert not psutil.pid_exists(instance.pid)
    return caught.value


@pytest.mark.parametrize(
    "garbage", ["hello", "5", "[]", "null", '{"pid": "one"}', "{}", '{"pid": 1', r"\377\376", DEEP]
)
def test_a_line_that_is_not_a_reply_is_shown(start: Start, garbage: str) -> None:
    error = failure(start(f"printf '%b\\n' '{garbage}'; sleep 60"))
    assert error.what.startswith("the worker sent a line that is not a reply")
    if garbage.isascii() and "\\" not in garbage:
        assert error.what.endswith(garbage[:200])


def test_an_exit_is_reported_with_its_code_and_last_lines(start: Start) -> None:
    error = failure(start("seq 100 >&2; echo >&2; echo no MXNet here >&2; exit 7"))
    assert error.what == "the worker exited with code 7"
    assert error.last_lines.endswith("99\n100\nno MXNet here")
    assert len(error.last_lines.splitlines()) == LAST_LINES


def test_an_exit_without_output_is_reported(start: Start) -> None:
    error = failure(start("exit 7"))
    assert (error.what, error.last_lines) == ("the worker exited with code 7", "")


def test_a_fatal_signal_is_named(start: Start) -> None:
    assert failure(start("kill -SEGV $$")).what == "the worker was ended by SIGSEGV"


def test_a_worker_that_does_not_answer_is_killed_with_its_process_group(start: Start) -> None:
    started = time.monotonic()
    error = failure(start("sleep 600 & echo $! >&2; wait", 1))
    assert error.what == "the worker did not answer within 1 s and was killed"
    assert time.monotonic() - started < 20
    assert gone(int(error.last_lines))


@pytest.mark.parametrize("part", ["printf '{\"pid\"'; sleep 600", "exec cat /dev/zero"])
def test_a_line_that_never_ends_is_no_answer(start: Start, part: str) -> None:
    assert failure(start(part, 0.5)).what == "the worker did not answer within 0.5 s and was killed"


def test_a_worker_that_closes_its_pipe_without_ending_is_killed(start: Start) -> None:
    assert (
        failure(start("exec >&-; exec sleep 600", 0.5)).what
        == "the worker closed its pipe without ending and was killed"
    )


def test_a_request_to_a_dead_worker_fails(start: Start) -> None:
    with start("echo out of memory >&2; exit 3") as instance:
        assert gone(instance.pid)
        with pytest.raises(WorkerError, match="the worker exited with code 3") as caught:
            instance.ask(Ready, "load")
    assert caught.value.last_lines == "out of memory"


def gone(pid: int) -> bool:
    """Whether an orphan is gone; whoever adopted it may take a moment to notice."""
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False
