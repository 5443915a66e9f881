"""The subcommand runner: what it prints, its exit codes, and that only root may change a machine."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from perf.cli import main
from perf.cli.machine import runner as command
from tests.unit.machine.runner.fake_machine import TURBO, FakeMachine, bare_machine

Runner = Callable[..., int]
Nobody = Callable[[], AbstractContextManager[None]]
NOBODY = 65534


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    made = bare_machine(tmp_path)
    monkeypatch.setenv("PATH", str(made.programs), prepend=os.pathsep)
    return made


@pytest.fixture
def runner(machine: FakeMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs the subcommand on the machine and returns the exit code."""
    monkeypatch.setattr(command, "ROOT", machine.root)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["mxperf", "runner", *arguments, "--record", str(tmp_path / "record.json")])
        with pytest.raises(SystemExit) as caught:
            main.main()
        assert isinstance(caught.value.code, int)
        return caught.value.code

    return run


@pytest.fixture
def nobody() -> Nobody:
    """Lets a block run as an account that is not root."""

    @contextmanager
    def account() -> Iterator[None]:
        own = os.geteuid()
        if own == 0:
            os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(own)

    return account


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change settings")


@needs_root
def test_status_apply_status_revert(
    machine: FakeMachine, runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner("status") == 1
    assert "differs" in capsys.readouterr().out
    assert runner("apply") == 0
    out = capsys.readouterr().out
    assert f"turbo: echo 1 > {TURBO}: 0 -> 1\n" in out
    assert "swap: swapoff '/swap file': on, priority 7 -> off\n" in out
    assert "differs" not in out
    assert runner("status") == 0
    assert runner("revert") == 0
    out = capsys.readouterr().out
    assert f"turbo: echo 0 > {TURBO}: 1 -> 0\n" in out
    assert machine.read(TURBO) == "0"
    assert runner("revert") == 0
    assert capsys.readouterr().out == f"There is nothing to restore: {tmp_path / 'record.json'} does not exist.\n"


@needs_root
def test_a_failure_is_printed_and_the_exit_code(
    machine: FakeMachine, runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner("apply") == 0
    machine.program("swapon", "#!/bin/sh\necho 'not a swap area' >&2; exit 1")
    capsys.readouterr()
    assert runner("revert") == 1
    out = capsys.readouterr().out
    assert "swap: swapon /dev/zram0: FAILED: `swapon /dev/zram0` failed: not a swap area\n" in out
    assert ", 3 failed.\n" in out
    assert f"What could not be restored: {tmp_path / 'record.json'}\n" in out


@pytest.mark.parametrize("action", ["apply", "revert"])
def test_without_root_nothing_is_changed(
    machine: FakeMachine, runner: Runner, capsys: pytest.CaptureFixture[str], nobody: Nobody, action: str
) -> None:
    texts = machine.everything()
    with nobody():
        assert runner(action) == 4
    assert capsys.readouterr().err == (
        f"runner {action}: only root may change the machine's settings\n"
        f"next: sudo {Path(sys.prefix, 'bin', 'mxperf')} runner {action}, or add --dry-run to see what it would do\n"
    )
    assert machine.everything() == texts


@needs_root
def test_a_record_that_may_not_be_read_is_an_error(
    runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str], nobody: Nobody
) -> None:
    tmp_path.chmod(0o700)
    with nobody():
        assert runner("revert", "--dry-run") == 4
    assert f"{tmp_path / 'record.json'}: cannot be read: Permission denied\n" in capsys.readouterr().err


def test_a_dry_run_needs_no_root_and_changes_nothing(
    machine: FakeMachine, runner: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = machine.everything()
    assert runner("apply", "--dry-run") == 0
    out = capsys.readouterr().out.splitlines()
    assert f"would run: echo 1 > {TURBO}" in out
    assert out[-1] == f"{len(out) - 1} changes to make."
    assert machine.everything() == texts
