"""The pytest sessions of a bisection: each measures one wheel side by side with the first one, and stores its run."""

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from perf.bisection.state import Bisection, unwritable
from perf.errors import PerfError
from perf.files import ROOT
from perf.measure.tiers import effort_of
from perf.runs.schema import FEW, StoredCase, StoredRun, read_run
from perf.wording import uv

# The fewest invocations of a wheel's sessions, in their order, unless the tier has more: what the first session leaves
# undecided is measured again, longer.
INVOCATIONS = (FEW, 8, 16)
# How sessions are started: by the Python that runs this.
PYTEST = (sys.executable, "-m", "pytest")
# Where the run of the first wheel is, in the folder: a stored run that sessions compare with.
FIRST = Path("first", "0001_first.json")
# pytest's exit codes for a session whose items ran, and for one that could not begin.
RAN, USAGE_ERROR = (0, 1), 4
# A measured item in pytest's list: its id, which ends with the case's name.
ITEM = re.compile(r"^(perf/\S+::\w+\[(.+)\])$")
# Options that a bisection sets, by how they begin.
OWN = ("--benchmark", "--perf-tier", "--perf-invocations", "--perf-inject", "--perf-resume")
# Collecting takes some seconds; a session of one case at most an hour of confirmations (perf/measure/tiers.toml).
COLLECTING_S, LONGEST_SESSION_S = 300.0, 4 * 3600.0
# How many lines of a session that failed are shown.
LAST_LINES = 5


@dataclass(frozen=True)
class Measured:
    """A session's result: the `run` with the `case`, or the `problem` that kept the wheel from being measured."""

    run: StoredRun | None = None
    case: StoredCase | None = None
    problem: str = ""


def find_item(case: str, tier: str, options: Sequence[str]) -> str:
    """Return the pytest id of a case that is named by its id or its name. Raises PerfError when no such case would be
    measured with these options.
    """
    for option in options:
        if option.startswith(OWN):
            message = f"the option {option} is set by the bisection"
            raise PerfError(message, subject="mxperf bisect", next_step="leave it out after --")
    # A check of answers, such as test_fusion[resnet18_v1], is no case: it has no run to compare.
    cases = [str(ROOT / "perf"), f"--perf-tier={tier}", "-m", "not accuracy"]
    arguments = [*PYTEST, *cases, *options, "--collect-only", "--verbosity=-1"]
    listed = _run(arguments, COLLECTING_S, capture_output=True)
    if listed.returncode:
        message = f"pytest does not take these options: {_last_lines(listed.stderr or listed.stdout)}"
        raise PerfError(message, subject=shlex.join(options), next_step="correct the options after --")
    items = {match[2]: match[1] for match in map(ITEM.match, listed.stdout.splitlines()) if match}
    name = case.rpartition("[")[2].removesuffix("]") if "::" in case else case
    if name in items:
        return items[name]
    close = get_close_matches(name, items, n=3)
    step = f"name one of {', '.join(close)}" if close else f"list them with `{uv()} run pytest perf/ --collect-only -q`"
    message = f"there is no such case in the {tier} tier"
    raise PerfError(message, subject=case, next_step=f"{step}; options after -- such as --perf-model add cases")


