"""The properties of a measured item: its figures and its verdict for JUnit XML and any other reporter of pytest."""

from collections.abc import Iterator

from perf.runs.judges import Judge
from perf.runs.record import CaseRecord
from perf.runs.verdict import Verdict

# What stands for the verdict of an item that has none.
NOT_JUDGED = "not judged"
# Before the name of each property: other plugins have properties too.
PREFIX = "perf_"
Property = tuple[str, str | float]


def properties_of(record: CaseRecord | None, verdict: Verdict | None, judge: Judge) -> list[Property]:
    """Return the properties of an item: names and values, without those that it does not have.

    record: its record; None when it was not measured.
    verdict: its verdict; None when it was not judged.
    judge: what judged it.
    """
    properties = [("verdict", verdict.kind if verdict else NOT_JUDGED), *_figures(record, verdict)]
    if verdict and verdict.reason:
        properties.append(("reason", verdict.reason))
    if record and record.name in judge.marked:
        properties.append(("tolerance", judge.marked[record.name].text))
    if judge.name:
        properties.append(("baseline", judge.name))
    return [(PREFIX + name, value) for name, value in properties if value is not None]


def _figures(record: CaseRecord | None, verdict: Verdict | None) -> Iterator[tuple[str, str | float | None]]:
    """Yield the ratio with its interval, the baseline's, and the change with its interval, by their names in JSON."""
    if record is not None and record.ratio is not None:
        name = "speedup" if record.speedup else "efficiency"
        yield from ((name, record.ratio.value), (f"{name}_low", record.ratio.low), (f"{name}_high", record.ratio.high))
        # Of the same reference as the ratio itself: another one, such as mkl-fp32, is in the verdict for mkl-int8.
        then = [ratio.then for ratio in (verdict.ratios if verdict else ()) if ratio.reference == record.reference]
        yield f"baseline_{name}", then[0].speedup if then and then[0] else None
    change = verdict.deciding.change if verdict and verdict.deciding else None
    if change is not None and change.known:
        low, high = change.interval()
        yield from (("change", change.ratio), ("change_low", low), ("change_high", high))
