"""Verdicts for people: what a regressed case says, the table at the end, and what is stored of each."""

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

_STYLES: Mapping[str, str] = {
    "regressed": "bold red",
    "drifted": "bold red",
    "improved": "green",
    "inconclusive": "yellow",
    "invalid": "yellow",
}
# More names than these say no more on a terminal; the run's file holds every case.
SHOWN_NAMES = 20
# More invocations of a case than this are no advice: they would take hours.
MOST_INVOCATIONS = 100


def verdict_lines(verdict: Verdict, judging: Judge, command: str) -> list[str]:
    """What a person needs in ten seconds: the case, then and now, how sure, what else changed, and how to reproduce it.

    `command` is the command line that runs the case alone.
    """
    lines = [f"{verdict.case}: {verdict.kind}{_by_how_much(verdict)}: {verdict.reason}"]
    if verdict.side_by_side is not None:
        lines.append(f"  side by side with the baseline's stack: {_change_text(verdict.side_by_side)}")
        lines += [f"    except that it had {missing}" for missing in verdict.missing]
    for ratio in verdict.ratios:
        lines.append(f"  over {ratio.reference}: now {estimate_text(ratio.now)}, then {estimate_text(ratio.then)}")
        if ratio.judgement.change is not None:
            lines.append(f"    change, with the variance between sessions: {_change_text(ratio.judgement)}")
    if verdict.latency_ratio is not None:
        lines.append(f"  latency now over then, on this same machine: {verdict.latency_ratio:.3f} (not judged)")
    if judging.name:
        lines.append(f"  baseline: {judging.name}, {judging.comparisons} comparisons in this run")
    lines += [f"  changed: {change}" for change in [*verdict.changes, *judging.settings_changed]]
    return [*lines, f"  alone: {command}"]


def print_verdicts(judged: RunVerdicts, judging: Judge, selected: Sequence[str], console: Console) -> None:
    """Print what was said of each case that is not `ok`, how many of each verdict there are, and what the run would
    have seen. Nothing that was selected and not judged, and nothing that only the baseline holds, is left unsaid.
    `selected` holds case names.
    """
    verdicts = list(judged.verdicts.values())
    for line in judging.lines():
        say(console, line)
    shown = [v for v in verdicts if v.kind not in {"ok", "no-baseline"}]
    if shown:
        console.print(_table(shown))
    for line in _reasons(verdicts):
        say(console, line)
    latencies = [v.latency_ratio for v in verdicts if v.latency_ratio is not None]
    if latencies:
        text = f"{median(latencies):.3f} in the middle, {min(latencies):.3f} to {max(latencies):.3f}"
        say(console, f"Latency now over then, on this same machine: {text}; not judged.")
    only_then = judging.only_then(selected)
    if only_then:
        say(console, f"Only in the baseline: {_listed(only_then)}")
    for group in judged.together:
        say(console, f"Together, {group.text}; {group.judgement.kind}.")
    for line in _limits(verdicts):
        say(console, line)
    counts = Counter(verdict.kind for verdict in verdicts)
    say(console, "Verdicts: " + (", ".join(f"{counts[k]} {k}" for k in reversed(GRAVITY) if counts[k]) or "none") + ".")


def _reasons(verdicts: Sequence[Verdict]) -> list[str]:
    """Why cases are not `ok`, and what changed in those that are, each reason once with the cases that it holds for."""
    groups: dict[tuple[str, str], list[str]] = {}
    for verdict in verdicts:
        if verdict.kind != "ok":
            groups.setdefault((verdict.kind, _why(verdict)), []).append(verdict.case)
        elif verdict.changes:
            lacking = f"; what ran beside it had {'; '.join(verdict.missing)}" if verdict.missing else ""
            groups.setdefault(("ok", f"changed: {'; '.join(verdict.changes)}{lacking}"), []).append(verdict.case)
    return [f"{kind}: {why}: {_listed(names)}" for (kind, why), names in groups.items()]


