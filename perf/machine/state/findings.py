"""What a state, or two states around a measurement, mean for its figures. Pure: reads nothing."""

from collections.abc import Sequence

from perf.machine.state.checks import CHECKS
from perf.machine.state.model import Assessment, Check, Finding, Severity, State, StateChange, Value, spoils

_LEAVE_ALONE = "do not change the machine's settings while measuring, then measure again"


def findings(state: State, later: State | None = None) -> list[Finding]:
    """Return one finding for each check, in order.

    With `later`, counters are assessed by their growth since `state`, and a setting that changed in between is
    doubtful; without it, counters are unknown. Moments are assessed in `state` only: later they show the measurement
    itself.
    """
    return [_find(check, state, later) for check in CHECKS]


def reasons_not_to_measure(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings for which a long session is not worth its time."""
    return [finding for finding in findings if finding.verdict == "doubtful" and spoils(finding.check)]


def settings(state: State) -> dict[str, Value]:
    """Return the values that last until somebody changes them: two runs must agree in these to be compared."""
    return {check.name: state.values.get(check.name) for check in CHECKS if check.description.kind == "setting"}


def _find(check: Check, state: State, later: State | None) -> Finding:
    value = state.values.get(check.name)
    if value is None:
        return _unknown(check, check.description.absent)
    if check.description.kind == "counter":
        return _count(check, value, state.time_ns, later)
    assessment: Assessment = check.assess(value)
    if check.description.kind == "setting" and later is not None:
        then = later.values.get(check.name)
        if then is None:
            return _unknown(check, check.description.absent)
        if then != value:
            assessment = Assessment(f"{assessment.reading}; later {check.assess(then).reading}", _LEAVE_ALONE)
    return _known(check, assessment)


def _count(check: Check, value: Value, since_ns: int, later: State | None) -> Finding:
    if later is None:
        return _unknown(check, "a counter: unknown until something was measured")
    then = later.values.get(check.name)
    if not isinstance(value, int | float) or not isinstance(then, int | float):
        return _unknown(check, check.description.absent)
    if then < value or later.time_ns <= since_ns:
        return _unknown(check, "the counter ran backwards: the CPUs or the control group changed")
    return _known(check, check.assess(StateChange(then - value, later.time_ns - since_ns)))


def _known(check: Check, assessment: Assessment) -> Finding:
    verdict: Severity = "fine" if assessment.advice is None else "doubtful"
    return Finding(check.name, assessment.reading, verdict, check.description.explanation, assessment.advice)


def _unknown(check: Check, why: str) -> Finding:
    return Finding(check.name, None, "unknown", why, None)
