"""The journal: every measurement on the disk as soon as it is made, one line of JSON each, so that sessions can resume.

A line is written and flushed as a whole; a partial line after a power cut is dropped on the next start. Two parts of
one session agree in the conditions of the header. Beyond that, an invocation counts only for the stacks that it ran.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock
import msgspec

from perf.errors import PerfError
from perf.facts import CheckFacts
from perf.files import decoded, flush_folder, read_bytes
from perf.measure.family import Checked
from perf.measure.plan import SubjectKey, WorkloadKey
from perf.measure.results import Failure, Invocation, WorkloadResult, possible
from perf.stack import Stack, differences

AnyChecked = Checked[CheckFacts]
NAME = "journal.jsonl"
# In a session's folder. Whoever holds it may write to the journal, or remove the folder.
LOCK = ".lock"
# Of the lines' format. A journal of another version cannot be resumed.
VERSION = 2
# Ten times a nightly session with eight invocations; a quick one writes 0.4 MB.
MAX_BYTES = 500_000_000
# What to do when there is no journal to resume.
AFRESH = "leave out --perf-resume to start a new session"
Stacks = Mapping[str, Stack]


class Header(msgspec.Struct, frozen=True):
    """The first line of a journal.

    version: the format of the lines.
    began: when the session began, as text.
    conditions: the conditions under which it measures; a resumed session must agree in all of them.
    """

    version: int
    began: str
    conditions: dict[str, Any]


class _HeaderVersion(msgspec.Struct, frozen=True):
    """A header, of which only the version is decoded."""

    version: int


class _FirstLine(msgspec.Struct, frozen=True):
    header: _HeaderVersion


class ChecksLine(msgspec.Struct, frozen=True):
    """The checks of a subject.

    key: the subject.
    stacks: the stacks that its variants ran, by variant.
    checks: what the family observed, by variant.
    """

    key: SubjectKey
    stacks: dict[str, Stack]
    checks: dict[str, AnyChecked]


class InvocationLine(msgspec.Struct, frozen=True, kw_only=True):
    """One invocation of a workload.

    key: the workload.
    confirming: the variant that was confirmed; None while screening.
    stacks: the stacks that the plan's variants ran, by variant.
    invocation: what was measured.
    failures: every failure of the workload so far, by variant.
    """

    key: WorkloadKey
    confirming: str | None
    stacks: dict[str, Stack]
    invocation: Invocation
    failures: dict[str, Failure]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a journal, which has one of these fields.

    header: the first line.
    checks: the checks of a subject.
    measured: one invocation of a workload.
    finished: the last line of a session whose cases are all finished.
    """

    header: Header | None = None
    checks: ChecksLine | None = None
    measured: InvocationLine | None = None
    finished: bool = False


class NotResumableError(PerfError):
    """A journal that another command wrote, or that cannot be read, or of a complete session."""


class CompleteError(NotResumableError):
    """The journal of a complete session."""


