"""The text of a pull request that refreshes a baseline, as Markdown: one word first, then why, in few lines.

Names of cases and files, reasons and messages come from elsewhere: no Markdown in them has an effect.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from perf.errors import PerfError
from perf.judge.judgement import Judgement
from perf.judge.statistics import median
from perf.report.github.markdown import code, escaped, table
from perf.runs.acceptance import StoredBaseline
from perf.runs.groups import RunVerdicts
from perf.runs.refreshing.records import AnchorDrift, CaseDrift
from perf.runs.schema import StoredRun
from perf.runs.verdict import GRAVITY, Verdict
from perf.wording import counted, uv

# A pull request's text longer than this is not read.
MOST_LINES = 60
# Rows of a table, and entries of a list, before "and N more": all parts together stay within the limit.
SHOWN = 5
# Characters of a message that are shown: it names up to five cases, each with its reason.
LONGEST_MESSAGE = 1000
# Changes of less than this, as a fraction, are shown as none.
ROUNDED = 5e-4


@dataclass(frozen=True)
class Refresh:
    """What a pull request says about a refreshed baseline.

    run: the run that was to be stored.
    baseline: the file name of the last accepted run; None for the first run of a class.
    judged: the verdicts on the run by that one.
    drift: the drift since the anchor; None without an anchor.
    stored: the run as it was stored; None when it was refused.
    problem: why it was refused; None when it was stored.
    """

    run: StoredRun
    baseline: str | None
    judged: RunVerdicts
    drift: AnchorDrift | None
    stored: StoredBaseline | None
    problem: PerfError | None


def body_of(refresh: Refresh) -> str:
    """Return the text, at most `MOST_LINES` lines."""
    sections = (_outcome, _comparisons, _worst, _sources, _accepted)
    return "\n".join(line for section in sections for line in section(refresh)) + "\n"


def _outcome(refresh: Refresh) -> Iterator[str]:
    machine_class = code(refresh.run.perf.machine_class)
    if refresh.stored:
        cases = counted(refresh.stored.cases, "case")
        yield f"**stored**: {code(refresh.stored.path.name)} is the new baseline of {machine_class} ({cases})."
    if refresh.problem:
        yield f"**refused**: {machine_class} keeps its baseline."
        yield ""
        yield from (f"- {escaped(line, LONGEST_MESSAGE)}" for line in str(refresh.problem).splitlines()[:SHOWN])
    yield ""


def _comparisons(refresh: Refresh) -> Iterator[str]:
    if refresh.baseline is None:
        yield "It is the first stored run of its class: nothing judged it, and it is the anchor of later ones."
    else:
        counts = Counter(verdict.kind for verdict in refresh.judged.verdicts.values())
        verdicts = ", ".join(f"{counts[kind]} {kind}" for kind in reversed(GRAVITY) if counts[kind]) or "no verdicts"
        yield f"- By the last accepted run, {code(refresh.baseline)}: {verdicts}."
    if refresh.drift:
        known = [case.change for case in refresh.drift.cases.values() if case.change is not None]
        unknown = len(refresh.drift.cases) - len(known)
        middle = _percent(median(known)) if known else "unknown"
        text = f"- Sum of drift since the anchor, {code(refresh.drift.anchor)}: median {middle}"
        text += f", range {_percent(min(known))} to {_percent(max(known))}" if known else ""
        yield text + (f"; unknown for {counted(unknown, 'case')}" if unknown else "") + "."
    yield ""


def _worst(refresh: Refresh) -> Iterator[str]:
    """Yield a table of the cases with the gravest verdicts, then of those that lost most since the anchor."""
    drifts = refresh.drift.cases if refresh.drift else {}

    def place(verdict: Verdict) -> tuple[int, float]:
        drift = drifts.get(verdict.case)
        return -GRAVITY.index(verdict.kind), (drift.change if drift and drift.change is not None else 1.0)

    verdicts = sorted(refresh.judged.verdicts.values(), key=place)
    if not verdicts:
        return
    rows = [
        (code(verdict.case), verdict.kind, _change(verdict.deciding), _drift(drifts.get(verdict.case)))
        for verdict in verdicts[:SHOWN]
    ]
    yield from table(("Case", "Verdict", "Change [95 % interval]", "Since the anchor [95 % interval]"), rows)
    yield ""
    if len(verdicts) > SHOWN:
        yield from (f"And {counted(len(verdicts) - SHOWN, 'more case', 'more cases')}, none of a graver verdict.", "")


def _sources(refresh: Refresh) -> Iterator[str]:
    sources = refresh.run.perf.sources
    if not sources:
        return
    yield f"Built from {counted(len(sources), 'session')}; each case comes from the one in the middle:"
    yield ""
    rows = [(code(s.file), code(s.datetime[:16]), str(len(s.cases)), code(s.sha256[:16])) for s in sources[-SHOWN:]]
    yield from table(("Session", "Ended", "Cases", "SHA-256"), rows)
    yield ""
    if len(sources) > SHOWN:
        yield from (f"And {counted(len(sources) - SHOWN, 'older session')}.", "")


def _accepted(refresh: Refresh) -> Iterator[str]:
    if refresh.stored is None:
        return
    accepted = refresh.stored.accepted
    if accepted and accepted.verdicts:
        yield f"Accepted for the reason '{escaped(accepted.reason)}':"
        yield ""
        yield from _listed([f"{name}: {why}" for name, why in accepted.verdicts.items()])
    if accepted and accepted.dropped:
        yield f"Dropped from {code(accepted.baseline)}:"
        yield ""
        yield from _listed(accepted.dropped)
    if refresh.stored.left_out:
        yield "Left out:"
        yield ""
        yield from _listed([f"{name}: {why}" for name, why in refresh.stored.left_out.items()])
    yield f"The check of this pull request judges it again: {code(f'{uv()} run mxperf check-baselines BASE_REF')}."


def _listed(entries: Sequence[str]) -> Iterator[str]:
    more = len(entries) - SHOWN
    yield from (f"- {escaped(entry)}" for entry in entries[:SHOWN])
    if more > 0:
        yield f"- and {more} more"
    yield ""


def _change(judgement: Judgement | None) -> str:
    if judgement is None or judgement.change is None:
        return "unknown"
    low, high = judgement.change.interval()
    return f"{_percent(judgement.change.ratio)} [{_percent(low)}, {_percent(high)}]"


def _drift(drift: CaseDrift | None) -> str:
    if drift is None or drift.change is None:
        return "unknown"
    if drift.low is None or drift.high is None:
        return _percent(drift.change)
    return f"{_percent(drift.change)} [{_percent(drift.low)}, {_percent(drift.high)}]"


def _percent(ratio: float) -> str:
    """Return a ratio as a change in per cent; "0.0 %" without a sign for none."""
    change = ratio - 1
    return "0.0 %" if abs(change) < ROUNDED else f"{100 * change:+.1f} %"
