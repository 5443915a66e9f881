"""The cases of a variant judged as a group: a drift of all of them is detected where no single one is significant."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from perf.judge.change import Change
from perf.judge.judgement import Judgement, judge_group
from perf.runs.schema import StoredCase
from perf.runs.tolerances import Tolerances
from perf.runs.variances import SessionVariances
from perf.runs.verdict import Verdict
from perf.wording import change_text, counted

# With fewer cases there is no group: the median of two says no more than each of them.
LEAST_CASES = 3


@dataclass(frozen=True)
class CaseGroup:
    """The cases of a family's variant with one reference, judged by their median change.

    name: which cases these are, such as "cnn, mkl-int8 over native-fp32".
    cases: their names.
    judgement: the judgement on their median change.
    """

    name: str
    cases: tuple[str, ...]
    judgement: Judgement

    @property
    def text(self) -> str:
        """Its change, as in "median change of 8 cases of cnn, mkl-int8 over native-fp32: -1.2% [-6.0%, +3.9%]"."""
        change = self.judgement.change
        text = f"median change of {counted(len(self.cases), 'case')} of {self.name}: "
        if change is None:
            return text + "unknown"
        return text + change_text(change.ratio, *change.interval())


@dataclass(frozen=True)
class RunVerdicts:
    """The verdicts on a run: `verdicts` by case name, and the `groups` of cases that ran the baseline's stacks."""

    verdicts: Mapping[str, Verdict]
    groups: tuple[CaseGroup, ...] = ()


def judge_groups(
    cases: Sequence[StoredCase], verdicts: Mapping[str, Verdict], sessions: SessionVariances, tolerances: Tolerances
) -> RunVerdicts:
    """Judge groups of cases, and change `ok` to `drifted` for each case of a group that drifted. Only ratios between
    the same stacks then and now count, of cases that were not measured side by side with the baseline's stack.
    """
    changes_of = defaultdict[tuple[str, str, str], dict[str, Change]](dict)
    for case in cases:
        verdict = verdicts.get(case.name)
        if verdict is None or verdict.side_by_side is not None:
            continue
        for ratio in verdict.ratios:
            if ratio.judgement.change is not None:
                key = (case.family, case.variant, ratio.reference)
                changes_of[key][case.name] = ratio.judgement.change
    large = {key: changes for key, changes in changes_of.items() if len(changes) >= LEAST_CASES}
    groups = tuple(
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
    final = dict(verdicts)
    for group in groups:
        if group.judgement.kind == "drifted":
            reason = f"{group.text}: {group.judgement.reason}"
            final |= {name: _drifted(final[name], reason) for name in group.cases}
    return RunVerdicts(final, groups)


def _drifted(verdict: Verdict, reason: str) -> Verdict:
    return replace(verdict, kind="drifted", reason=reason) if verdict.kind == "ok" else verdict
