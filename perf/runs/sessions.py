"""How much a stored speedup varies from one session to the next, on machines of one class."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from perf.judge.variance_prior import MAX_DEGREES, VariancePrior, fit_prior, sum_of_squares
from perf.runs.schema import StoredCase, StoredRun
from perf.runs.tolerances import Tolerances
from perf.stack import OF_THE_SUITE, differing

# A variance between sessions is estimated from as many at least.
LEAST_RUNS = 3
# Stored sessions may show a standard deviation of so many times the assumed one at most: losses that creep in with one
# stored run after the other would otherwise pass for noise. A class that is noisier needs another assumption
# (baselines/tolerances.toml).
MOST_OF_ASSUMED = 2.0
RatioKey = tuple[str, str]


@dataclass(frozen=True)
class SessionVariances:
    """The variance of a session's own log speedup: `priors` by family, and the speedups of stored sessions by case and
    reference. `runs` is how many stored runs it rests on, for the case that has most; 0: it is the assumed one. `most`
    is the largest variance that counts, by family.
    """

    priors: Mapping[str, VariancePrior]
    speedups: Mapping[RatioKey, Sequence[float]]
    runs: int
    most: Mapping[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The standard deviations by family, and what they rest on."""
        sds = ", ".join(f"{family} {math.sqrt(prior.variance):.1%}" for family, prior in self.priors.items())
        rest = f"from {self.runs} stored runs" if self.runs else "assumed until three runs are stored"
        return f"Standard deviation between sessions: {sds}, {rest}."

    def of(self, family: str, case: str, reference: str) -> VariancePrior:
        """The variance between sessions of one ratio, its own sessions counted with those of its family."""
        prior, speedups = self.priors[family], self.speedups.get((case, reference), ())
        pooled = prior.with_squares(sum_of_squares(speedups), max(0, len(speedups) - 1))
        return _bounded(pooled, self.most.get(family, math.inf))


def session_variances(
    runs: Sequence[StoredRun], families: Collection[str], tolerances: Tolerances, like: StoredRun | None = None
) -> SessionVariances:
    """The variance between stored sessions of one class that ran the stacks of `like`, the baseline (the last of them
    when there is none). What is assumed counts as a prior with its own degrees of freedom, so that three quiet sessions
    do not rule out a noisy one; it stands alone where there are fewer than `LEAST_RUNS`. What somebody accepted of a
    case is a change and no noise: its history begins there.
    """
    speedups: dict[RatioKey, list[float]] = {}
    family_of: dict[RatioKey, str] = {}
    pattern = like or (runs[-1] if runs else None)
    for name, case in pattern.cases.items() if pattern and len(runs) >= LEAST_RUNS else ():
        for reference in case.samples:
            found = [_log_speedup(run, name, reference, like=case) for run in _since_accepted(runs, name)]
            known = [value for value in found if value is not None]
            if len(known) >= LEAST_RUNS:
                speedups[name, reference] = known
                family_of[name, reference] = case.family
    priors, most = {}, {}
    for family in families:
        assumed = tolerances.assumed_of(family)
        default = assumed.prior(assumed.sessions)
        fitted = fit_prior(values for key, values in speedups.items() if family_of[key] == family)
        pooled = default.with_squares(fitted.degrees * fitted.variance, fitted.degrees)
        most[family] = default.variance * MOST_OF_ASSUMED**2
        priors[family] = _bounded(pooled, most[family])
    return SessionVariances(priors, speedups, max(map(len, speedups.values()), default=0), most)


def _bounded(prior: VariancePrior, most: float) -> VariancePrior:
    return VariancePrior(min(prior.variance, most), min(prior.degrees, MAX_DEGREES))


def _since_accepted(runs: Sequence[StoredRun], name: str) -> Sequence[StoredRun]:
    """The runs from the newest on that was stored although the case had changed; all of them without one."""
    changed = [place for place, run in enumerate(runs) if run.perf.accepted and name in run.perf.accepted.verdicts]
    return runs[changed[-1] :] if changed else runs


def _log_speedup(run: StoredRun, name: str, reference: str, like: StoredCase) -> float | None:
    """A run's log speedup of a case, if it ran the same stacks."""
    case = run.cases.get(name)
    sample = case.samples.get(reference) if case else None
    if case is None or sample is None or sample.observed is None:
        return None
    pairs = (case.stack, like.stack), (sample.over, like.samples[reference].over)
    other = set().union(*(differing(one, another) for one, another in pairs)) - OF_THE_SUITE
    return None if other else sample.observed.log_ratio
