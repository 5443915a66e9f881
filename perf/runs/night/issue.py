"""Decide what becomes of the issue about a regression: a confirmed one, or a loss over the nights, opens it; a night
that judged all closes it.
"""

import itertools
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from perf.files import UNREADABLE
from perf.runs.groups import RunVerdicts
from perf.runs.schema import RunContext
from perf.runs.verdict import Verdict
from perf.wording import counted

# How the first line of an issue's text names what it is about; a reader does not see it.
MARK = re.compile(r"<!-- mxperf-regression (\{.*\}) -->")
# The argument that puts a candidate wheel in a role.
OVERRIDE = re.compile(r"--perf-build=([a-z][a-z-]{0,30})=")
# GitHub takes 65,536 characters of text. The names of one list take at most this part of it; the rest of it is counted.
LISTED_CHARS = 16_000
# A case with one of these verdicts has no loss.
CLEARED = frozenset({"ok", "improved"})


class Subject(msgspec.Struct, frozen=True):
    """What an issue is about: the `machine_class`, the `roles` of candidate wheels, none for the locked wheels, the
    `cases` that are slower than the baseline's stack, and those that lost speed in the `history`.
    """

    machine_class: str
    roles: tuple[str, ...]
    cases: tuple[str, ...]
    history: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        """The first line of the issue's text: JSON in a comment, which nothing in a name can end. Where not all names
        fit, their number takes the place of the last ones: no night clears it, so that the issue stays open.
        """
        fitting = Subject(self.machine_class, self.roles, _fitting(self.cases), _fitting(self.history))
        return f"<!-- mxperf-regression {_encoded(fitting)} -->"


class OpenIssue(msgspec.Struct, frozen=True):
    """An open issue on GitHub: its `number` and its `body`."""

    number: int
    body: str

    @property
    def subject(self) -> Subject | None:
        """What it is about; None for an issue of another kind."""
        match = MARK.match(self.body)
        try:
            return msgspec.json.decode(match[1], type=Subject) if match else None
        except UNREADABLE:
            return None


@dataclass(frozen=True)
class HistoryState:
    """What the history of the locked wheels says: the cases that `lost` speed by a step or by creep, and those of an
    issue that are `cleared`: judged without a loss, or accepted.
    """

    lost: frozenset[str]
    cleared: frozenset[str]


@dataclass(frozen=True)
class Decision:
    """What to do: the `action`, on the issue of this `number`, None for a new one or none, and `why`. `subject` is what
    the issue is then about, and `open_cases` its cases that are not slower tonight and were not cleared either.
    """

    action: Literal["open", "update", "close", "nothing"]
    why: str
    subject: Subject
    number: int | None = None
    open_cases: tuple[str, ...] = ()


def confirmed(judged: RunVerdicts) -> dict[str, Verdict]:
    """Return the verdicts on cases that are slower than the baseline's stack, measured side by side with it. A ratio to
    the announcement's tables, or a machine that drifted, confirms nothing.
    """
    regressed = (verdict for verdict in judged.verdicts.values() if verdict.kind == "regressed")
    return {verdict.case: verdict for verdict in regressed if verdict.side_by_side is not None}


def decide(
    context: RunContext, judged: RunVerdicts, issues: Sequence[OpenIssue], history: HistoryState | None = None
) -> Decision:
    """Return what becomes of the issue about a run's machine class and candidates, given the open issues.

    It is opened or updated for a confirmed regression, and for a loss in the history. It is closed when every case that
    it names was judged and has neither, or its loss was accepted. A night that leaves one of them open changes nothing.
    Without a `history`, what an issue says of it stays open. Candidates have no history.
    """
    slower, roles = confirmed(judged), roles_of(context)
    lost = history.lost if history and not roles else frozenset()
    subject = Subject(context.machine_class, roles, tuple(sorted(slower)), tuple(sorted(lost)))
    number, about = _mine(issues, subject)
    if context.injected:
        return Decision("nothing", "the run was slowed down on purpose", subject, number)
    cleared = {name for name, verdict in judged.verdicts.items() if verdict.kind in CLEARED}
    open_cases = _open(about.cases if about else (), slower.keys(), cleared)
    open_history = _open(about.history if about else (), lost, history.cleared if history else ())
    still_open = tuple(dict.fromkeys([*open_cases, *open_history]))
    if slower or lost:
        kept = msgspec.structs.replace(
            subject, cases=tuple(sorted({*slower, *open_cases})), history=tuple(sorted({*lost, *open_history}))
        )
        return Decision("update" if about else "open", _reasons(len(slower), len(lost)), kept, number, still_open)
    if about is None:
        return Decision("nothing", "no case has a confirmed regression", subject)
    if still_open:
        cases = counted(len(still_open), "case")
        return Decision("nothing", f"{cases} of the issue cannot be called cured", about, number, still_open)
    gone = ", and no loss in the history is left that was not accepted" if about.history else ""
    why = "every case of the issue was judged, and none is slower"
    return Decision("close", f"{why}{gone}", about, number)


def roles_of(context: RunContext) -> tuple[str, ...]:
    """Return the roles in which a run had candidate wheels."""
    return tuple(sorted({match[1] for argument in context.arguments if (match := OVERRIDE.match(argument))}))


def _encoded(value: object) -> str:
    return re.sub("[-<>@#*`]", _escaped, msgspec.json.encode(value).decode())


def _fitting(names: Sequence[str]) -> tuple[str, ...]:
    """Return the first names, as many as fit into a mark, and how many more there are."""
    ends = itertools.accumulate(len(_encoded(name)) + 1 for name in names)
    kept = sum(end <= LISTED_CHARS for end in ends)
    return (*names[:kept], *([f"and {len(names) - kept} more"] * (kept < len(names))))


def _escaped(char: re.Match[str]) -> str:
    return f"\\u{ord(char[0]):04x}"


def _mine(issues: Sequence[OpenIssue], subject: Subject) -> tuple[int | None, Subject | None]:
    """Return the oldest open issue about the same machine class and candidates, and what it is about."""
    named = [(issue.number, about) for issue in issues if (about := issue.subject)]
    same = [(n, a) for n, a in named if (a.machine_class, a.roles) == (subject.machine_class, subject.roles)]
    return min(same, key=lambda one: one[0], default=(None, None))


def _open(named: Sequence[str], lost: Collection[str], cleared: Collection[str]) -> tuple[str, ...]:
    """Return the cases of an issue that have no loss now, and of which nobody can say that they have none."""
    return tuple(name for name in named if name not in lost and name not in cleared)


def _reasons(slower: int, lost: int) -> str:
    reasons = [f"{counted(slower, 'case is', 'cases are')} slower than the baseline's stack"] * bool(slower)
    reasons += [f"{counted(lost, 'case')} lost speed over the nights"] * bool(lost)
    return " and ".join(reasons)