def _limits(verdicts: Sequence[Verdict]) -> list[str]:
    """The smallest losses that this run would have called: of builds side by side, and of the machine."""
    lines = []
    sides = {
        "A loss": [v for v in verdicts if v.side_by_side is not None],
        "Of the machine, a drift": [v for v in verdicts if v.side_by_side is None and v.kind in {"ok", "drifted"}],
    }
    for what, found in sides.items():
        rests = [(v.deciding, v.case) for v in found if v.deciding and v.deciding.smallest_loss is not None]
        seen = sorted((judgement.smallest_loss or 0.0, case) for judgement, case in rests)
        if seen:
            middle, (worst, case) = median([loss for loss, _ in seen]), seen[-1]
            twice = median([judgement.with_twice or 0.0 for judgement, _ in rests])
            most = f"; {case}: {worst:.1%}" if worst > middle else ""
            lines.append(
                f"{what} of {middle:.1%} would have been seen in 95 of 100 such runs{most}. With twice as many "
                f"invocations: {twice:.1%}."
            )
    if sides["Of the machine, a drift"] and not sides["A loss"]:
        lines.append("Nothing ran another stack than the baseline's: no build was compared with another one.")
    return lines


def estimate_text(estimate: Estimate | None) -> str:
    """A speedup with its 95 % interval and how much it rests on, such as "4.52 [4.47, 4.58] (10 invocations)"."""
    if estimate is None:
        return "-"
    interval = f" [{estimate.low:.2f}, {estimate.high:.2f}]" if estimate.low and estimate.high else ""
    plural = "" if estimate.invocations == 1 else "s"
    return f"{estimate.speedup:.2f}{interval} ({estimate.invocations} invocation{plural})"


def _table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("Case", "Verdict", "Over", "Now", "Then", "Change [95 % interval]"):
        table.add_column(name, overflow="fold")
    for verdict in verdicts:
        kind = Text(verdict.kind, _STYLES[verdict.kind])
        for ratio in verdict.ratios:
            cells = (ratio.reference, _short(ratio.now), _short(ratio.then), _change_text(ratio.judgement))
            table.add_row(Text(verdict.case), kind, *map(Text, cells))
        if verdict.side_by_side is not None:
            cells = ("the baseline's stack, side by side", "-", "-", _change_text(verdict.side_by_side))
            table.add_row(Text(verdict.case), kind, *map(Text, cells))
        if not verdict.ratios and verdict.side_by_side is None:
            table.add_row(Text(verdict.case), kind, *map(Text, "----"))
    return table


def _why(verdict: Verdict) -> str:
    """A verdict's reason, with what would decide it."""
    needed = verdict.side_by_side.needed if verdict.side_by_side else None
    if verdict.kind != "inconclusive" or needed is None:
        return verdict.reason
    if needed > MOST_INVOCATIONS:
        return f"{verdict.reason}. On a machine as noisy as this no practical number of invocations would decide it"
    return f"{verdict.reason}. {needed} invocations would decide it: --perf-invocations={needed}"


def _by_how_much(verdict: Verdict) -> str:
    judgements = [verdict.side_by_side, *(ratio.judgement for ratio in verdict.ratios)]
    changes = [j.change for j in judgements if j and j.kind == verdict.kind and j.change]
    return (
        f" by {abs(changes[0].ratio - 1):.1%}"
        if changes and verdict.kind in {"regressed", "improved", "drifted"}
        else ""
    )


def _change_text(judgement: Judgement) -> str:
    if judgement.change is None:
        return "-"
    low, high = judgement.change.interval()
    return f"{judgement.change.ratio - 1:+.1%} [{low - 1:+.1%}, {high - 1:+.1%}]"


def _short(estimate: Estimate | None) -> str:
    return f"{estimate.speedup:.2f}" if estimate else "-"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN_NAMES])
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"{len(names)} case{'s' * (len(names) > 1)}: {shown}{more}"
