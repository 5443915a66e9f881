"""Verdicts for people: what a regressed case says, the table at the end, and what is stored of each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from perf.judge.speedup import Estimate
from perf.judge.statistics import median
from perf.judge.verdict import Judgement
from perf.report.console import say
from perf.runs.gate import GRAVITY, Gate, Verdict

_STYLES: Mapping[str, str] = {
    "regressed": "bold red",
    "improved": "green",
    "inconclusive": "yellow",
    "invalid": "yellow",
}
# More names than these say no more on a terminal; the run's file holds every case.
SHOWN_NAMES = 20


def verdict_lines(verdict: Verdict, gate: Gate | None, command: str) -> list[str]:
    """What a person needs in ten seconds: the case, then and now, how sure, what else changed, and how to reproduce it.

    `command` is the command line that runs the case alone.
    """
    lines = [f"{verdict.case}: {verdict.kind}{_by_how_much(verdict)}: {verdict.reason}"]
    for ratio in verdict.ratios:
        lines.append(f"  over {ratio.reference}: now {estimate_text(ratio.now)}, then {estimate_text(ratio.then)}")
        if ratio.judgement.change is not None:
            lines.append(f"    change {_change_text(ratio.judgement)}: {ratio.judgement.kind}")
        if ratio.judgement.kind == "inconclusive" == verdict.kind:
            lines.append(f"    {_budget(ratio.judgement)}")
    if verdict.beside is not None:
        lines.append(f"  side by side with {verdict.beside_wheel}, the baseline's: {_change_text(verdict.beside)}")
    if verdict.latency_ratio is not None:
        lines.append(f"  latency now over then, on this same machine: {verdict.latency_ratio:.3f} (told, not judged)")
    if gate is not None:
        lines.append(f"  baseline: {gate.name}, {gate.comparisons} comparisons in this run")
        changes = [*gate.changes, *verdict.changes]
        lines += [f"  changed since then: {change}" for change in changes or ["nothing that is recorded"]]
    return [*lines, f"  alone: {command}"]


def print_verdicts(verdicts: Sequence[Verdict], gate: Gate | None, selected: Sequence[str], console: Console) -> None:
    """Print what was said of each case that is not `ok`, and how many of each verdict there are. Nothing that was
    selected and not judged, and nothing that only the baseline holds, is left unsaid. `selected` holds case names.
    """
    if gate is not None:
        when = f", stored {gate.baseline.datetime[:16]}" if gate.baseline else ""
        say(console, f"Judged by {gate.name}{when}.")
        for change in gate.changes:
            say(console, f"changed since then: {change}")
    shown = [v for v in verdicts if v.kind not in {"ok", "no-baseline"}]
    if shown:
        console.print(_table(shown))
    reasons = {
        (v.kind, _why(v)): [w.case for w in verdicts if (w.kind, _why(w)) == (v.kind, _why(v))] for v in verdicts
    }
    for (kind, why), names in reasons.items():
        if kind != "ok":
            say(console, f"{kind}: {why}: {_listed(names)}")
    latencies = [v.latency_ratio for v in verdicts if v.latency_ratio is not None]
    if latencies:
        told = f"{median(latencies):.3f} in the middle, {min(latencies):.3f} to {max(latencies):.3f}"
        say(console, f"Latency now over then, on this same machine: {told}; told, not judged.")
    only_then = gate.only_then(selected) if gate else []
    if only_then:
        say(console, f"Only in the baseline: {_listed(only_then)}")
    counts = Counter(verdict.kind for verdict in verdicts)
    say(console, "Verdicts: " + (", ".join(f"{counts[k]} {k}" for k in reversed(GRAVITY) if counts[k]) or "none") + ".")


def verdict_record(verdict: Verdict) -> dict[str, Any]:
    """What is stored of a verdict, as plain JSON values."""
    return {
        "kind": verdict.kind,
        "reason": verdict.reason,
        "latency_ratio": verdict.latency_ratio,
        "beside": None if verdict.beside is None else _change_record(verdict.beside),
        "ratios": [
            {
                "reference": ratio.reference,
                "kind": ratio.judgement.kind,
                "reason": ratio.judgement.reason,
                "now": ratio.now.speedup if ratio.now else None,
                "then": ratio.then.speedup if ratio.then else None,
                **_change_record(ratio.judgement),
            }
            for ratio in verdict.ratios
        ],
    }


def estimate_text(estimate: Estimate | None) -> str:
    """A speedup with its 95 % interval and how much it rests on, such as "4.52 [4.47, 4.58] (10 invocations)"."""
    if estimate is None:
        return "-"
    interval = f" [{estimate.low:.2f}, {estimate.high:.2f}]" if estimate.low and estimate.high else ""
    plural = "" if estimate.observations == 1 else "s"
    return f"{estimate.speedup:.2f}{interval} ({estimate.observations} invocation{plural})"


def _table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("Case", "Verdict", "Over", "Now", "Then", "Change [95 % interval]"):
        table.add_column(name, overflow="fold")
    for verdict in verdicts:
        kind = Text(verdict.kind, _STYLES[verdict.kind])
        for ratio in verdict.ratios:
            cells = (ratio.reference, _short(ratio.now), _short(ratio.then), _change_text(ratio.judgement))
            table.add_row(Text(verdict.case), kind, *map(Text, cells))
        if verdict.beside is not None:
            cells = (f"{verdict.beside_wheel}, side by side", "-", "-", _change_text(verdict.beside))
            table.add_row(Text(verdict.case), kind, *map(Text, cells))
        if not verdict.ratios:
            table.add_row(Text(verdict.case), kind, *map(Text, "----"))
    return table


def _why(verdict: Verdict) -> str:
    """A verdict's reason, with what would settle it."""
    if verdict.kind != "inconclusive":
        return verdict.reason
    judgements = [verdict.beside, *(ratio.judgement for ratio in verdict.ratios)]
    return f"{verdict.reason}. {_budget(next(j for j in judgements if j and j.kind == 'inconclusive'))}"


def _by_how_much(verdict: Verdict) -> str:
    judgements = [verdict.beside, *(ratio.judgement for ratio in verdict.ratios)]
    changes = [j.change for j in judgements if j and j.kind == verdict.kind and j.change]
    return f" by {abs(changes[0].ratio - 1):.1%}" if changes and verdict.kind in {"regressed", "improved"} else ""


def _change_text(judgement: Judgement) -> str:
    if judgement.change is None:
        return "-"
    low, high = judgement.change.interval()
    return f"{judgement.change.ratio - 1:+.1%} [{low - 1:+.1%}, {high - 1:+.1%}]"


def _change_record(judgement: Judgement) -> dict[str, float | None]:
    if judgement.change is None:
        return {"change": None, "change_low": None, "change_high": None}
    low, high = judgement.change.interval()
    return {"change": judgement.change.ratio, "change_low": low, "change_high": high}


def _budget(judgement: Judgement) -> str:
    if judgement.needed is None:
        return "More invocations here would not settle it: the baseline has too few"
    return f"About {judgement.needed} invocations would settle it: --perf-invocations={judgement.needed}"


def _short(estimate: Estimate | None) -> str:
    return f"{estimate.speedup:.2f}" if estimate else "-"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN_NAMES])
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"{len(names)} case{'s' * (len(names) > 1)}: {shown}{more}"
