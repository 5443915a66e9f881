"""What the profiles of one or two stacks say: the time of each layer, and which layers account for the change. Pure."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from perf.judge.statistics import median
from perf.measure.workers.replies import GraphNode
from perf.profile.accounting import change_of, culprits_of, ranked
from perf.profile.arms import ArmProfile, Times
from perf.profile.facts import facts_of, kernels_of
from perf.profile.layers import Layer, layers_of, text_of
from perf.profile.primitives import Primitive
from perf.runs.explanation import Explanation, LayerTime, TimeChange, Unit

# How much of a pass's latency operators and overhead must account for; what is missing, or too much, is said.
WHOLE = 0.95
OVERHEAD = "MXNet's overhead: time between operators"
STEP_OVERHEAD = "overhead: time between the parts of a step"
REST = "not accounted for"
# What a pass or a step consists of, and how that was timed.
NEITHER: Mapping[Unit, str] = {
    "pass": "an operator nor MXNet's overhead",
    "step": "one of its parts nor between them",
}
ONE_BY_ONE: Mapping[Unit, str] = {
    "pass": "one by one and under the profiler, operators",
    "step": "one after the other, its parts",
}


def explanation_of(now: ArmProfile, then: ArmProfile | None, elapsed_s: float, *, established: int = 0) -> Explanation:
    """Return where the time of a pass, or of a training step, goes in a stack and, beside a baseline's stack, which
    layers account for the change. `elapsed_s` is the wall time that profiling took; `established` is as in
    `culprits_of`.
    """
    layers = layers_of(then.nodes if then else now.nodes, now.nodes)
    times = [_layer_time(layer, now, then) for layer in layers]
    accounted = [_accounted(arm) for arm in ((now,) if then is None else (now, then))]
    worst = min(accounted, key=lambda fraction: min(fraction, 1 / fraction))
    times.append(_time(OVERHEAD if now.unit == "pass" else STEP_OVERHEAD, now, then, lambda times: times.overhead_ms))
    if not WHOLE <= worst <= 1 / WHOLE:
        times.append(_time(REST, now, then, _rest))
    whole = None if then is None else _change(now, then, _pass)
    ordered = sorted(times, key=lambda layer: -layer.now_ms) if whole is None else ranked(times, whole)
    return Explanation(
        layers=tuple(ordered),
        culprits=0 if whole is None else culprits_of(ordered, whole, established=established),
        pass_ms=fmean(_of_invocations(now, _pass)),
        then_pass_ms=None if then is None else fmean(_of_invocations(then, _pass)),
        change=whole,
        accounted=worst,
        notes=tuple(_notes(now, then, worst)),
        invocations=len(now.invocations),
        elapsed_s=round(elapsed_s, 1),
        unit=now.unit,
    )


def _notes(now: ArmProfile, then: ArmProfile | None, accounted: float) -> list[str]:
    notes = []
    if then is not None and then.threads != now.threads:
        notes.append(f"{then.threads} threads in the baseline's stack, {now.threads} in the candidate's")
    if then is not None:
        notes += [
            f"{kind}: {then.libraries[kind]} in the baseline's stack, {now.libraries[kind]} in the candidate's"
            for kind in sorted(then.libraries.keys() & now.libraries.keys())
            if then.libraries[kind] != now.libraries[kind]
        ]
    if accounted < WHOLE:
        notes.append(f"{100 * (1 - accounted):.0f} % of a {now.unit} is neither in {NEITHER[now.unit]}")
    elif accounted > 1 / WHOLE:
        notes.append(
            f"{ONE_BY_ONE[now.unit]} take {100 * (accounted - 1):.0f} % longer than in a {now.unit}: "
            "read their times as proportions"
        )
    return notes


def _accounted(arm: ArmProfile) -> float:
    """Return the sum of operators and overhead as a fraction of a pass's latency."""
    return median(_of_invocations(arm, lambda times: 1 - _rest(times) / times.pass_ms))


def _of_invocations(arm: ArmProfile, of_times: Callable[[Times], float]) -> list[float]:
    return [of_times(times) for times in arm.invocations]


def _pass(times: Times) -> float:
    return times.pass_ms


def _rest(times: Times) -> float:
    return times.pass_ms - times.overhead_ms - sum(times.operators_ms.values())


def _layer_time(layer: Layer, now: ArmProfile, then: ArmProfile | None) -> LayerTime:
    primitives = _primitives(now, layer.now)

    if then is None:
        own_ms = fmean(_of_invocations(now, _of(layer.now)))
        return LayerTime(layer.name, text_of(layer.now), kernels_of(primitives), own_ms)
    before = _primitives(then, layer.then)
    return LayerTime(
        name=layer.name,
        operators=text_of(layer.now or layer.then),
        kernels=kernels_of(primitives),
        now_ms=fmean(_of_invocations(now, _of(layer.now))),
        then_ms=fmean(_of_invocations(then, _of(layer.then))),
        change=_change(now, then, _of(layer.now), _of(layer.then)),
        facts=facts_of(layer, before, primitives, (then.threads, now.threads)),
    )


def _of(nodes: Sequence[GraphNode]) -> Callable[[Times], float]:
    names = [node.name for node in nodes]
    return lambda times: sum(times.operators_ms[name] for name in names)


def _time(name: str, now: ArmProfile, then: ArmProfile | None, of_times: Callable[[Times], float]) -> LayerTime:
    """Return the time of what is not in an operator."""
    own = fmean(_of_invocations(now, of_times))
    if then is None:
        return LayerTime(name, "", (), own)
    return LayerTime(name, "", (), own, fmean(_of_invocations(then, of_times)), _change(now, then, of_times))


def _change(
    now: ArmProfile,
    then: ArmProfile,
    of_now: Callable[[Times], float],
    of_then: Callable[[Times], float] | None = None,
) -> TimeChange:
    """Return the change of a time between the two stacks of each invocation."""
    pairs = zip(now.invocations, then.invocations, strict=True)
    differences = [of_now(a) - (of_then or of_now)(b) for a, b in pairs]
    return change_of(differences)


def _primitives(arm: ArmProfile, nodes: Sequence[GraphNode]) -> list[Primitive]:
    return [primitive for node in nodes for primitive in arm.primitives.get(node.name, ())]
