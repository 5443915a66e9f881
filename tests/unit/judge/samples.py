"""Samples and priors that several tests of judgements use."""

import math
import statistics
from dataclasses import replace

from hypothesis import strategies as st

from perf.judge.speedup import ObservedRatio
from perf.judge.variance_prior import NO_PRIOR, VariancePrior, variance_of

USUAL = VariancePrior(variance=0.01**2, degrees=10)
SESSIONS = VariancePrior(variance=0.025**2, degrees=10)
# Log speedups are stored with six digits.
MILLIONTHS = st.integers(-200_000, 200_000).map(lambda millionths: millionths / 1e6)
SAMPLE = st.lists(MILLIONTHS, min_size=1, max_size=8)
PRIORS = st.builds(VariancePrior, st.floats(1e-6, 1e-2), st.floats(0.5, 20))
OBSERVED = st.builds(ObservedRatio, MILLIONTHS, st.just(0.0) | st.floats(1e-9, 1e-2), st.integers(1, 8))
MAYBE_PRIORS = st.just(NO_PRIOR) | PRIORS


def shifted(observed: ObservedRatio, by: float) -> ObservedRatio:
    """Return the observed ratio with its speedup multiplied by 1 + `by`."""
    return replace(observed, log_ratio=observed.log_ratio + math.log1p(by))


def of_values(values: list[float]) -> ObservedRatio:
    """Return the ratio that is observed if the values of invocations are averaged."""
    return ObservedRatio(statistics.fmean(values), variance_of(values)[0], len(values))
