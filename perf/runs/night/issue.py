"""Decide what becomes of the issue about a regression: a confirmed one opens it, a night that judged all closes it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from perf.runs.groups import RunVerdicts
from perf.runs.schema import RunContext
from perf.runs.verdict import Verdict
from perf.wording import counted

# How the first line of an issue's text names what it is about; a reader does not see it.
MARK = re.compile(r"<!-- mxperf-regression (\{.*\}) -->")
# The argument that puts a candidate wheel in a role.
OVERRIDE = re.compile(r"--perf-build=([a-z][a-z-]{0,30})=")
# A case with one of these verdicts has no loss.
CLEARED = frozenset({"ok", "improved"})


class Subject(msgspec.Struct, frozen=True):
    """What an issue is about: the `machine_class`, the `roles` of candidate wheels, none for the locked wheels, and the
    `cases` that are slower.
    """

    machine_class: str
    roles: tuple[str, ...]
    cases: tuple[str, ...]

    @property
    def mark(self) -> str:
        """The first line of the issue's text: JSON in a comment, which nothing in a name can end."""
        text = re.sub("[-<>@#*`]", _escaped, msgspec.json.encode(self).decode())
        return f"<!-- mxperf-regression {text} -->"


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
        except msgspec.MsgspecError:
            return None


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


def decide(context: RunContext, judged: RunVerdicts, issues: Sequence[OpenIssue]) -> Decision:
    """Return what becomes of the issue about a run's machine class and candidates, given the open issues.

    It is opened or updated for a confirmed regression. It is closed when every case that it names was judged and is not
    slower. A night that leaves one of them open changes nothing.
    """
    slower = confirmed(judged)
    subject = Subject(context.machine_class, roles_of(context), tuple(sorted(slower)))
    mine = sorted(
        ((issue.number, about) for issue in issues if (about := _same(issue, subject))), key=lambda one: one[0]
    )
    number, about = mine[0] if mine else (None, None)
    if context.injected:
        return Decision("nothing", "the run was slowed down on purpose", subject, number)
    open_cases = _open_cases(about, slower, judged.verdicts)
    if slower:
        cases = f"{counted(len(slower), 'case is', 'cases are')} slower than the baseline's stack"
        kept = msgspec.structs.replace(subject, cases=tuple(sorted({*slower, *open_cases})))
        return Decision("update" if about else "open", cases, kept, number, open_cases)
    if about is None:
        return Decision("nothing", "no case has a confirmed regression", subject)
    if open_cases:
        cases = counted(len(open_cases), "case")
        return Decision("nothing", f"{cases} of the issue cannot be called cured", about, number, open_cases)
    return Decision("close", "every case of the issue was judged, and none is slower", about, number)


def roles_of(context: RunContext) -> tuple[str, ...]:
    """Return the roles in which a run had candidate wheels."""
    return tuple(sorted({match[1] for argument in context.arguments if (match := OVERRIDE.match(argument))}))


def _escaped(char: re.Match[str]) -> str:
    return f"\\u{ord(char[0]):04x}"


def _same(issue: OpenIssue, subject: Subject) -> Subject | None:
    about = issue.subject
    same = about and (about.machine_class, about.roles) == (subject.machine_class, subject.roles)
    return about if same else None


def _open_cases(
    about: Subject | None, slower: Mapping[str, Verdict], verdicts: Mapping[str, Verdict]
) -> tuple[str, ...]:
    """The cases of an issue that are not slower tonight, and of which nobody can say that they are not."""
    cleared = {name for name, verdict in verdicts.items() if verdict.kind in CLEARED}
    return tuple(name for name in (about.cases if about else ()) if name not in slower and name not in cleared)
