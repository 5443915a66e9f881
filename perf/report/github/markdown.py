"""Markdown for GitHub: what a whole run says, for comments and step summaries, and the summary's tables.

Names of cases, files, wheels and branches come from outside: every text of a run is escaped, for Markdown, for the HTML
in it, and for GitHub's mentions and references.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from perf.errors import PerfError
from perf.files import write_whole
from perf.report.overview import RESULT_MEANINGS, Finding, Overview
from perf.report.summary import Summary, footer_of, tables_of
from perf.wording import counted

# The findings that stand above the fold.
WORST = 3
# With these limits a result takes at most 58 lines, and a comment, with its marker, 60.
MORE_ROWS, MORE_REASONS, MORE_NOT_RUN = 9, 3, 3
# Names of a list on one line.
LISTED = 5
# Longer texts are cut: with these limits even a comment full of special characters stays below the 65,536 characters
# that GitHub accepts.
LONGEST_NAME, LONGEST_TEXT, LONGEST_COMMAND = 100, 250, 1000
# What would start HTML, a cell, a mention ("@name") or a reference ("#12"). A character reference is never Markdown
# (CommonMark 0.31, section 2.5); GitHub still looks for mentions in the finished page, where the joiner stops them.
_REFERENCED = re.compile(r"[&<>|@#]")
# Markdown's other characters. An underscore inside a word is plain text, and so are brackets without a target.
_SPECIAL = re.compile(r"[\\`*~$]|\](?=\()|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
# U+2060, invisible: no line break, and no part of a name.
JOINER = "\N{WORD JOINER}"
HEADINGS = ("Case", "Verdict", "Change [95 % interval]", "Measured", "Tolerance", "Would detect", "Cause")


@dataclass(frozen=True)
class RunLabel:
    """Which run a text is about: its `machine_class`, its `tier`, and when it `ended` (ISO 8601); "" if unknown."""

    machine_class: str
    tier: str = ""
    ended: str = ""


def escaped(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return a text on one line in which Markdown, HTML and GitHub see nothing but text; cut after `longest`."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    plain = plain if len(plain) <= longest else plain[: longest - 1] + "…"
    marked = _SPECIAL.sub(lambda match: f"\\{match[0]}", plain)
    return _REFERENCED.sub(lambda match: f"&#{ord(match[0])};" + (JOINER if match[0] in "@#" else ""), marked)


def code(name: str) -> str:
    """Return a name as code. GitHub looks for no mentions there, so the name can be copied as it is."""
    return f"<code>{escaped(name, LONGEST_NAME).replace(JOINER, '')}</code>"


def table(names: Sequence[str], rows: Iterable[Sequence[str]], *, figures: bool = False) -> list[str]:
    """Return the lines of a table; cells are Markdown. With `figures` all columns but the first are right-justified."""
    rule = "| :-- |" + (" --: |" if figures else " :-- |") * (len(names) - 1)
    return [_row(names), rule, *map(_row, rows)]


def result_lines(
    overview: Overview, label: RunLabel, unconfirmed: Collection[str] | None = None, earlier: str = ""
) -> list[str]:
    """Return what a run says, in at most 58 lines: one word, the worst three findings, and the rest folded.

    `unconfirmed` holds the failing cases that no earlier run says the same of; None stands for all of them. `earlier`
    is the result of the run before, if it was another one.
    """
    shown = [finding for finding in overview.findings if finding.kind != "no-baseline"]
    if unconfirmed is None:
        unconfirmed = {finding.case for finding in shown if finding.failing}
    failing = {finding.case for finding in shown if finding.failing}
    state = " (unconfirmed)" if failing and failing <= set(unconfirmed) else ""
    commands = [f.command for f in shown[:WORST] if f.command.isprintable() and 0 < len(f.command) <= LONGEST_COMMAND]
    return [
        f"## {overview.result}{state}",
        "",
        f"{overview.counts_text}. {_about(overview, label)}",
        RESULT_MEANINGS[overview.result],
        *([f"The run before was {escaped(earlier)}."] if earlier else []),
        *([_unconfirmed_text(len(failing & set(unconfirmed)))] if failing & set(unconfirmed) else []),
        *([" ".join(map(escaped, overview.doubts))] if overview.doubts else []),
        "",
        *([*table(HEADINGS, (_cells(f, unconfirmed) for f in shown[:WORST])), ""] if shown else []),
        *(["Alone:", "", *_fenced(commands), ""] if commands else []),
        *_more(shown[WORST:], unconfirmed),
        *_reasons(overview.findings),
        *_absent(overview),
    ]


def write_markdown(summary: Summary, path: Path, title: str, result: Sequence[str] = ()) -> None:
    """Write the summary as Markdown, whole or not at all, with the `result` on top of its tables. Raises PerfError when
    the file cannot be written.
    """
    lines = [f"# {title}", "", *result, *(f"- {escaped(line)}" for line in summary.header), ""]
    for one in tables_of(summary):
        rows = (map(escaped, row) for row in one.rows)
        lines += [f"## {one.title}", "", *table([*map(escaped, one.names)], map(list, rows), figures=one.figures), ""]
    lines += [*(f"- {escaped(line)}" for line in footer_of(summary)), ""]
    try:
        write_whole(path, "\n".join(lines).encode())
    except OSError as error:
        raise PerfError(
            f"the summary could not be written: {error}", subject=str(path), next_step="name another file"
        ) from error


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _about(overview: Overview, label: RunLabel) -> str:
    baseline = f"Compared with {code(overview.baseline)}" if overview.baseline else "Without a baseline"
    tier = f", {escaped(label.tier)} tier" if label.tier else ""
    ended = f", measured {escaped(label.ended[:16])}" if label.ended else ""
    return f"{baseline}; machine class {code(label.machine_class)}{tier}{ended}."


def _unconfirmed_text(number: int) -> str:
    """Say what "(unconfirmed)" means."""
    return (
        f"Unconfirmed: no earlier run says the same of {counted(number, 'case')}; measure again before you act on it."
    )


def _cells(finding: Finding, unconfirmed: Collection[str]) -> list[str]:
    state = " (unconfirmed)" if finding.case in unconfirmed else ""
    loss = "-" if finding.smallest_loss is None else f"{finding.smallest_loss:.1%}"
    return [
        code(finding.case),
        finding.kind + state,
        finding.change_text,
        finding.compared or "-",
        f"{finding.tolerance:.1%}",
        loss,
        finding.cause or "-",
    ]


def _fenced(commands: Sequence[str]) -> list[str]:
    """Return commands as a block of code that no backtick in them can end."""
    runs = re.findall("`+", "\n".join(commands))
    fence = "`" * max(3, *(len(run) + 1 for run in runs), 0)
    return [f"{fence}sh", *commands, fence]


def _folded(title: str, lines: Sequence[str]) -> list[str]:
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>", ""] if lines else []


def _more(findings: Sequence[Finding], unconfirmed: Collection[str]) -> list[str]:
    if not findings:
        return []
    rows = [_cells(finding, unconfirmed) for finding in findings[:MORE_ROWS]]
    left = len(findings) - len(rows)
    if left:
        rows.append([f"and {left} more", *[""] * (len(HEADINGS) - 1)])
    return _folded(counted(len(findings), "more finding"), table(HEADINGS, rows))


def _reasons(findings: Sequence[Finding]) -> list[str]:
    """Return why cases are not ok: each reason once, with its cases."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        reasons.setdefault((finding.kind, finding.reason), []).append(finding.case)
    lines = [f"- {kind}: {escaped(reason)}: {_listed(names)}" for (kind, reason), names in reasons.items()]
    return _folded("Reasons", _cut(lines, MORE_REASONS, "reason"))


def _absent(overview: Overview) -> list[str]:
    """Return the cases that were not run, with their reasons, and those that only the baseline contains."""
    lines = _cut([f"- {code(name)}: {escaped(why)}" for name, why in overview.not_run.items()], MORE_NOT_RUN, "case")
    gone = [f"- only in the baseline: {_listed(overview.vanished)}"] if overview.vanished else []
    numbers = ", ".join(
        f"{overview.counts[name]} {name}" for name in ("not run", "vanished") if name in overview.counts
    )
    return _folded(numbers, [*lines, *gone])


def _cut(lines: Sequence[str], most: int, noun: str) -> list[str]:
    left = len(lines) - most
    return [*lines[:most], *([f"- and {counted(left, f'more {noun}')}"] if left > 0 else [])]


def _listed(names: Sequence[str]) -> str:
    left = len(names) - LISTED
    return ", ".join(map(code, names[:LISTED])) + (f" and {left} more" if left > 0 else "")