@dataclass(frozen=True)
class Sessions:
    """The sessions of a `bisection`, with their runs and output in its `folder`."""

    folder: Path
    bisection: Bisection

    def first(self) -> StoredRun:
        """Return the run of the first wheel, which is measured unless it is there. Raises PerfError when it cannot be.

        Later sessions need its stack only, so it may be short, and disturbed.
        """
        path = self.folder / FIRST
        run, problem = self._run_in(path, "wheel-000", ["--perf-invocations=1", *self._with_wheel(0)])
        if run is None or self.bisection.case not in run.cases:
            message = f"the first wheel could not be measured: {problem}"
            step = f"correct that and remove {path.parent}, or begin with another wheel"
            raise PerfError(message, subject=self.bisection.wheels[0].name, next_step=step)
        self._check_role(run.cases[self.bisection.case], 0)
        return run

    def measured(self, wheel: int, attempt: int) -> Measured:
        """Return the result of a wheel's session, by its number from 1 on. A session that was interrupted is resumed,
        and one whose run is stored is not repeated. Raises PerfError when it fails for another reason than the wheel.
        """
        name = f"wheel-{wheel:03}-session-{attempt}"
        least = max(INVOCATIONS[attempt - 1], effort_of(self.bisection.tier).min_invocations)
        arguments = [f"--perf-invocations={least}", *self._with_wheel(wheel), *self._compared]
        run, problem = self._run_in(self.folder / "runs" / f"{name}.json", name, arguments)
        case = run.cases.get(self.bisection.case) if run else None
        if case is None:
            return Measured(run, problem=problem)
        self._check_role(case, wheel)
        return Measured(run, case)

    def command(self, wheel: int) -> str:
        """Return the command that measures a wheel side by side with the first one."""
        arguments = [self.bisection.item, *self._shared, *self._with_wheel(wheel), *self._compared]
        return shlex.join([uv(), "run", "pytest", *arguments])

    def _run_in(self, path: Path, name: str, arguments: Sequence[str]) -> tuple[StoredRun | None, str]:
        """Return the run in a file, which a session is started for unless it is there, and why it lacks the case."""
        run = _complete_run(path)
        if run is None:
            problem = self._session(name, [f"--benchmark-json={path}", *arguments])
            if problem:
                return None, problem
            run = _complete_run(path)
        if run is None:  # pytest-benchmark writes none when its only test failed or was skipped
            log = (self.folder / "logs" / f"{name}.txt").read_text(errors="replace")
            return None, f"{failure_in(log, self.bisection.case)} ({self._look(name)})"
        return run, run.perf.left_out.get(self.bisection.item, "its run does not contain the case")

    def _session(self, name: str, arguments: Sequence[str]) -> str | None:
        """Run a session with its output in a file. Return why its wheel cannot be measured; None if its items ran."""
        log, begun = self.folder / "logs" / f"{name}.txt", self.folder / "logs" / f"{name}.begun"
        command = [*PYTEST, str(ROOT / self.bisection.item), *self._shared, *arguments]
        code, resumed = USAGE_ERROR, begun.exists()
        try:
            for needed in (log.parent, self.folder / "runs", (self.folder / FIRST).parent):
                needed.mkdir(exist_ok=True)
            begun.touch()
        except OSError as error:
            raise unwritable(self.folder, error) from error
        if resumed:
            code = _logged([*command, "--perf-resume"], log)
        if code == USAGE_ERROR:  # there was nothing to resume
            code = _logged(command, log)
        if code in RAN:
            return None
        text = log.read_text(errors="replace")
        # The plugin ends a session whose build cannot be made with that build's name.
        failed = re.search(rf"^ERROR: (build {re.escape(self.bisection.role)} \(.*)", text, re.MULTILINE)
        if code == USAGE_ERROR and failed:
            return failed[1]
        message = f"the session ended with exit code {code}: {_last_lines(text)}"
        raise PerfError(message, subject=name, next_step=f"{self._look(name)}; the same command resumes")

    @property
    def _shared(self) -> list[str]:
        return [f"--perf-tier={self.bisection.tier}", *self.bisection.options]

    @property
    def _compared(self) -> list[str]:
        return [f"--benchmark-storage=file://{(self.folder / FIRST).absolute().parent}", "--benchmark-compare=0001"]

    def _with_wheel(self, wheel: int) -> list[str]:
        return [f"--perf-build={self.bisection.role}={self.bisection.wheels[wheel].requirement}"]

    def _look(self, name: str) -> str:
        return f"read {self.folder / 'logs' / name}.txt"

    def _check_role(self, case: StoredCase, wheel: int) -> None:
        """Raise PerfError unless the case ran this wheel."""
        if _file_name(case.stack.requirement) != _file_name(self.bisection.wheels[wheel].requirement):
            message = f"it runs {case.stack.requirement}, and not what --role={self.bisection.role} puts in its place"
            step = "name the role of the case's build, or for a folder of another bisection, another --folder"
            raise PerfError(message, subject=self.bisection.case, next_step=step)


def failure_in(log: str, case: str) -> str:
    """Return why the test of a case was not measured, from the output of its session."""
    failed = re.search(rf"^_+ (?:\w+ at \w+ of )?\w+\[{re.escape(case)}\] _+\n+(.+)", log, re.MULTILINE)
    skipped = re.search(r"^SKIPPED .*?:\d+: (.+)", log, re.MULTILINE)
    reason = failed or skipped
    return reason[1].strip() if reason else "its test stored no run"


def _file_name(requirement: str) -> str:
    """A requirement without the folder of its file, which may have been moved since."""
    return Path(requirement).name if requirement.endswith(".whl") else requirement


def _logged(command: Sequence[str], log: Path) -> int:
    """Run a command, which dies with this process, with its output in a file; return its exit code."""
    mortal = [sys.executable, "-m", "perf.worker.process_lifetime", *command]
    try:
        with log.open("wb") as file:
            return _run(mortal, LONGEST_SESSION_S, stdout=file, stderr=subprocess.STDOUT).returncode
    except OSError as error:
        raise unwritable(log, error) from error


def _run(command: Sequence[str], timeout_s: float, **output: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command. Raises PerfError when it does not end in time."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, timeout=timeout_s, text=True, check=False, **output)
    except subprocess.TimeoutExpired as error:
        message = f"pytest was stopped because it did not end within {timeout_s / 60:.0f} min"
        raise PerfError(message, subject=shlex.join(command), next_step="run that command alone") from error


def _complete_run(path: Path) -> StoredRun | None:
    """Return the run in a file; None unless it is whole and complete."""
    if path.exists():
        with suppress(PerfError):
            run = read_run(path)
            return run if run.perf.complete else None
    return None


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LAST_LINES:])
