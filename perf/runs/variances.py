"""The variances behind verdicts: between the invocations of a run, and between the sessions of a machine class."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from perf.judge.variance_prior import MAX_DEGREES, VariancePrior, fit_common, prior_of, sum_of_squares, variance_of
from perf.runs.schema import StoredCase, StoredRun
from perf.runs.tolerances import Tolerances
from perf.stack import build_changes
from perf.wording import counted

# With fewer stored runs, the variance between sessions is not estimated but assumed.
LEAST_RUNS = 3
# The largest standard deviation between sessions that is believed, as a multiple of the assumed one: losses that creep
# in with one stored run after another would otherwise pass for noise. A noisier class needs another assumption
# (baselines/tolerances.toml).
MOST_OF_ASSUMED = 2.0
# A case and the reference of one of its ratios.
RatioKey = tuple[str, str]


@dataclass(frozen=True)
class Priors:
    """Priors of a family's variances between invocations, from its cases in a run: `within` sessions for speedups, and
    `side_by_side` for ratios over the baseline's stack.
    """

    within: VariancePrior
    side_by_side: VariancePrior


def priors_of(cases: Iterable[StoredCase], tolerances: Tolerances) -> dict[str, Priors]:
    """Return the priors of variances by family: from its cases, or the assumed ones if these are too few."""
    families: dict[str, list[StoredCase]] = {}
    for case in cases:
        families.setdefault(case.family, []).append(case)
    priors = {}
    for family, members in families.items():
        observed = [sample.observed for case in members for sample in case.samples.values()]
        within = [(known.variance, known.degrees) for known in observed if known]
        side_by_side = [variance_of(case.side_by_side.values) for case in members if case.side_by_side]
        assumed = tolerances.assumed_of(family)
        priors[family] = Priors(
            prior_of(within, assumed.prior(assumed.invocations)),
            prior_of(side_by_side, assumed.prior(assumed.side_by_side)),
        )
    return priors


@dataclass(frozen=True)
class SessionVariances:
    """The variances of a session's own log speedup. `priors` holds them by family, `speedups` the log speedups of
    stored sessions by case and reference. `runs` is the number of stored runs that they are estimated from, for the
    case that has most; 0 when they are assumed. `largest` is the largest variance that is believed, by family. `alike`
    are the degrees of freedom that a family's variance counts for in a single ratio, by family: how much ratios differ
    in it. Those of the priors say how well the family's own is known.
    """

    priors: Mapping[str, VariancePrior]
    speedups: Mapping[RatioKey, Sequence[float]]
    runs: int
    largest: Mapping[str, float] = field(default_factory=dict)
    alike: Mapping[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The standard deviations by family, and what they are estimated from."""
        sds = ", ".join(f"{family} {math.sqrt(prior.variance):.1%}" for family, prior in self.priors.items())
        source = f"from {counted(self.runs, 'stored run')}" if self.runs else "assumed until three runs are stored"
        return f"Standard deviation between sessions: {sds} ({source})."

    def of(self, family: str, case: str, reference: str) -> VariancePrior:
        """Return the variance between sessions of one ratio: its own sessions pooled with those of its family."""
        known, speedups = self.priors[family], self.speedups.get((case, reference), ())
        prior = VariancePrior(known.variance, self.alike.get(family, known.degrees))
        pooled = prior.with_squares(sum_of_squares(speedups), max(0, len(speedups) - 1))
        return _bounded(pooled, self.largest.get(family, math.inf))


def session_variances(
    runs: Sequence[StoredRun], families: Collection[str], tolerances: Tolerances, like: StoredRun | None = None
) -> SessionVariances:
    """Return the variances between those stored sessions of one class that ran the stacks of `like`, the baseline (by
    default the last run). The assumed variance counts as a prior with its own degrees of freedom, so that three quiet
    sessions do not rule out a noisy one, and its degrees say how much ratios differ. With fewer than `LEAST_RUNS` runs
    it is used alone. A loss that a user accepted is a change, not noise: the history of that case starts with the run
    that accepted it.
    """
    speedups: dict[RatioKey, list[float]] = {}
    family_of: dict[RatioKey, str] = {}
    pattern = like or (runs[-1] if runs else None)
    for name, case in pattern.cases.items() if pattern and len(runs) >= LEAST_RUNS else ():
        for reference in case.samples:
            values = [_log_speedup(run, name, reference, like=case) for run in _since_accepted(runs, name)]
            known = [value for value in values if value is not None]
            if len(known) >= LEAST_RUNS:
                speedups[name, reference] = known
                family_of[name, reference] = case.family
    priors, largest = {}, {}
    for family in families:
        assumed = tolerances.assumed_of(family)
        default = assumed.prior(assumed.sessions)
        variances = [variance_of(values) for key, values in speedups.items() if family_of[key] == family]
        fitted = fit_common(variances, assumed.degrees)
        pooled = default.with_squares(fitted.degrees * fitted.variance, fitted.degrees)
        largest[family] = default.variance * MOST_OF_ASSUMED**2
        priors[family] = _bounded(pooled, largest[family])
    alike = {family: tolerances.assumed_of(family).degrees for family in families}
    return SessionVariances(priors, speedups, max(map(len, speedups.values()), default=0), largest, alike)


def _bounded(prior: VariancePrior, largest: float) -> VariancePrior:
    return VariancePrior(min(prior.variance, largest), min(prior.degrees, MAX_DEGREES))


def _since_accepted(runs: Sequence[StoredRun], name: str) -> Sequence[StoredRun]:
    """Return the runs from the newest one on that accepted a change of the case; all runs if none did."""
    changed = [place for place, run in enumerate(runs) if run.perf.accepted and name in run.perf.accepted.verdicts]
    return runs[changed[-1] :] if changed else runs


def _log_speedup(run: StoredRun, name: str, reference: str, like: StoredCase) -> float | None:
    """Return a run's log speedup of a case; None unless the run measured it with the stacks of `like`.

    Of a refreshed baseline, its newest session counts and no other. The session in the middle, whose samples it holds,
    varies less than a session does. And sessions of one night vary less than those of different nights.
    """
    case = run.cases.get(name)
    sample = case.samples.get(reference) if case else None
    if case is None or sample is None or sample.observed is None:
        return None
    pairs = (case.stack, like.stack), (sample.over, like.samples[reference].over)
    if any(build_changes(one, another) for one, another in pairs):
        return None
    return sample.sessions[-1] if sample.sessions else sample.observed.log_ratio
