"""What a state, or two states around a measurement, say about its numbers. Pure: it reads nothing."""

from perf.machine.state.checks import CHECKS
from perf.machine.state.model import Check, Finding, Judged, Severity, State, StateChange, Value

_LEAVE_ALONE = "leave the machine's settings alone while measuring, then measure again"


def findings(state: State, later: State | None = None) -> list[Finding]:
    """One finding for each check, in order. With `later`, counters are judged by their growth since `state`, and a
    setting that changed meanwhile is doubtful; without, counters are unknown. Moments are judged as in `state`: during
    a measurement they show the measurement itself.
    """
    return [_find(check, state, later) for check in CHECKS]


def settings(state: State) -> dict[str, Value]:
    """The values that last until somebody changes them: what two runs must have in common to be compared."""
    return {check.name: state.values.get(check.name) for check in CHECKS if check.kind == "setting"}


def _find(check: Check, state: State, later: State | None) -> Finding:
    value = state.values.get(check.name)
    if value is None:
        return _unknown(check, check.absent)
    if check.kind == "counter":
        return _count(check, value, state.time_ns, later)
    judged: Judged = check.judge(value)
    if check.kind == "setting" and later is not None:
        then = later.values.get(check.name)
        if then is None:
            return _unknown(check, check.absent)
        if then != value:
            judged = Judged(f"{judged.reading}; later {check.judge(then).reading}", _LEAVE_ALONE)
    return _known(check, judged)


def _count(check: Check, value: Value, since_ns: int, later: State | None) -> Finding:
    if later is None:
        return _unknown(check, "unknown until measured: it counts")
    then = later.values.get(check.name)
    if not isinstance(value, int | float) or not isinstance(then, int | float):
        return _unknown(check, check.absent)
    if then < value or later.time_ns <= since_ns:
        return _unknown(check, "the counter ran backwards: CPUs or control group changed meanwhile")
    return _known(check, check.judge(StateChange(then - value, later.time_ns - since_ns)))


def _known(check: Check, judged: Judged) -> Finding:
    verdict: Severity = "fine" if judged.advice is None else "doubtful"
    return Finding(check.name, judged.reading, verdict, check.explanation, judged.advice)


def _unknown(check: Check, why: str) -> Finding:
    return Finding(check.name, None, "unknown", why, None)
