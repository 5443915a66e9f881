"""The text of an issue about a regression or a loss in the history: at most 60 lines, in which names do no harm."""

import re
from collections.abc import Iterable, Iterator, Sequence

from perf.history.findings import HistoryFindings
from perf.judge.judgement import Judgement
from perf.report.github.history import loss_lines
from perf.report.overview import rerun_command
from perf.runs.gate import Gate
from perf.runs.groups import RunVerdicts
from perf.runs.judges import Judge
from perf.runs.night.issue import Decision, confirmed
from perf.runs.schema import StoredRun
from perf.runs.verdict import Verdict
from perf.wording import counted

# Cases in the table, differences between the stacks, cases that are not settled, and losses in the history: with the
# rest of the text, fewer than 60 lines.
MOST_CASES, MOST_CHANGES, MOST_OPEN, MOST_LOSSES = 15, 8, 5, 5
# Characters of a name, and of a command: longer ones were not written by this suite.
MOST_NAME, MOST_COMMAND = 200, 2000
# What is not plain text everywhere: a character reference is never Markdown, HTML, a link or a mention.
_SPECIAL = re.compile(r"[^A-Za-z0-9 -]")


def title_of(decision: Decision) -> str:
    """Return the title of an issue."""
    roles = decision.subject.roles
    candidate = f", candidate wheel for {' and '.join(map(_plain, roles))}" if roles else ""
    return f"Performance regression on {_plain(decision.subject.machine_class)}{candidate}"


def body_of(
    decision: Decision,
    run: StoredRun,
    judge: Judge,
    judged: RunVerdicts,
    findings: HistoryFindings | None,
    address: str | None,
) -> str:
    """Return the text of an issue, the worst case first. `findings` are those of the history, if it was looked at, and
    `address` is the page of the workflow's run, if there is one.

    The command that reproduces the worst case is the run's own, for that case alone.
    """
    slower = sorted(confirmed(judged).values(), key=_change)
    lines = [
        decision.subject.mark,
        *(_regressed(slower, run, judge, judged) if slower and isinstance(judge, Gate) else []),
        *(_lost(findings, run) if findings and findings.lost else []),
        *_open_cases(decision),
        f"Run of {code(run.datetime[:16])}{f': {address}' if address else ''}. Every night edits this text, and closes "
        "the issue when all of these cases were judged and none is slower.",
        "",
    ]
    return "\n".join(lines)


def _regressed(slower: Sequence[Verdict], run: StoredRun, gate: Gate, judged: RunVerdicts) -> list[str]:
    return [
        f"**Regressed**: {len(slower)} of {counted(len(judged.verdicts), 'judged case')} on "
        f"{code(run.perf.machine_class)}, measured side by side with the stack of {code(gate.name)}.",
        "",
        "| Case | Change [95 % interval] | Tolerance |",
        "| :-- | --: | --: |",
        *(_row(verdict, run, gate) for verdict in slower[:MOST_CASES]),
        *_more(len(slower) - MOST_CASES, "case"),
        "",
        "What differs from the baseline's stack:",
        "",
        *_changes(slower),
        "",
        "The worst case alone:",
        "",
        *fenced(_command(slower[0], run, gate)),
        "",
    ]


def _lost(findings: HistoryFindings, run: StoredRun) -> list[str]:
    files = findings.nights.files
    return [
        f"**Lost over the nights**: {counted(len(findings.lost), 'ratio')} on {code(run.perf.machine_class)}, by a "
        f"step or by creep in the {counted(len(files), 'run')} since {files[0].header.ended:%Y-%m-%d}.",
        "",
        *loss_lines(findings, MOST_LOSSES),
    ]


def closing_text(decision: Decision, run: StoredRun, address: str | None) -> str:
    """Return the comment with which an issue is closed."""
    return f"Gone in the run of {code(run.datetime[:16])}: {decision.why}.{f' {address}' if address else ''}"


def code(text: str) -> str:
    """Return a text as code, in which nothing is HTML, Markdown, a link or a mention."""
    return f"<code>{_SPECIAL.sub(lambda char: f'&#{ord(char[0])};', _plain(text))}</code>"


def fenced(command: str) -> list[str]:
    """Return a command as a block of code, whose fence is longer than any in it."""
    line = _plain(command, MOST_COMMAND)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", line)), default=0))
    return [f"{fence}sh", line, fence]


def _plain(text: str, most: int = MOST_NAME) -> str:
    """The text on one line, without what cannot be printed, and cut."""
    return "".join(char if char.isprintable() else " " for char in text)[:most]


def _row(verdict: Verdict, run: StoredRun, gate: Gate) -> str:
    tolerance = gate.tolerance_of(run.cases[verdict.case])
    return f"| {code(verdict.case)} | {_interval(verdict.side_by_side)} | {tolerance.change:.1%} |"


def _interval(judgement: Judgement | None) -> str:
    if judgement is None or judgement.change is None:
        return "-"
    low, high = judgement.change.interval()
    return f"{judgement.change.ratio - 1:+.1%} [{low - 1:+.1%}, {high - 1:+.1%}]"


def _change(verdict: Verdict) -> float:
    known = verdict.side_by_side and verdict.side_by_side.change
    return known.log_ratio if known else 0.0


def _changes(slower: Iterable[Verdict]) -> Iterator[str]:
    changes = list(dict.fromkeys(change for verdict in slower for change in verdict.changes))
    yield from (f"- {code(change)}" for change in changes[:MOST_CHANGES])
    yield from _more(len(changes) - MOST_CHANGES, "difference")


def _more(number: int, noun: str) -> list[str]:
    return ["", f"And {counted(number, f'more {noun}')}."] if number > 0 else []


def _open_cases(decision: Decision) -> list[str]:
    names = decision.open_cases
    if not names:
        return []
    more = f" and {len(names) - MOST_OPEN} more" if len(names) > MOST_OPEN else ""
    listed = ", ".join(map(code, names[:MOST_OPEN]))
    return [f"A loss before, and neither a loss nor cleared in this run: {listed}{more}.", ""]


def _command(verdict: Verdict, run: StoredRun, gate: Gate) -> str:
    item = next(each.fullname for each in run.benchmarks if each.extra_info.name == verdict.case)
    return rerun_command(item, run, gate.name)
