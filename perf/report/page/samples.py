"""The samples of a case over invocations and blocks, so that a drift within the session shows."""

import math
from collections.abc import Iterable, Iterator, Sequence

from perf.judge.statistics import median
from perf.measure.stacks import OF_BASELINE
from perf.report.page.data import Blocks, Series
from perf.report.page.source import ReportedCase
from perf.runs.schema import MOST_LOG_RATIO
from perf.runs.session.slots import InvocationSlots

ARM = "the baseline's stack, side by side"
# Significant digits of a block in the page: a picture shows no more.
DIGITS = 4


def samples_of(now: ReportedCase, then: ReportedCase | None) -> Iterator[Series]:
    """Yield the samples of a case by what it is compared with; `then` is the case in the baseline."""
    values = now.side_by_side.values if now.side_by_side else []
    blocks = _blocks(now, now.variant + OF_BASELINE)
    if values or blocks:
        yield Series(ARM, _ratios(values), [], [], blocks)
    for reference, sample in now.samples.items():
        before = then.samples.get(reference) if then else None
        yield Series(
            reference,
            _ratios(sample.typical),
            [reference_s / case_s for reference_s, case_s in sample.floors],
            _ratios(before.typical) if before else [],
            _blocks(now, reference),
        )


def latencies_of(now: ReportedCase) -> Series | None:
    """Return the latencies of a case in ms by invocation and block; None where they are not recorded."""
    measured = [(one, one.latencies_s[now.variant]) for one in now.slots if one.latencies_s.get(now.variant)]
    blocks = [_of_invocation(one, [None if s is None else 1e3 * s for s in values]) for one, values in measured]
    if not blocks:
        return None
    typical = [median(_undisturbed(block.values, block.disturbed)) for block in blocks if block.counts]
    return Series("latency", typical, [], [], blocks)


def _blocks(now: ReportedCase, over: str) -> list[Blocks]:
    """Return the ratios of the invocations that measured a case and what it is compared with."""
    logs = [(one, one.log_ratios(over, now.variant)) for one in now.slots]
    return [
        _of_invocation(one, [None if log is None else _ratio(log) for log in values])
        for one, values in logs
        if any(log is not None for log in values)
    ]


def _of_invocation(one: InvocationSlots, values: Sequence[float | None]) -> Blocks:
    rounded = [None if value is None else float(f"{value:.{DIGITS}g}") for value in values]
    # As in a case's samples: disturbed invocations and blocks do not count.
    counts = not one.disturbed and any(_undisturbed(rounded, one.disturbed_blocks))
    return Blocks(one.confirmation, counts, rounded, one.disturbed_blocks)


def _undisturbed(values: Sequence[float | None], disturbed: Sequence[int]) -> list[float]:
    return [value for number, value in enumerate(values, start=1) if value is not None and number not in disturbed]


def _ratios(logs: Iterable[float]) -> list[float]:
    return [_ratio(log) for log in logs]


def _ratio(log: float) -> float:
    """Return a ratio from its logarithm; an impossible one, in a damaged file, as the largest possible ratio."""
    return math.exp(min(max(log, -MOST_LOG_RATIO), MOST_LOG_RATIO))
