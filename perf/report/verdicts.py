"""Verdicts as text: the message of a failing case, and the summary of all verdicts at the end of a run."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from perf.judge.judgement import Judgement
from perf.judge.speedup import Estimate
from perf.judge.statistics import median
from perf.report.console import say
from perf.runs.groups import RunVerdicts
from perf.runs.judges import Judge
from perf.runs.verdict import GRAVITY, Verdict
from perf.wording import change_text, counted

# How verdicts are coloured on a terminal.
STYLES: Mapping[str, str] = {
    "regressed": "bold red",
    "drifted": "bold red",
    "improved": "green",
    "inconclusive": "yellow",
    "invalid": "yellow",
}
# A line lists at most this number of cases, to stay readable on a terminal; the run's file contains every case.
SHOWN_NAMES = 20
# A number before a percent sign; confidences that are too high to be printed are "over 99.999 %".
PERCENTAGE = re.compile(r"(?:over )?\d+(?:\.\d+)?(?= ?%)")
# More invocations of a case than this are not recommended: they would take hours.
MOST_INVOCATIONS = 100


def verdict_lines(verdict: Verdict, judge: Judge, command: str) -> list[str]:
    """Return the message of a case: its verdict with the reason, then and now, what changed, and how to reproduce it.
    `command` is the command line that runs the case alone.
    """
    lines = [f"{verdict.case}: {verdict.kind}{_by_how_much(verdict)}: {verdict.reason}"]
    if verdict.side_by_side is not None:
        lines.append(f"  side by side with the baseline's stack: {_change_text(verdict.side_by_side)}")
        lines += [f"    the baseline arm differs from that stack: {missing}" for missing in verdict.missing]
    for ratio in verdict.ratios:
        lines.append(f"  over {ratio.reference}: now {estimate_text(ratio.now)}, baseline {estimate_text(ratio.then)}")
        if ratio.judgement.change is not None:
            lines.append(f"    change, including the variance between sessions: {_change_text(ratio.judgement)}")
    if verdict.latency_ratio is not None:
        lines.append(f"  latency on the same machine: {verdict.latency_ratio:.3f} times the baseline's (not judged)")
    if judge.name:
        lines.append(f"  baseline: {judge.name}; this run makes {counted(judge.comparisons, 'comparison')}")
    if verdict.case in judge.marked:
        lines.append(f"  tolerance by the marker perf: {judge.marked[verdict.case].text}")
    lines += [f"  changed: {change}" for change in [*verdict.changes, *judge.settings_changed]]
    return [*lines, f"  alone: {command}"]


def print_verdicts(judged: RunVerdicts, judge: Judge, selected: Sequence[str], console: Console) -> None:
    """Print every verdict that is not `ok`, the number of each verdict, and the smallest changes that the run would
    detect. Cases that were selected but not judged, and cases that only the baseline contains, are listed too.
    `selected` holds case names.
    """
    verdicts = list(judged.verdicts.values())
    for line in judge.lines():
        say(console, line)
    shown = [v for v in verdicts if v.kind not in {"ok", "no-baseline"}]
    if shown:
        console.print(_table(shown))
    for line in [*reason_lines(verdicts), *change_lines(verdicts)]:
        say(console, line)
    latencies = [v.latency_ratio for v in verdicts if v.latency_ratio is not None]
    if latencies:
        text = f"median {median(latencies):.3f}, range {min(latencies):.3f} to {max(latencies):.3f}"
        say(console, f"Latency relative to the baseline's, on the same machine: {text} (not judged).")
    only_then = judge.only_then(selected)
    if only_then:
        say(console, f"Only in the baseline: {listed(only_then)}.")
    for group in judged.groups:
        say(console, f"{group.text[0].upper()}{group.text[1:]}: {group.judgement.kind}.")
    for line in detectable_lines(verdicts):
        say(console, line)
    say(console, counts_line(verdicts))


def counts_line(verdicts: Sequence[Verdict]) -> str:
    """Return how many cases have each verdict, the gravest first."""
    counts = Counter(verdict.kind for verdict in verdicts)
    return "Verdicts: " + (", ".join(f"{counts[k]} {k}" for k in reversed(GRAVITY) if counts[k]) or "none") + "."


def reason_lines(verdicts: Sequence[Verdict], most: int = SHOWN_NAMES) -> list[str]:
    """Return why cases are not `ok`: each reason once, with its cases, at most `most` of them by name. Reasons that
    differ in percentages only are one reason, with ranges.
    """
    groups: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.kind != "ok":
            groups.setdefault((verdict.kind, PERCENTAGE.sub("", _own_reason(verdict))), []).append(verdict)
    return [
        f"{kind}: {_merged(list(map(_own_reason, group)))}{_needed(group)}. {listed([v.case for v in group], most)}."
        for (kind, _), group in sorted(groups.items(), key=lambda entry: -GRAVITY.index(entry[1][0].kind))
    ]


def change_lines(verdicts: Sequence[Verdict], most: int = SHOWN_NAMES) -> list[str]:
    """Return what changed since the baseline: each difference once, with its cases, at most `most` of them by name."""
    groups: dict[str, list[str]] = {}
    for verdict in verdicts:
        for change in verdict.changes:
            groups.setdefault(f"changed since the baseline: {change}", []).append(verdict.case)
        for missing in verdict.missing:
            groups.setdefault(f"the baseline arm differs from the baseline: {missing}", []).append(verdict.case)
    return [f"{what}. {listed(names, most)}." for what, names in groups.items()]


def _own_reason(verdict: Verdict) -> str:
    """The reason for a verdict without the differences of its stack, which `change_lines` returns."""
    return verdict.reason.partition("; changed: ")[0]


def _merged(texts: Sequence[str]) -> str:
    """Texts that differ in percentages only as one text, with ranges such as "3.1 to 4.0%"."""
    columns = zip(*map(PERCENTAGE.findall, texts), strict=True)
    ordered = [sorted(set(column), key=lambda text: float(text.removeprefix("over "))) for column in columns]
    ranges = [" to ".join(dict.fromkeys((column[0], column[-1]))) for column in ordered]
    pieces = PERCENTAGE.split(texts[0])
    return "".join(piece + number for piece, number in zip(pieces, [*ranges, ""], strict=True))


def _needed(verdicts: Sequence[Verdict]) -> str:
    """How many invocations would decide inconclusive cases that were measured side by side."""
    judgements = [v.side_by_side for v in verdicts if v.kind == "inconclusive" and v.side_by_side]
    needed = max((judgement.needed for judgement in judgements if judgement.needed), default=None)
    if needed is None:
        return ""
    if needed > MOST_INVOCATIONS:
        return "; this machine is too noisy to decide that with a practical number of invocations"
    return f"; --perf-invocations={needed} would decide {'it' if len(verdicts) == 1 else 'them'}"


def detectable_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the smallest changes that this run would detect: losses of builds side by side, drifts of the machine."""
    lines = []
    kinds = {
        "loss of a build": [v for v in verdicts if v.side_by_side is not None],
        "drift of the machine": [v for v in verdicts if v.side_by_side is None and v.kind in {"ok", "drifted"}],
    }
    for what, cases in kinds.items():
        stated = [(v.deciding, v.case) for v in cases if v.deciding and v.deciding.smallest_loss is not None]
        losses = sorted((judgement.smallest_loss or 0.0, case) for judgement, case in stated)
        if losses:
            middle, (worst, case) = median([loss for loss, _ in losses]), losses[-1]
            twice = median([judgement.with_twice or 0.0 for judgement, _ in stated])
            most = f", at most {worst:.1%} ({case})" if worst > middle else ""
            lines.append(
                f"Smallest {what} that 95 of 100 such runs would detect: median {middle:.1%}{most}; median {twice:.1%} "
                "with twice as many invocations."
            )
    undecided = any(verdict.kind == "inconclusive" for verdict in verdicts)
    if kinds["drift of the machine"] and not kinds["loss of a build"] and not undecided:
        lines.append("Every case ran the baseline's stack, so no two builds were compared.")
    return lines


