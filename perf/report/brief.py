"""The section at the end of a session: what a reader needs, in columns and lines that fit the terminal.

The full tables and all lines are in the Markdown of --perf-summary; `-v` prints them too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from rich.console import Console

from perf.checks import CheckResult
from perf.judge.judgement import Judgement
from perf.report.console import say
from perf.report.summary import MARKED, TYPICAL, answers_table, family_tables
from perf.report.tables import TextTable, fitted, rendered
from perf.report.verdicts import (
    STYLES,
    change_lines,
    counts_line,
    detectable_lines,
    first_of,
    listed,
    reason_lines,
)
from perf.runs.groups import RunVerdicts
from perf.runs.judges import Judge
from perf.runs.record import CaseRecord
from perf.runs.verdict import GRAVITY, Verdict
from perf.wording import change_text, counted

# A line lists at most this many names.
SHOWN_NAMES = 3
# The section takes at most 60 lines; its heading, and the lines about files that are written after it, take three.
MOST_LINES = 57


@dataclass(frozen=True)
class Shown:
    """How many `cases` that are not `ok`, the gravest first, the section shows, how many `reasons`, how many
    `differences` from the baseline, and how many `lines` about the comparison.
    """

    cases: int
    reasons: int
    differences: int
    lines: int


# From the most to the fewest: long reasons and paths of wheels take two or three lines each.
BREVITY = (
    Shown(4, 3, 2, 3),
    Shown(4, 2, 2, 2),
    Shown(4, 2, 1, 1),
    Shown(4, 1, 1, 1),
    Shown(3, 1, 1, 1),
    Shown(2, 1, 0, 1),
    Shown(1, 1, 0, 1),
)


@dataclass(frozen=True, kw_only=True)
class Brief:
    """What the section shows.

    machine: three lines about the machine, the instances and the builds.
    warnings: what makes the figures misleading, a line each.
    records: the records of the cases.
    answers: the results of checks of answers.
    judge: what judged the cases.
    judged: the verdicts.
    selected: the names of the selected cases.
    closing: where the time went and where the run is, a line each.
    everything: the command that prints all that the section leaves out.
    """

    machine: Sequence[str]
    warnings: Sequence[str]
    records: Sequence[CaseRecord]
    answers: Sequence[CheckResult]
    judge: Judge
    judged: RunVerdicts
    selected: Sequence[str]
    closing: Sequence[str]
    everything: str


def print_brief(brief: Brief, console: Console) -> None:
    """Print the section without its heading. Lines are wrapped between words; a longer word is not cut. Where only
    answers were checked, their figures are shown. As much of the verdicts is shown as fits `MOST_LINES`.
    """
    for shown in BREVITY:
        with console.capture() as section:
            _print(brief, shown, console)
        if section.get().count("\n") <= MOST_LINES:
            break
    _print(brief, shown, console)


def _print(brief: Brief, shown: Shown, console: Console) -> None:
    _print_lines([*brief.machine, *brief.warnings], console)
    tables = [fitted(table, console) for table in family_tables(brief.records)]
    for table in tables or [answers_table(brief.answers)] * bool(brief.answers):
        console.print()
        console.print(rendered(table))
    _print_lines([*_marks(brief.records), *_answers(brief)], console)
    if brief.judge.compares:
        _print_verdicts(brief, shown, console)
    _print_lines(brief.closing, console)
    if brief.judge.compares:
        _print_lines([counts_line(list(brief.judged.verdicts.values()))], console)


def _print_lines(lines: Sequence[str], console: Console) -> None:
    for line in lines:
        for part in wrap(line, console.width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False):
            say(console, part)


def _marks(records: Sequence[CaseRecord]) -> list[str]:
    """What the marks of the tables mean, as far as they occur."""
    ratios = [record.ratio for record in records if record.ratio]
    marks = [MARKED] if any(ratio.uncertain for ratio in ratios) else []
    return [*marks, TYPICAL] if any(ratio.shown_typical is not None for ratio in ratios) else marks


def _answers(brief: Brief) -> list[str]:
    """How many checks of answers had which result, with the names of those that were not right."""
    names: dict[str, list[str]] = {}
    for answer in brief.answers:
        names.setdefault(answer.verdict, []).append(f"{answer.check} of {answer.subject}")
    parts = [
        f"{len(names[kind])} {kind}" + (f" ({first_of(names[kind], 1)})" if kind != "right" else "")
        for kind in ("wrong", "not judged", "right")
        if kind in names
    ]
    unjudged = [record.name for record in brief.records if getattr(record.facts.check, "unjudged", None)]
    lines = [f"Checks of answers: {', '.join(parts)}."] if parts else []
    return [*lines, f"Answers not judged: {listed(unjudged, SHOWN_NAMES)}."] if unjudged else lines


def _print_verdicts(brief: Brief, shown: Shown, console: Console) -> None:
    verdicts = sorted(brief.judged.verdicts.values(), key=lambda verdict: -GRAVITY.index(verdict.kind))
    doubtful = [verdict for verdict in verdicts if verdict.kind not in {"ok", "no-baseline"}]
    if doubtful:
        table = rendered(fitted(_table(doubtful[: shown.cases]), console))
        for row, verdict in zip(table.rows, doubtful, strict=False):
            row.style = STYLES[verdict.kind]
        console.print()
        console.print(table)
    only_then = brief.judge.only_then(brief.selected)
    groups = [group for group in brief.judged.groups if group.judgement.kind != "ok"]
    reasons, changes = reason_lines(verdicts, SHOWN_NAMES), change_lines(verdicts, 0)
    about = brief.judge.lines()
    left_out = {
        "case": len(doubtful) - shown.cases,
        "reason": len(reasons) - shown.reasons,
        "difference": len(changes) - shown.differences,
        "line": len(about) - shown.lines,
    }
    more = [counted(number, f"more {noun}") for noun, number in left_out.items() if number > 0]
    lines = [
        *reasons[: shown.reasons],
        *(f"{group.text[0].upper()}{group.text[1:]}: {group.judgement.kind}." for group in groups),
        *changes[: shown.differences],
        *([f"Only in the baseline: {listed(only_then, SHOWN_NAMES)}."] if only_then else []),
        *about[: shown.lines],
        *detectable_lines(verdicts),
        *([f"and {', '.join(more)}: {brief.everything}"] if more else []),
    ]
    _print_lines(lines, console)


def _table(verdicts: Sequence[Verdict]) -> TextTable:
    """The cases that are not `ok`, each with the comparison that its verdict is based on."""
    rows = []
    for verdict in verdicts:
        over, judgement = _deciding(verdict)
        change = judgement.change if judgement else None
        shown = change_text(change.ratio, *change.interval()) if change else "-"
        rows.append([verdict.case, verdict.kind, shown, over])
    names = ["Case", "Verdict", "Change [95 % interval]", "Over"]
    return TextTable("", names, rows, figures=False, places=[0, 0, 0, 1])


def _deciding(verdict: Verdict) -> tuple[str, Judgement | None]:
    """The comparison that a verdict is based on: with what, and its judgement."""
    if verdict.side_by_side is not None:
        return "the baseline's stack", verdict.side_by_side
    return verdict.gravest.reference if verdict.gravest else "-", verdict.deciding
