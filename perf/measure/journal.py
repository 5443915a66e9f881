"""What has been measured, on the disk as soon as it is: one line of JSON each, so that a session can be taken up again.

A line is written and flushed as a whole; the part of one that a power cut leaves behind is dropped on the next start.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock
import msgspec

from perf.errors import PerfError
from perf.facts import CheckFacts
from perf.files import decoded, read_bytes
from perf.measure.family import Checked
from perf.measure.plan import SubjectKey, WorkloadKey
from perf.measure.results import Failure, Invocation, WorkloadResult

AnyChecked = Checked[CheckFacts]
NAME = "journal.jsonl"
VERSION = 2
# A quick session writes 0.4 MB, a nightly one with eight invocations a hundred times as much.
MAX_BYTES = 500_000_000
AFRESH = "leave out --perf-resume to measure afresh"


class Header(msgspec.Struct, frozen=True):
    """Under which conditions a session measures; two parts of one session must agree in all of `conditions`."""

    version: int
    conditions: dict[str, Any]


class ChecksLine(msgspec.Struct, frozen=True):
    """What a family found out about the variants of a subject, by variant."""

    key: SubjectKey
    checks: dict[str, AnyChecked]


class InvocationLine(msgspec.Struct, frozen=True):
    """One invocation's share of a workload, and every failure of the workload until then. `again` is the variant that
    a second look was taken at, None in the first look.
    """

    key: WorkloadKey
    again: str | None
    invocation: Invocation
    failures: dict[str, Failure]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line holds one of these."""

    header: Header | None = None
    checks: ChecksLine | None = None
    measured: InvocationLine | None = None


class Journal:
    """One session's journal, held against other sessions by a lock while it is open.

    When it cannot be written to, measuring goes on: `problem` then says what happened, and the session cannot be
    resumed.
    """

    def __init__(self, folder: Path, conditions: Mapping[str, Any]) -> None:
        """Begin the journal in `folder`, or take it up. PerfError when it was written under other conditions, cannot be
        read, or is being written by another session; OSError when there can be no such folder.
        """
        self.folder = folder
        self.problem: str | None = None
        self._path = folder / NAME
        self._checks: dict[SubjectKey, dict[str, AnyChecked]] = {}
        self._results: dict[tuple[WorkloadKey, str | None], WorkloadResult] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(folder / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout as error:
            message = "another session is still writing this journal"
            raise PerfError(message, subject=str(self._path), next_step="wait for its end, or end it") from error
        try:
            self._take_up(conditions)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let other sessions take it up."""
        self._lock.release()

    def checks(self, subject: SubjectKey) -> Mapping[str, AnyChecked] | None:
        """What was found out about a subject before, by variant; None when it was not checked yet."""
        return self._checks.get(subject)

    def keep_checks(self, subject: SubjectKey, checks: Mapping[str, AnyChecked]) -> None:
        """Write down what was found out about a subject."""
        self._checks[subject] = dict(checks)
        self._write(Line(checks=ChecksLine(subject, dict(checks))))

    def result(self, workload: WorkloadKey, again: str | None = None) -> WorkloadResult:
        """All that was measured of a workload so far: in the first look, or in second looks at the variant `again`."""
        return self._results.get((workload, again), WorkloadResult((), {}))

    def keep(
        self, workload: WorkloadKey, again: str | None, invocation: Invocation, failures: Mapping[str, Failure]
    ) -> None:
        """Write down one more invocation of a workload, with its failures so far."""
        line = InvocationLine(workload, again, invocation, dict(failures))
        self._add(line)
        self._write(Line(measured=line))

    def _add(self, line: InvocationLine) -> None:
        before = self.result(line.key, line.again)
        self._results[line.key, line.again] = WorkloadResult((*before.invocations, line.invocation), line.failures)

    def _take_up(self, conditions: Mapping[str, Any]) -> None:
        lines = _read(self._path)
        if not lines:
            self._write(Line(header=Header(VERSION, msgspec.to_builtins(conditions))))
            return
        differing = _differing(lines[0].header, conditions)
        if differing:
            raise _other_conditions(self._path, differing)
        for line in lines[1:]:
            if line.checks is not None:
                self._checks[line.checks.key] = line.checks.checks
            if line.measured is not None:
                self._add(line.measured)

    def _write(self, line: Line) -> None:
        try:
            with self._path.open("ab") as stream:
                stream.write(msgspec.json.encode(line) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            self.problem = self.problem or f"{self._path}: {error.strerror}"


def find_journal(runs: Path, conditions: Mapping[str, Any]) -> Path:
    """The folder of the newest journal below `runs` that was written under these conditions; one with nothing measured
    in it only when there is no other. PerfError when there is none at all; it tells what differs from the newest.
    """
    folders = sorted((path.parent for path in runs.glob(f"*/{NAME}")), reverse=True)
    refused: list[PerfError] = []
    empty: list[Path] = []
    for folder in folders:
        try:
            lines = _read(folder / NAME)
        except PerfError as error:
            refused.append(error)
            continue
        differing = _differing(lines[0].header if lines else None, conditions)
        if differing:
            refused.append(_other_conditions(folder / NAME, differing))
        elif any(line.measured for line in lines):
            return folder
        else:
            empty.append(folder)
    if empty:
        return empty[0]
    raise refused[0] if refused else PerfError("there is no session to resume", subject=str(runs), next_step=AFRESH)


def _differing(header: Header | None, conditions: Mapping[str, Any]) -> list[str]:
    if header is None or header.version != VERSION:
        return [f"its version is not {VERSION}"]
    now = msgspec.to_builtins(conditions)
    return [
        f"{name} {header.conditions.get(name)} then, {now.get(name)} now"
        for name in sorted({*header.conditions, *now})
        if header.conditions.get(name) != now.get(name)
    ]


def _other_conditions(path: Path, differing: Sequence[str]) -> PerfError:
    message = f"was written under other conditions and cannot be gone on with: {'; '.join(differing)}"
    return PerfError(message, subject=str(path), next_step=AFRESH)


def _read(path: Path) -> list[Line]:
    """The whole lines of a journal, oldest first; none when there is no file. The start of a line that was never
    finished is cut off, so that the next one does not continue it.
    """
    if not path.exists():
        return []
    content = read_bytes(path, next_step=AFRESH, most=MAX_BYTES)
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with path.open("r+b") as stream:
            stream.truncate(len(whole))
    return [decoded(line, Line, path, next_step=AFRESH) for line in whole.split(b"\n")[:-1]]
