"""Change the settings of a machine to the wanted ones, and back to what they were."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from perf.errors import PerfError
from perf.machine.runner.record import Previous, Record, extend_record, read_record, write_record
from perf.machine.runner.settings import settings
from perf.wording import counted


@dataclass(frozen=True)
class Change:
    """A change of one target of a setting.

    setting: the setting's name.
    target: what is changed, such as a file.
    now: its value; None when the machine does not have it.
    then: the value that it gets.
    """

    setting: str
    target: str
    now: str | None
    then: str


@dataclass(frozen=True)
class Outcome:
    """What came of a `change`: `command` is what was done, or would be, and `problem` why it failed; None if it did
    not.
    """

    change: Change
    command: str
    problem: str | None = None


def planned_apply(root: Path) -> list[Outcome]:
    """Return what `apply` would do, without doing it."""
    return [_planned(change) for change in _to_apply(root)]


def planned_revert(root: Path, record: Path) -> list[Outcome]:
    """Return what `revert` would do, without doing it."""
    return [_planned(change) for _, change in _to_revert(root, record) if change.now != change.then]


def apply(root: Path, record: Path) -> list[Outcome]:
    """Give every target that differs its wanted value, and read it back. What it was is recorded first.

    Raises PerfError, and changes nothing, when that cannot be recorded.
    """
    changes = list(_to_apply(root))
    extend_record(record, [Previous(c.setting, c.target, c.now) for c in changes if c.now is not None])
    return [_done(change, root) for change in changes]


def revert(root: Path, record: Path) -> list[Outcome]:
    """Give every recorded target the value that it had, the last setting first, and read it back. What could not be
    restored stays in the record; otherwise the record is deleted. Without a record, nothing is done.

    Raises PerfError when the record cannot be read, or cannot be written afterwards.
    """
    if read_record(record) is None:
        return []
    outcomes, left = [], []
    for previous, change in _to_revert(root, record):
        if change.now == change.then:
            continue
        outcome = _done(change, root)
        outcomes.append(outcome)
        if outcome.problem is not None:
            left.append(previous)
    try:
        write_record(record, Record(tuple(left)))
    except PerfError as error:
        message = f"{counted(len(outcomes) - len(left), 'value')} restored, but {error.what}"
        step = "let root write there, then revert again: what is restored stays as it is"
        raise PerfError(message, subject=error.subject, next_step=step) from error
    return outcomes


def _to_apply(root: Path) -> Iterator[Change]:
    for name, setting in settings().items():
        means = setting.means
        for target, value in (means.read(root) or {}).items():
            if value != means.wanted(target):
                yield Change(name, target, value, means.wanted(target))


def _to_revert(root: Path, record: Path) -> Iterator[tuple[Previous, Change]]:
    """Yield what was recorded, the last setting first, each with its change. Values are read when their turn comes:
    switching SMT on brings files of other settings back. The targets of a setting keep their order, which decides the
    priorities of swap areas.
    """
    recorded = read_record(record) or Record()
    order = list(settings())
    for unknown in {previous.setting for previous in recorded.values}.difference(order):
        message = f"has a setting that this version does not know: {unknown}"
        raise PerfError(message, subject=str(record), next_step="revert with the version that applied it")
    for previous in sorted(recorded.values, key=lambda previous: -order.index(previous.setting)):
        now = settings()[previous.setting].means.value(root, previous.target)
        yield previous, Change(previous.setting, previous.target, now, previous.value)


def _planned(change: Change) -> Outcome:
    return Outcome(change, settings()[change.setting].means.command(change.target, change.then))


def _done(change: Change, root: Path) -> Outcome:
    planned = _planned(change)
    means = settings()[change.setting].means
    try:
        means.write(root, change.target, change.then)
    except OSError as error:
        return Outcome(change, planned.command, error.strerror or str(error))
    except PerfError as error:
        return Outcome(change, planned.command, error.what)
    now = means.value(root, change.target)
    return Outcome(change, planned.command, None if now == change.then else f"it reads {now or 'nothing'} afterwards")
