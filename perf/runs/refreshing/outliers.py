"""Sessions that were slower than the rest: the session in the middle would hide them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from perf.judge.judgement import Tolerance, judge_drift
from perf.runs.schema import RatioSample, StoredCase, StoredRun
from perf.runs.tolerances import Tolerances
from perf.runs.variances import Priors, SessionVariances, priors_of, session_variances
from perf.stack import build_changes


def slow_sessions(run: StoredRun, runs: Mapping[Path, StoredRun], tolerances: Tolerances) -> dict[str, str]:
    """Return the cases of a run whose slowest session drifted against the latest of the stored `runs`, with the reason.

    A run that is one session has none, and neither has a case of another stack, which is judged by what was measured
    side by side. Each session is a comparison of its own, so that all of them together raise one false alarm in a
    hundred refreshes.
    """
    if not runs or not run.perf.sources:
        return {}
    path, latest = list(runs.items())[-1]
    families = list(dict.fromkeys(case.family for case in run.cases.values()))
    variances = session_variances(list(runs.values()), families, tolerances, latest)
    priors = priors_of(run.cases.values(), tolerances)
    ratios = [
        (case, reference, sample, then)
        for name, case in run.cases.items()
        for reference, sample in case.samples.items()
        if (then := _comparable(case, reference, sample, latest.cases.get(name))) is not None
    ]
    comparisons = len(ratios) * len(run.perf.sources)
    slow = {}
    for case, reference, sample, then in ratios:
        tolerance = tolerances.of(case.family, case.name, run.perf.tolerances.get(case.name))
        change = _slowest(case, reference, sample, then, priors[case.family], variances, tolerance, comparisons)
        if change is not None:
            source = run.perf.sources[sample.sessions.index(min(sample.sessions))].file
            slow[case.name] = f"drifted by {change - 1:+.1%} in {source}, over {reference}, against {path.name}"
    return slow


def _comparable(case: StoredCase, reference: str, sample: RatioSample, then: StoredCase | None) -> RatioSample | None:
    """Return the stored sample of the same ratio of the same stacks; None when there is none."""
    stored = then.samples.get(reference) if then else None
    if then is None or stored is None or not sample.sessions:
        return None
    changed = build_changes(then.stack, case.stack) or build_changes(stored.over, sample.over)
    return None if changed else stored


def _slowest(
    case: StoredCase,
    reference: str,
    sample: RatioSample,
    then: RatioSample,
    priors: Priors,
    variances: SessionVariances,
    tolerance: Tolerance,
    comparisons: int,
) -> float | None:
    """Return the change of the slowest session, now over then, if it is a drift; else None."""
    if sample.observed is None:
        return None
    now = replace(sample.observed, log_ratio=min(sample.sessions))
    between = variances.of(case.family, case.name, reference)
    judgement = judge_drift(now, then.observed, priors.within, between, tolerance, comparisons)
    if judgement.kind != "drifted" or judgement.change is None or judgement.change.log_ratio >= 0:
        return None
    return judgement.change.ratio
