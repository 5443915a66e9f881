"""Only one session measures on a machine."""

import os
import threading
from pathlib import Path

import pytest

from perf.errors import PerfError
from perf.machine import alone_on_machine, exclusive


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A name that no session has."""
    monkeypatch.setattr(exclusive, "POLL_S", 0.005)
    return f"\0{tmp_path}"


@pytest.fixture
def said() -> list[str]:
    """What is said."""
    return []


def test_who_refuses_to_wait_is_shown_the_holder(name: str, said: list[str]) -> None:
    with alone_on_machine(wait=True, say=said.append, name=name), pytest.raises(PerfError) as caught:
        alone_on_machine(wait=False, say=said.append, name=name).__enter__()
    assert str(caught.value) == (
        f"this machine: another session is measuring: process {os.getpid()} of user {os.getuid()}\n"
        "next: wait until it ends; --perf-when-busy=wait does so"
    )
    assert not said


def test_who_waits_says_so_once_and_then_holds_it(name: str, said: list[str]) -> None:
    waiting, entered = threading.Event(), threading.Event()

    def say(line: str) -> None:
        said.append(line)
        waiting.set()

    def second() -> None:
        with alone_on_machine(wait=True, say=say, name=name):
            entered.set()

    thread = threading.Thread(target=second)
    with alone_on_machine(wait=True, say=said.append, name=name):
        thread.start()
        assert waiting.wait(10)
        assert not entered.is_set()
    thread.join(10)
    assert entered.is_set()
    assert said == [
        f"waiting for another session that is measuring on this machine: process {os.getpid()} of user {os.getuid()}"
    ]


def test_waiting_has_a_limit(name: str, said: list[str]) -> None:
    with alone_on_machine(wait=True, say=said.append, name=name), pytest.raises(PerfError, match="is measuring"):
        alone_on_machine(wait=True, say=said.append, name=name, most_s=0).__enter__()
    with alone_on_machine(wait=False, say=said.append, name=name):
        pass


def test_the_holder_is_shown_however_long_another_session_has_waited(
    name: str, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusive, "POLL_S", 0.0)
    holder = f"process {os.getpid()} of user {os.getuid()}"
    with (
        alone_on_machine(wait=True, say=said.append, name=name),
        pytest.raises(PerfError, match=f"another session is measuring: {holder}"),
    ):
        alone_on_machine(wait=True, say=said.append, name=name, most_s=0.1).__enter__()
