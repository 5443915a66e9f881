"""What a history shows as Markdown, for step summaries and issues: nothing when there is no loss and no problem."""

from collections.abc import Iterator

from perf.history.findings import HistoryFindings, JudgedSeries
from perf.history.tables import since_text
from perf.history.warnings import warnings_of
from perf.report.github.markdown import code, escaped, table
from perf.wording import change_text, counted, uv

# The findings, and the differences of each, that are shown: a summary and an issue stay below 60 lines.
MOST_FINDINGS, MOST_CHANGES = 9, 3
# The problems that are shown of each kind.
MOST_PROBLEMS = 3
HEADINGS = ("Case", "Level now [95 % interval]", "Change", "What changed then")


def history_lines(findings: HistoryFindings) -> list[str]:
    """Return what a history shows, in at most 40 lines; none when no case lost speed and nothing else is to be said."""
    notes = [*warnings_of(findings), *_unjudged(findings)]
    if not findings.lost and not notes:
        return []
    lost = counted(len(findings.lost), "loss", "losses")
    files = findings.nights.files
    days = f"{counted(len(files), 'run')} from {files[0].header.ended:%Y-%m-%d} to {files[-1].header.ended:%Y-%m-%d}"
    return [
        f"## History: {lost}",
        "",
        f"Machine class {code(findings.nights.machine_class)}, {days}.",
        "",
        *loss_lines(findings),
        *(f"- {escaped(note)}" for note in notes),
        "",
    ]


def loss_lines(findings: HistoryFindings, most: int = MOST_FINDINGS) -> list[str]:
    """Return a table of at most `most` losses, the least likely by chance first, and how to see and to accept them."""
    lost = findings.lost
    if not lost:
        return []
    more = len(lost) - most
    return [
        *table(HEADINGS, (_cells(one) for one in lost[:most])),
        "",
        *([f"And {counted(more, 'more loss', 'more losses')}.", ""] if more > 0 else []),
        f"Show them: `{uv()} run mxperf history show`. To keep a level, record it in `accepted.toml` next to the files "
        "(docs/history.md).",
        "",
    ]


def _cells(one: JudgedSeries) -> list[str]:
    net, dated = one.changes.net, [
        f"{change.point.kind} {'on' if change.point.kind == 'step' else 'from'} {change.first:%Y-%m-%d}"
        for change in one.dated
    ]  # fmt: skip
    low, high = net.interval() if net.known else (None, None)
    changed = list(dict.fromkeys(difference for change in one.dated for difference in change.changed))
    shown = [code(difference) for difference in changed[:MOST_CHANGES]] or ["nothing that is recorded"]
    shown += [f"and {len(changed) - MOST_CHANGES} more"] * (len(changed) > MOST_CHANGES)
    return [
        f"{code(one.series.case)} over {code(one.series.reference)}",
        f"{change_text(net.ratio, low, high)} since {escaped(since_text(one))}",
        ", ".join(dated),
        "; ".join(shown),
    ]


def _unjudged(findings: HistoryFindings) -> Iterator[str]:
    """Yield what was not judged."""
    unusable, gone = findings.nights.unusable, findings.gone
    for problem in unusable[:MOST_PROBLEMS]:
        yield f"Cannot be used: {str(problem).partition(chr(10))[0]}"
    if len(unusable) > MOST_PROBLEMS:
        yield f"And {counted(len(unusable) - MOST_PROBLEMS, 'more file')} that cannot be used."
    if gone:
        more = f" and {len(gone) - MOST_PROBLEMS} more" if len(gone) > MOST_PROBLEMS else ""
        yield f"Not in the last run: {', '.join(gone[:MOST_PROBLEMS])}{more}."
    for pattern in findings.unmatched[:MOST_PROBLEMS]:
        yield f"accepted.toml: '{pattern}' matches no case."
