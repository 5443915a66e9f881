"""What has been measured, on the disk as soon as it is: one line of JSON each, so that a session can be resumed.

A line is written and flushed as a whole; the part of one that a power cut leaves behind is dropped on the next start.
Two parts of one session agree in the conditions of the header; beyond that, an invocation counts only for the stacks
that it ran.
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
from perf.measure.results import Failure, Invocation, WorkloadResult
from perf.stack import Stack, differences

AnyChecked = Checked[CheckFacts]
NAME = "journal.jsonl"
# In a session's folder; who holds it may write to the journal, or remove the folder.
LOCK = ".lock"
VERSION = 2
# A quick session writes 0.4 MB, a nightly one with eight invocations a hundred times as much.
MAX_BYTES = 500_000_000
AFRESH = "leave out --perf-resume to measure afresh"
Stacks = Mapping[str, Stack]


class Header(msgspec.Struct, frozen=True):
    """Under which conditions a session measures; two parts of one session must agree in all of `conditions`. `began` is
    when, in words.
    """

    version: int
    began: str
    conditions: dict[str, Any]


class _Version(msgspec.Struct, frozen=True):
    version: int


class _FirstLine(msgspec.Struct, frozen=True):
    """The first line of a journal of any version."""

    header: _Version


class ChecksLine(msgspec.Struct, frozen=True):
    """What a family found out about the variants of a subject, and the stacks that they ran, by variant."""

    key: SubjectKey
    stacks: dict[str, Stack]
    checks: dict[str, AnyChecked]


class InvocationLine(msgspec.Struct, frozen=True, kw_only=True):
    """One invocation's share of a workload, the stacks that all variants of the plan ran, by name, and every failure of
    the workload until then. `confirming` is the variant that a confirmation was taken at, None in the first look.
    """

    key: WorkloadKey
    confirming: str | None
    stacks: dict[str, Stack]
    invocation: Invocation
    failures: dict[str, Failure]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line holds one of these; `finished` ends the journal of a session whose cases all came to their end."""

    header: Header | None = None
    checks: ChecksLine | None = None
    measured: InvocationLine | None = None
    finished: bool = False


class OtherError(PerfError):
    """A journal that is none of this command's, or can no longer be read."""


class Journal:
    """One session's journal, held against other sessions by a lock while it is open.

    `resumed` is when the session that is taken up began, None for a new one. When the journal cannot be written to,
    measuring goes on: `problem` then says what happened, and nothing more is written.
    """

    def __init__(self, folder: Path, conditions: Mapping[str, Any]) -> None:
        """Begin the journal in `folder`, or take it up. PerfError when it was written under other conditions, cannot be
        read, is complete, or is being written by another session; OSError when there can be no such folder.
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
            raise PerfError(message, subject=str(self._path), next_step="wait for its end, or end it") from error
        try:
            self._take_up(conditions)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let other sessions take it up."""
        self._lock.release()

    def finish(self) -> None:
        """Write down that all cases came to their end: there is nothing left to resume."""
        self._write(Line(finished=True))

    def checks(self, subject: SubjectKey, stacks: Stacks) -> Mapping[str, AnyChecked] | None:
        """What was found out about a subject whose variants run these stacks, by variant; None when that was not
        checked yet.
        """
        line = self._checks.get(subject)
        return line.checks if line and not list(_other_stacks(line.stacks, stacks)) else None

    def keep_checks(self, subject: SubjectKey, stacks: Stacks, checks: Mapping[str, AnyChecked]) -> None:
        """Write down what was found out about a subject."""
        line = ChecksLine(subject, dict(stacks), dict(checks))
        self._checks[subject] = line
        self._write(Line(checks=line))

    def result(self, workload: WorkloadKey, confirming: str | None, stacks: Stacks) -> WorkloadResult:
        """All that was measured of a workload whose variants run these stacks: while screening, or while confirming
        the variant `confirming`.
        """
        lines = [line for line in self._lines(workload, confirming) if not list(_other_stacks(line.stacks, stacks))]
        return WorkloadResult(tuple(line.invocation for line in lines), lines[-1].failures if lines else {})

    def dropped(self, workload: WorkloadKey, confirming: str | None, stacks: Stacks) -> list[str]:
        """Why each invocation that ran other stacks is not in the result."""
        reasons = ["; ".join(_other_stacks(line.stacks, stacks)) for line in self._lines(workload, confirming)]
        return [reason for reason in reasons if reason]

    def keep(self, line: InvocationLine) -> None:
        """Write down one more invocation of a workload."""
        self._add(line)
        self._write(Line(measured=line))

    def _lines(self, workload: WorkloadKey, confirming: str | None) -> Sequence[InvocationLine]:
        return self._measured.get((workload, confirming), [])

    def _add(self, line: InvocationLine) -> None:
        self._measured.setdefault((line.key, line.confirming), []).append(line)

    def _take_up(self, conditions: Mapping[str, Any]) -> None:
        lines, length = _read(self._path)
        header = _same_conditions(self._path, lines[0].header, conditions) if lines else None
        if header and any(line.finished for line in lines):
            message = f"there is no unfinished session to resume: that of {header.began} is complete"
            raise PerfError(message, subject=str(self._path), next_step=AFRESH)
        if self._path.exists():
            os.truncate(self._path, length)  # the next line must not continue one that was never finished
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
            return  # it may have ended within a line
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
    """The newest journal below `runs` of an unfinished session that measures under these conditions and is not running;
    one with nothing measured in it only when there is no other. PerfError when there is none at all: why the newest of
    these conditions cannot be resumed, or what differs from the newest of all.
    """
    folders = sorted((path.parent for path in runs.glob(f"*/{NAME}")), reverse=True)
    refused: list[PerfError] = []
    for folder in sorted(folders, key=_has_measured, reverse=True):
        try:
            return Journal(folder, conditions)
        except PerfError as error:
            refused.append(error)
    refused.sort(key=lambda error: isinstance(error, OtherError))
    raise (
        refused[0]
        if refused
        else PerfError("there is no unfinished session to resume", subject=str(runs), next_step=AFRESH)
    )


