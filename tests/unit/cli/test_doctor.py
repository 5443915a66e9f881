"""The command: its answers for people and for programs, its exit codes, and errors without a traceback."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from perf.cli import main
from perf.cli.machine import doctor
from perf.cli.reference import GROUPS, SUBCOMMANDS
from perf.errors import PerfError
from perf.machine import CHECKS, Finding
from perf.machine.pace import Pace
from perf.report.console import PLAIN_WIDTH

COMMANDS = [*(command.__name__.replace("_", "-") for command in SUBCOMMANDS), *GROUPS]
MXPERF = Path(sys.executable).with_name("mxperf")
DOUBTFUL = Finding("swapping", "7 pages moved", "doubtful", "A thread waits.", "sudo swapoff -a")
FINE = Finding("governor", "performance", "fine", "Governors differ.", None)
UNKNOWN = Finding("turbo", None, "unknown", "the host decides", None)


def run(
    monkeypatch: pytest.MonkeyPatch, *arguments: str, findings: tuple[Finding, ...] = (), slowest_ns: int = 100
) -> int:
    """The exit code of the command, whose machine has these `findings`, and loops of 100 ns to `slowest_ns`."""
    monkeypatch.setattr(sys, "argv", ["mxperf", *arguments])
    monkeypatch.setattr(doctor, "findings", lambda _before, _after: list(findings))
    monkeypatch.setattr(doctor, "numactl_finding", lambda _topology: FINE)
    monkeypatch.setattr(doctor, "watch_pace", lambda _window_s: {"computing": Pace((100, slowest_ns))})
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_the_installed_command_reports_every_check_once() -> None:
    command = [str(MXPERF), "doctor", "--json", "--window", "0.2"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    diagnosis = json.loads(finished.stdout)
    names = ["steady_pace", "numactl", *(check.name for check in CHECKS)]
    assert [finding["check"] for finding in diagnosis["findings"]] == names
    assert finished.returncode == any(finding["verdict"] == "doubtful" for finding in diagnosis["findings"])
    assert diagnosis["window_s"] >= 0.2
    assert diagnosis["machine_class"]
    assert diagnosis["settings"]["kernel"]
    assert finished.stderr == ""


@pytest.mark.parametrize(("findings", "code"), [((FINE, UNKNOWN), 0), ((FINE, DOUBTFUL), 1)])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_exit_code_shows_doubt(
    monkeypatch: pytest.MonkeyPatch, findings: tuple[Finding, ...], code: int, form: list[str]
) -> None:
    assert run(monkeypatch, "doctor", "--window", "0.1", *form, findings=findings) == code


BUSY = Finding("load_average", "0.5 per CPU", "doubtful", "Other programs.", "stop them")
ABSENT = Finding("governor", None, "unknown", "the host decides", None)


@pytest.mark.parametrize(
    ("findings", "code", "said"),
    [
        ((FINE, BUSY, ABSENT), 0, "Fit for measuring.\n"),
        ((FINE, BUSY, DOUBTFUL), 1, "Not fit for measuring: swapping.\n"),
        ((FINE, replace(FINE, verdict="doubtful"), DOUBTFUL), 1, "Not fit for measuring: governor, swapping.\n"),
    ],
)
def test_only_what_spoils_a_measurement_keeps_a_night_from_starting(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    findings: tuple[Finding, ...],
    code: int,
    said: str,
) -> None:
    doctor_of = ("doctor", "--window", "0.1", "--fit")
    assert run(monkeypatch, *doctor_of, findings=findings, slowest_ns=200) == code
    assert capsys.readouterr().out.endswith(said)
    assert run(monkeypatch, *doctor_of, "--json", findings=findings) == code
    assert json.loads(capsys.readouterr().out)["findings"]


@pytest.mark.parametrize(("slowest_ns", "code"), [(101, 0), (200, 1)])
def test_an_unsteady_pace_is_a_doubt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], slowest_ns: int, code: int
) -> None:
    assert run(monkeypatch, "doctor", "--window", "0.1", findings=(FINE,), slowest_ns=slowest_ns) == code
    assert ("steady pace: use a dedicated machine" in capsys.readouterr().out) == bool(code)


def test_elsewhere_than_on_a_terminal_lines_are_wide(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "doctor", "--window", "0.1", findings=(DOUBTFUL,))
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= PLAIN_WIDTH
    assert "machine class " in out
    assert "  swapping: sudo swapoff -a\n" in out


def test_an_error_is_a_message_and_exit_code_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreadable() -> None:
        raise PerfError("cannot be read", subject="/proc/cpuinfo", next_step="mount it")

    monkeypatch.setattr(doctor, "read_machine", unreadable)
    assert run(monkeypatch, "doctor") == 4
    assert capsys.readouterr().err == "/proc/cpuinfo: cannot be read\nnext: mount it\n"


@pytest.mark.parametrize("window", ["0", "-1", "nan", "inf", "soon"])
def test_a_window_that_counts_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], window: str
) -> None:
    assert run(monkeypatch, "doctor", "--window", window) == 2
    assert "--window" in capsys.readouterr().err


def test_help_names_the_subcommand_and_no_shell_completion(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.partition("Commands:\n")[2].splitlines()] == COMMANDS
    assert "completion" not in out
