"""All cases of a variant together: what slows every one of many is seen where no single one is sure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from perf.judge.change import Change
from perf.judge.judgement import Judgement, judge_group
from perf.runs.schema import StoredCase
from perf.runs.sessions import SessionVariances
from perf.runs.tolerances import Tolerances
from perf.runs.verdict import Verdict

# Fewer cases than these are no group.
LEAST_CASES = 3


@dataclass(frozen=True)
class CaseGroup:
    """The median change of the cases of a family's variant over a reference, judged as one."""

    name: str
    cases: tuple[str, ...]
    judgement: Judgement

    @property
    def text(self) -> str:
        """The change in words, such as "8 cases of cnn, mkl-int8 over native-fp32: -1.2 % [-6.0 %, +3.9 %]"."""
        change = self.judgement.change
        if change is None:
            return f"{len(self.cases)} cases of {self.name}: not known"
        low, high = change.interval()
        return f"{len(self.cases)} cases of {self.name}: {change.ratio - 1:+.1%} [{low - 1:+.1%}, {high - 1:+.1%}]"


@dataclass(frozen=True)
class RunVerdicts:
    """What is said of the cases of a run: verdicts by case name, and of those of the baseline's stack together."""

    verdicts: Mapping[str, Verdict]
    together: tuple[CaseGroup, ...] = ()


def judge_groups(
    cases: Sequence[StoredCase], verdicts: Mapping[str, Verdict], sessions: SessionVariances, tolerances: Tolerances
) -> RunVerdicts:
    """The verdicts, with `drifted` for each `ok` case of a group that drifted. Only ratios between the same stacks
    count, of cases that nothing ran beside.
    """
    groups = defaultdict[tuple[str, str, str], dict[str, Change]](dict)
    for case in cases:
        verdict = verdicts.get(case.name)
        if verdict is None or verdict.side_by_side is not None:
            continue
        for ratio in verdict.ratios:
            if ratio.judgement.change is not None:
                key = (case.family, case.variant, ratio.reference)
                groups[key][case.name] = ratio.judgement.change
    large = {key: changes for key, changes in groups.items() if len(changes) >= LEAST_CASES}
    together = tuple(
        CaseGroup(
            f"{family}, {variant} over {reference}",
            tuple(changes),
            judge_group(
                list(changes.values()),
                sessions.priors[family],
                tolerances.of(family, ""),
                len(large),
            ),
        )
        for (family, variant, reference), changes in large.items()
    )
    found = dict(verdicts)
    for group in together:
        if group.judgement.kind == "drifted":
            reason = f"{group.text}: {group.judgement.reason}"
            found |= {name: _drifted(found[name], reason) for name in group.cases}
    return RunVerdicts(found, together)


def _drifted(verdict: Verdict, reason: str) -> Verdict:
    return replace(verdict, kind="drifted", reason=reason) if verdict.kind == "ok" else verdict