def _has_measured(folder: Path) -> bool:
    try:
        return any(line.measured for line in _read(folder / NAME)[0])
    except PerfError:
        return False


def _same_conditions(path: Path, header: Header | None, conditions: Mapping[str, Any]) -> Header:
    """The header. OtherError when there is none, or its conditions are others."""
    if header is None:
        raise OtherError("is damaged: it has no header", subject=str(path), next_step=AFRESH)
    now = msgspec.to_builtins(conditions)
    differing = [
        f"{name} {header.conditions.get(name)} then, {now.get(name)} now"
        for name in sorted({*header.conditions, *now})
        if header.conditions.get(name) != now.get(name)
    ]
    if differing:
        message = f"cannot be resumed: recorded under different conditions: {'; '.join(differing)}"
        raise OtherError(message, subject=str(path), next_step=AFRESH)
    return header


def _other_stacks(then: Stacks, now: Stacks) -> Iterator[str]:
    """In what the stacks of a plan's variants differ; nothing when they are the same."""
    for name in sorted({*then, *now}):
        if name not in now:
            yield f"{name} ran beside it, and does not now"
        elif name not in then:
            yield f"{name} did not run beside it, and does now"
        else:
            changes = differences(then[name], now[name])
            if changes:
                yield f"{name} ran another stack: {', '.join(changes)}"


def _read(path: Path) -> tuple[list[Line], int]:
    """The whole lines of a journal, oldest first, and their length in bytes; none when there is no file. What follows
    them is a line that was never finished, or is being written. OtherError for another version or a damaged line.
    """
    if not path.exists():
        return [], 0
    try:
        content = read_bytes(path, most=MAX_BYTES)
        whole = content[: content.rfind(b"\n") + 1].split(b"\n")[:-1]
        version = decoded(whole[0], _FirstLine, path).header.version if whole else VERSION
        lines = [decoded(line, Line, path) for line in whole] if version == VERSION else []
    except PerfError as error:
        raise OtherError(error.what, subject=error.subject, next_step=AFRESH) from error
    if version != VERSION:
        raise OtherError(f"cannot be resumed: its version is not {VERSION}", subject=str(path), next_step=AFRESH)
    return lines, sum(len(line) + 1 for line in whole)