class Journal:
    """One session's journal, locked while it is open.

    folder: the session's folder.
    resumed: when the resumed session began; None for a new session.
    problem: why the journal cannot be written to; None while it can. Nothing is written after a problem, and measuring
        continues.
    """

    def __init__(self, folder: Path, conditions: Mapping[str, Any]) -> None:
        """Create the journal in `folder`, or resume it.

        Raises PerfError when it was recorded under different conditions, cannot be read, is complete, or is in use by
        another session; OSError when the folder cannot be created.
        """
        self.folder = folder
        self.problem: str | None = None
        self.resumed: str | None = None
        self._path = folder / NAME
        self._checks: dict[SubjectKey, ChecksLine] = {}
        self._measured: dict[tuple[WorkloadKey, str | None], list[InvocationLine]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(folder / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout as error:
            message = "another session is still writing this journal"
            raise PerfError(message, subject=str(self._path), next_step="wait until it ends, or stop it") from error
        try:
            self._resume(conditions)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the lock."""
        self._lock.release()

    def finish(self) -> None:
        """Record that all cases are finished: there is nothing left to resume."""
        self._write(Line(finished=True))

    def checks(self, subject: SubjectKey, stacks: Stacks) -> Mapping[str, AnyChecked] | None:
        """Return the checks of a subject whose variants run these stacks, by variant; None when there are none yet."""
        line = self._checks.get(subject)
        return line.checks if line and not list(_stack_changes(line.stacks, stacks)) else None

    def record_checks(self, subject: SubjectKey, stacks: Stacks, checks: Mapping[str, AnyChecked]) -> None:
        """Record the checks of a subject."""
        line = ChecksLine(subject, dict(stacks), dict(checks))
        self._checks[subject] = line
        self._write(Line(checks=line))

    def result(self, workload: WorkloadKey, confirming: str | None, stacks: Stacks) -> WorkloadResult:
        """Return all that was measured of a workload whose variants run these stacks: while screening, or while
        confirming the variant `confirming`.
        """
        lines = [line for line in self._lines(workload, confirming) if not list(_stack_changes(line.stacks, stacks))]
        return WorkloadResult(tuple(line.invocation for line in lines), lines[-1].failures if lines else {})

    def dropped(self, workload: WorkloadKey, confirming: str | None, stacks: Stacks) -> list[str]:
        """Return, for each invocation that ran different stacks, why it is not in the result."""
        reasons = ["; ".join(_stack_changes(line.stacks, stacks)) for line in self._lines(workload, confirming)]
        return [reason for reason in reasons if reason]

    def record(self, line: InvocationLine) -> None:
        """Record one more invocation of a workload."""
        self._add(line)
        self._write(Line(measured=line))

    def _lines(self, workload: WorkloadKey, confirming: str | None) -> Sequence[InvocationLine]:
        return self._measured.get((workload, confirming), [])

    def _add(self, line: InvocationLine) -> None:
        self._measured.setdefault((line.key, line.confirming), []).append(line)

    def _resume(self, conditions: Mapping[str, Any]) -> None:
        lines, length = _read(self._path)
        header = _same_conditions(self._path, lines[0].header, conditions) if lines else None
        if header and any(line.finished for line in lines):
            message = f"there is no unfinished session to resume: the session of {header.began} is complete"
            raise CompleteError(message, subject=str(self._path), next_step=AFRESH)
        if self._path.exists():
            os.truncate(self._path, length)  # the next line must not continue a partial one
        if header is None:
            began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
            self._write(Line(header=Header(VERSION, began, msgspec.to_builtins(conditions))))
            return
        self.resumed = header.began
        for line in lines[1:]:
            if line.checks is not None:
                self._checks[line.checks.key] = line.checks
            if line.measured is not None:
                self._add(line.measured)

    def _write(self, line: Line) -> None:
        if self.problem is not None:
            return  # the last line may be partial
        try:
            new = not self._path.exists()
            with self._path.open("ab") as stream:
                stream.write(msgspec.json.encode(line) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            if new:
                flush_folder(self.folder)
                flush_folder(self.folder.parent)
        except OSError as error:
            self.problem = f"{self._path}: {error.strerror}"


def resume_journal(runs: Path, conditions: Mapping[str, Any]) -> Journal:
    """Return the newest journal below `runs` of an unfinished session under these conditions that is not running. One
    without measurements is returned only when there is no other.

    Raises PerfError when there is none: it says why the newest session under these conditions cannot be resumed, or
    else what differs from the newest session of all.
    """
    folders = sorted((path.parent for path in runs.glob(f"*/{NAME}")), reverse=True)
    refusals: list[PerfError] = []
    for folder in sorted(folders, key=_has_measured, reverse=True):
        try:
            return Journal(folder, conditions)
        except PerfError as error:
            refusals.append(error)
    refusals.sort(key=lambda error: (isinstance(error, NotResumableError), type(error) is NotResumableError))
    if refusals:
        raise refusals[0]
    raise NotResumableError("there is no unfinished session to resume", subject=str(runs), next_step=AFRESH)


def _has_measured(folder: Path) -> bool:
    try:
        return any(line.measured for line in _read(folder / NAME)[0])
    except PerfError:
        return False


def _same_conditions(path: Path, header: Header | None, conditions: Mapping[str, Any]) -> Header:
    """Return the header. Raises NotResumableError when it is missing, or its conditions differ."""
    if header is None:
        raise NotResumableError("is damaged: it has no header", subject=str(path), next_step=AFRESH)
    now = msgspec.to_builtins(conditions)
    differing = [
        f"{name}: {header.conditions.get(name)} then, {now.get(name)} now"
        for name in sorted({*header.conditions, *now})
        if header.conditions.get(name) != now.get(name)
    ]
    if differing:
        message = f"cannot be resumed: recorded under different conditions: {'; '.join(differing)}"
        raise NotResumableError(message, subject=str(path), next_step=AFRESH)
    return header


def _stack_changes(then: Stacks, now: Stacks) -> Iterator[str]:
    """Yield what differs between the stacks of a plan's variants then and now."""
    for name in sorted({*then, *now}):
        if name not in now:
            yield f"{name} ran in the same blocks then, but does not now"
        elif name not in then:
            yield f"{name} did not run in the same blocks then, but does now"
        else:
            changes = differences(then[name], now[name])
            if changes:
                yield f"{name} ran a different stack: {', '.join(changes)}"


def _read(path: Path) -> tuple[list[Line], int]:
    """Return the complete lines of a journal, oldest first, and their length in bytes; none when there is no file. A
    partial line may follow them.

    Raises NotResumableError for another version, a damaged line or impossible figures.
    """
    if not path.exists():
        return [], 0
    try:
        content = read_bytes(path, most=MAX_BYTES)
        whole = content[: content.rfind(b"\n") + 1].split(b"\n")[:-1]
        version = decoded(whole[0], _FirstLine, path).header.version if whole else VERSION
        lines = [decoded(line, Line, path) for line in whole] if version == VERSION else []
    except PerfError as error:
        raise NotResumableError(error.what, subject=error.subject, next_step=AFRESH) from error
    if not all(line.measured is None or possible(line.measured.invocation) for line in lines):
        message = "is damaged: it contains what cannot have been measured"
        raise NotResumableError(message, subject=str(path), next_step=AFRESH)
    if version != VERSION:
        raise NotResumableError(f"cannot be resumed: its version is not {VERSION}", subject=str(path), next_step=AFRESH)
    return lines, sum(len(line) + 1 for line in whole)