def estimate_text(estimate: Estimate | None) -> str:
    """Return a speedup with its 95 % interval, such as "4.52 [4.47, 4.58] (10 invocations)"; "-" for None."""
    if estimate is None:
        return "-"
    interval = f" [{estimate.low:.2f}, {estimate.high:.2f}]" if estimate.low and estimate.high else ""
    return f"{estimate.speedup:.2f}{interval} ({counted(estimate.invocations, 'invocation')})"


def _table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("Case", "Verdict", "Over", "Now", "Baseline", "Change [95 % interval]"):
        table.add_column(name, overflow="fold")
    for verdict in verdicts:
        kind = Text(verdict.kind, STYLES[verdict.kind])
        for ratio in verdict.ratios:
            cells = (ratio.reference, _short(ratio.now), _short(ratio.then), _change_text(ratio.judgement))
            table.add_row(Text(verdict.case), kind, *map(Text, cells))
        if verdict.side_by_side is not None:
            cells = ("the baseline's stack, side by side", "-", "-", _change_text(verdict.side_by_side))
            table.add_row(Text(verdict.case), kind, *map(Text, cells))
        if not verdict.ratios and verdict.side_by_side is None:
            table.add_row(Text(verdict.case), kind, *map(Text, "----"))
    return table


def _by_how_much(verdict: Verdict) -> str:
    judgements = [verdict.side_by_side, *(ratio.judgement for ratio in verdict.ratios)]
    changes = [j.change for j in judgements if j and j.kind == verdict.kind and j.change]
    return (
        f" by {abs(changes[0].ratio - 1):.1%}"
        if changes and verdict.kind in {"regressed", "improved", "drifted"}
        else ""
    )


def _change_text(judgement: Judgement) -> str:
    return change_text(judgement.change.ratio, *judgement.change.interval()) if judgement.change else "-"


def _short(estimate: Estimate | None) -> str:
    return f"{estimate.speedup:.2f}" if estimate else "-"


def listed(names: Sequence[str], most: int = SHOWN_NAMES) -> str:
    """Return a number of cases with their names, at most `most` of them."""
    return f"{counted(len(names), 'case')}: {first_of(names, most)}" if most else counted(len(names), "case")


def first_of(names: Sequence[str], most: int) -> str:
    """Return the first names, at most `most` of them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
