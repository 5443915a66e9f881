"""How much a stored speedup varies from one session to the next, on machines of one class."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from perf.judge.spread import MAX_DEGREES, Spread, fit_spread, sum_of_squares
from perf.runs.document import Run
from perf.stack import differing_fields

# A variance between sessions is estimated from as many at least.
LEAST_RUNS = 3
Key = tuple[str, str]


@dataclass(frozen=True)
class Sessions:
    """The variance of a session's own log speedup: `prior` for every case, and the speedups of stored sessions
    by case and reference. `runs` is how many stored runs it rests on; 0 speedups the default.
    """

    prior: Spread
    speedups: dict[Key, list[float]] = field(default_factory=dict)
    runs: int = 0

    def of(self, case: str, reference: str) -> Spread:
        """The variance between sessions of one ratio, its own sessions counted with those of all cases."""
        speedups = self.speedups.get((case, reference), [])
        own = max(0, len(speedups) - 1)
        degrees = self.prior.degrees + own
        variance = (self.prior.degrees * self.prior.variance + sum_of_squares(speedups)) / degrees if degrees else 0.0
        return Spread(variance, min(degrees, MAX_DEGREES))


def sessions_of(runs: Sequence[Run], default: Spread) -> Sessions:
    """The variance between stored sessions of one class that measured what the last of them did. The default counts as
    a prior with its own degrees of freedom, so that three quiet sessions do not rule out a noisy one; it stands alone
    where there are fewer than `LEAST_RUNS`.
    """
    if len(runs) < LEAST_RUNS:
        return Sessions(default)
    speedups: dict[Key, list[float]] = {}
    for name, case in runs[-1].cases.items():
        for reference, sample in case.samples.items():
            for run in runs:
                other = run.cases.get(name)
                found = other.samples.get(reference) if other else None
                if other is None or found is None or found.observed is None:
                    continue
                if differing_fields(other.stack, case.stack) or differing_fields(found.over, sample.over):
                    continue
                speedups.setdefault((name, reference), []).append(found.observed.log_ratio)
    speedups = {key: values for key, values in speedups.items() if len(values) >= LEAST_RUNS}
    fitted = fit_spread(speedups.values())
    degrees = default.degrees + fitted.degrees
    variance = (default.degrees * default.variance + fitted.degrees * fitted.variance) / degrees
    return Sessions(Spread(variance, min(degrees, MAX_DEGREES)), speedups, len(runs) if speedups else 0)
