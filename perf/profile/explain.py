"""What the profiles of one or two stacks say: the time of each layer, and which layers account for the change. Pure."""

from collections.abc import Callable, Sequence

from perf.judge.statistics import median, midmean
from perf.measure.workers.replies import GraphNode
from perf.profile.accounting import change_of, culprits_of, ranked
from perf.profile.facts import facts_of, kernels_of
from perf.profile.layers import Layer, layers_of, text_of
from perf.profile.primitives import Primitive
from perf.profile.session import ArmProfile, Turn
from perf.runs.explanation import Explanation, LayerTime, TimeChange

# How much of a pass's latency operators and overhead must account for; what is missing, or too much, is said.
WHOLE = 0.95
OVERHEAD = "MXNet's overhead: time between operators"
REST = "not accounted for"


def explanation_of(now: ArmProfile, then: ArmProfile | None, elapsed_s: float) -> Explanation:
    """Return where the time of a pass goes in a stack and, beside a baseline's stack, which layers account for the
    change. `elapsed_s` is the wall time that profiling took.
    """
    layers = layers_of(then.nodes if then else now.nodes, now.nodes)
    times = [_layer_time(layer, now, then) for layer in layers]
    accounted = [_accounted(arm) for arm in ((now,) if then is None else (now, then))]
    worst = min(accounted, key=lambda fraction: min(fraction, 1 / fraction))
    times.append(_time(OVERHEAD, now, then, lambda turn: turn.overhead_ms))
    if not WHOLE <= worst <= 1 / WHOLE:
        times.append(_time(REST, now, then, _rest))
    whole = None if then is None else _change(now, then, _pass)
    ordered = sorted(times, key=lambda layer: -layer.now_ms) if whole is None else ranked(times, whole)
    return Explanation(
        layers=tuple(ordered),
        culprits=0 if whole is None else culprits_of(ordered, whole),
        pass_ms=median(now.typical_ms(_pass)),
        then_pass_ms=None if then is None else median(then.typical_ms(_pass)),
        change=whole,
        accounted=worst,
        notes=tuple(_notes(now, then, worst)),
        invocations=len(now.invocations),
        elapsed_s=round(elapsed_s, 1),
    )


def _notes(now: ArmProfile, then: ArmProfile | None, accounted: float) -> list[str]:
    notes = []
    if then is not None and then.threads != now.threads:
        notes.append(f"{then.threads} computing threads in the baseline's stack, {now.threads} in the candidate's")
    if accounted < WHOLE:
        notes.append(f"{100 * (1 - accounted):.0f} % of a pass is neither in an operator nor MXNet's overhead")
    elif accounted > 1 / WHOLE:
        notes.append(
            f"one by one and under the profiler, operators take {100 * (accounted - 1):.0f} % longer than in a pass: read their "
            "times as proportions"
        )
    return notes


def _accounted(arm: ArmProfile) -> float:
    """Return the sum of operators and overhead as a fraction of a pass's latency."""
    return median(arm.typical_ms(lambda turn: 1 - _rest(turn) / turn.pass_ms))


def _pass(turn: Turn) -> float:
    return turn.pass_ms


def _rest(turn: Turn) -> float:
    return turn.pass_ms - turn.overhead_ms - sum(turn.operators_ms.values())


def _layer_time(layer: Layer, now: ArmProfile, then: ArmProfile | None) -> LayerTime:
    primitives = _primitives(now, layer.now)

    if then is None:
        own_ms = median(now.typical_ms(_of(layer.now)))
        return LayerTime(layer.name, text_of(layer.now), kernels_of(primitives), own_ms)
    before = _primitives(then, layer.then)
    return LayerTime(
        name=layer.name,
        operators=text_of(layer.now or layer.then),
        kernels=kernels_of(primitives),
        now_ms=median(now.typical_ms(_of(layer.now))),
        then_ms=median(then.typical_ms(_of(layer.then))),
        change=_change(now, then, _of(layer.now), _of(layer.then)),
        facts=facts_of(layer, before, primitives, (then.threads, now.threads)),
    )


def _of(nodes: Sequence[GraphNode]) -> Callable[[Turn], float]:
    names = [node.name for node in nodes]
    return lambda turn: sum(turn.operators_ms[name] for name in names)


def _time(name: str, now: ArmProfile, then: ArmProfile | None, of_turn: Callable[[Turn], float]) -> LayerTime:
    """Return the time of what is not in an operator."""
    own = median(now.typical_ms(of_turn))
    if then is None:
        return LayerTime(name, "", (), own)
    return LayerTime(name, "", (), own, median(then.typical_ms(of_turn)), _change(now, then, of_turn))


def _change(
    now: ArmProfile,
    then: ArmProfile,
    of_now: Callable[[Turn], float],
    of_then: Callable[[Turn], float] | None = None,
) -> TimeChange:
    """Return the change of a time, paired within blocks: two turns close together see the same load."""
    differences = [
        midmean([of_now(a) - (of_then or of_now)(b) for a, b in zip(turns, turns_then, strict=True)])
        for turns, turns_then in zip(now.invocations, then.invocations, strict=True)
    ]
    return change_of(differences)


def _primitives(arm: ArmProfile, nodes: Sequence[GraphNode]) -> list[Primitive]:
    return [primitive for node in nodes for primitive in arm.primitives.get(node.name, ())]
