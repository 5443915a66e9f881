"""What is said of a case: its verdict, and what is stored of it."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from perf.judge.judgement import Judgement, VerdictKind
from perf.judge.speedup import Estimate

# A case's verdict is the gravest of its ratios' verdicts.
GRAVITY: tuple[VerdictKind, ...] = ("ok", "improved", "no-baseline", "inconclusive", "invalid", "drifted", "regressed")
# Verdicts that say nothing about a case.
UNJUDGED: frozenset[VerdictKind] = frozenset({"no-baseline", "inconclusive", "invalid"})
FAILING: frozenset[VerdictKind] = frozenset({"regressed", "drifted"})


def fails(kind: VerdictKind, *, strict: bool) -> bool:
    """Whether a case with this verdict fails; `strict` wants every case judged."""
    return kind in FAILING or (strict and kind in UNJUDGED)


@dataclass(frozen=True)
class Ratio:
    """One judged ratio of a case: its speedup over `reference`, now and then."""

    reference: str
    judgement: Judgement
    now: Estimate | None
    then: Estimate | None


class ChangeRecord(msgspec.Struct, frozen=True):
    """A change of a ratio, now over then, with its 95 % interval; null when nothing is known of it."""

    change: Annotated[float | None, Meta(description="ratio now over then")] = None
    change_low: Annotated[float | None, Meta(description="lower end of its 95 % interval")] = None
    change_high: Annotated[float | None, Meta(description="upper end of its 95 % interval")] = None


class RatioRecord(ChangeRecord, frozen=True, kw_only=True):
    """One judged ratio."""

    reference: Annotated[str, Meta(description="variant that the speedup refers to")]
    kind: Annotated[VerdictKind, Meta(description="verdict on this ratio")]
    reason: Annotated[str, Meta(description="why")]
    now: Annotated[float | None, Meta(description="speedup now")]
    then: Annotated[float | None, Meta(description="speedup in the baseline")]


class VerdictRecord(msgspec.Struct, frozen=True, rename={"side_by_side": "beside"}):
    """What is stored of a verdict."""

    kind: Annotated[VerdictKind, Meta(description="verdict")]
    reason: Annotated[str, Meta(description="why")]
    latency_ratio: Annotated[float | None, Meta(description="latency now over then, where the two can be compared")]
    changes: Annotated[tuple[str, ...], Meta(description="what differs from the baseline's stack")]
    missing: Annotated[tuple[str, ...], Meta(description="what of the baseline's stack could not run side by side")]
    smallest_loss: Annotated[float | None, Meta(description="smallest loss that 95 of 100 such runs would have called")]
    side_by_side: Annotated[ChangeRecord | None, Meta(description="change side by side with the baseline's stack")]
    ratios: Annotated[tuple[RatioRecord, ...], Meta(description="change of each stored ratio")]


@dataclass(frozen=True)
class Verdict:
    """What is said of a case, with its reason. `side_by_side` is the judgement of the measurement side by side with the
    baseline's stack, where there was one. `latency_ratio` is the latency now over the latency then, where the two can
    be compared: on the same machine with the same settings. `changes` is what differs from the baseline's stack,
    `missing` what of that stack could not run side by side.
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
    def deciding(self) -> Judgement | None:
        """What the verdict rests on: the measurement side by side, or else the first ratio."""
        return self.side_by_side or (self.ratios[0].judgement if self.ratios else None)

    @property
    def record(self) -> VerdictRecord:
        """What is stored of it."""
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
