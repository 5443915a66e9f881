"""The verdict on a case, and the record of it that is stored."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from perf.judge.judgement import Judgement, VerdictKind
from perf.judge.speedup import Estimate
from perf.runs.schema import RunContext

# The verdicts in the order of their gravity: a case has the gravest verdict of its ratios.
GRAVITY: tuple[VerdictKind, ...] = ("ok", "improved", "no-baseline", "inconclusive", "invalid", "drifted", "regressed")
# What each verdict means, as a sentence.
MEANINGS: dict[VerdictKind, str] = {
    "ok": "Another stack than the baseline's: within the tolerance, and a larger change is excluded. The same stack: "
    "no drift beyond the tolerance and the variance between sessions.",
    "improved": "Significantly faster, by more than the tolerance, than the baseline's stack measured side by side: "
    "the baseline is out of date.",
    "no-baseline": "The stored run does not contain the case, or there is no stored run.",
    "inconclusive": "Another stack, and the measurement cannot distinguish a loss from noise; or a decisive part "
    "of the baseline's stack (wheel, program, variables, job) could not be measured side by side.",
    "invalid": "It cannot be judged: it has no result, wrong answers, no undisturbed measurement, or another reference "
    "than the baseline.",
    "drifted": "The same stack, and a speedup significantly beyond the tolerance and the variance between sessions: "
    "the machine changed, not a build.",
    "regressed": "Significantly slower, by more than the tolerance, than the baseline's stack measured side by side.",
}
# Verdicts that leave open whether a case lost speed; they fail with --perf-strict.
UNJUDGED: frozenset[VerdictKind] = frozenset({"no-baseline", "inconclusive", "invalid"})
# Verdicts that fail the test of a case.
FAILING: frozenset[VerdictKind] = frozenset({"regressed", "drifted"})


def fails(kind: VerdictKind, *, strict: bool) -> bool:
    """Return whether a case with this verdict fails; with `strict`, every case must be judged."""
    return kind in FAILING or (strict and kind in UNJUDGED)


@dataclass(frozen=True)
class Ratio:
    """One ratio of a case: the `judgement` on its speedup over the variant `reference`, with the estimates `now` and
    `then` (in the baseline); None where there was no undisturbed measurement.
    """

    reference: str
    judgement: Judgement
    now: Estimate | None
    then: Estimate | None


class ChangeRecord(msgspec.Struct, frozen=True):
    """A change of a ratio with its 95 % interval; null when it is unknown."""

    change: Annotated[float | None, Meta(description="ratio now, divided by the ratio then; below 1 is slower")] = None
    change_low: Annotated[float | None, Meta(description="lower end of the 95 % interval")] = None
    change_high: Annotated[float | None, Meta(description="upper end of the 95 % interval")] = None


class RatioRecord(ChangeRecord, frozen=True, kw_only=True):
    """A judged ratio of a case."""

    reference: Annotated[str, Meta(description="reference variant of the ratio")]
    kind: Annotated[VerdictKind, Meta(description="verdict on the ratio alone")]
    reason: Annotated[str, Meta(description="reason for the verdict; empty for `ok`")]
    now: Annotated[
        float | None, Meta(description="speedup, or scaling efficiency, now; null without an undisturbed measurement")
    ]
    then: Annotated[float | None, Meta(description="the same in the baseline")]


class VerdictRecord(msgspec.Struct, frozen=True, rename={"side_by_side": "beside"}):
    """The verdict on a case."""

    kind: Annotated[VerdictKind, Meta(description="the verdict")]
    reason: Annotated[str, Meta(description="reason for the verdict")]
    latency_ratio: Annotated[
        float | None,
        Meta(description="latency now, divided by the latency then; null unless machine and settings are the same"),
    ]
    changes: Annotated[
        tuple[str, ...], Meta(description="differences from the baseline's stack, as `field: then -> now`")
    ]
    missing: Annotated[tuple[str, ...], Meta(description="differences of the baseline arm from the baseline's stack")]
    smallest_loss: Annotated[
        float | None, Meta(description="smallest loss, as a fraction, that 95 of 100 such runs would detect")
    ]
    side_by_side: Annotated[
        ChangeRecord | None,
        Meta(description="change measured side by side with the baseline's stack; null without such a measurement"),
    ]
    ratios: Annotated[tuple[RatioRecord, ...], Meta(description="the judged ratios")]


class _Judged(msgspec.Struct, frozen=True):
    """The part of a stored case that says how it was judged."""

    workload: str
    variant: str
    verdict: VerdictRecord | None = None


class _JudgedBenchmark(msgspec.Struct, frozen=True):
    extra_info: _Judged


class JudgedRun(msgspec.Struct, frozen=True):
    """A run as far as it says how its cases were judged: `datetime` is when it ended, `perf` its context, and
    `benchmarks` are its cases.
    """

    datetime: str
    perf: RunContext
    benchmarks: list[_JudgedBenchmark]

    @property
    def kinds(self) -> dict[str, VerdictKind | None]:
        """The verdict on each case by its name, such as "resnet50_v1-b8-mkl-int8"; None when it was not judged."""
        cases = [benchmark.extra_info for benchmark in self.benchmarks]
        return {f"{case.workload}-{case.variant}": case.verdict.kind if case.verdict else None for case in cases}


@dataclass(frozen=True)
class Verdict:
    """The verdict on the case named `case`: its `kind`, with the `reason`.

    `ratios` are its judged ratios. `side_by_side` is the judgement of the measurement side by side with the baseline's
    stack, if there was one. `latency_ratio` is the latency now divided by the latency then; None unless machine and
    settings are the same. `changes` are the differences from the baseline's stack, and `missing` the differences of the
    baseline arm from it.
    """

    case: str
    kind: VerdictKind
    reason: str
    ratios: tuple[Ratio, ...] = ()
    side_by_side: Judgement | None = None
    latency_ratio: float | None = None
    changes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def gravest(self) -> Ratio | None:
        """The ratio with the gravest judgement, the first among equals; None without one."""
        return max(self.ratios, key=lambda ratio: GRAVITY.index(ratio.judgement.kind), default=None)

    @property
    def deciding(self) -> Judgement | None:
        """The judgement that the verdict is based on: the one side by side, or else that of the gravest ratio."""
        return self.side_by_side or (self.gravest.judgement if self.gravest else None)

    @property
    def record(self) -> VerdictRecord:
        """The record that is stored."""
        return VerdictRecord(
            kind=self.kind,
            reason=self.reason,
            latency_ratio=self.latency_ratio,
            changes=self.changes,
            missing=self.missing,
            smallest_loss=self.deciding.smallest_loss if self.deciding else None,
            side_by_side=ChangeRecord(*_change(self.side_by_side)) if self.side_by_side else None,
            ratios=tuple(map(_ratio_record, self.ratios)),
        )


def _ratio_record(ratio: Ratio) -> RatioRecord:
    change, low, high = _change(ratio.judgement)
    return RatioRecord(
        reference=ratio.reference,
        kind=ratio.judgement.kind,
        reason=ratio.judgement.reason,
        now=ratio.now.speedup if ratio.now else None,
        then=ratio.then.speedup if ratio.then else None,
        change=change,
        change_low=low,
        change_high=high,
    )


def _change(judgement: Judgement) -> tuple[float | None, float | None, float | None]:
    if judgement.change is None:
        return None, None, None
    return judgement.change.ratio, *judgement.change.interval()
