"""An explanation as text: the layers by time, or those that account for a change."""

from collections.abc import Mapping

from perf.report.tables import TextTable
from perf.runs.explanation import Explanation, LayerTime, TimeChange, Unit
from perf.wording import counted

# How many layers a failing test shows, and how many a table holds besides those that account for the change.
TOP = 3
SHOWN = 20
# What explains a pass or a step.
BY: Mapping[Unit, str] = {"pass": "by operator", "step": "by part of a step"}
# What a pass or a step is divided into, and what all of that is called.
LAYER: Mapping[Unit, str] = {"pass": "layer", "step": "part"}
EVERYTHING: Mapping[Unit, str] = {
    "pass": "operators and MXNet's overhead",
    "step": "its parts and what is between them",
}


def explanation_lines(explanation: Explanation, most: int = TOP) -> list[str]:
    """Return the layers that account for the change, at most this number, or those that take longest, a line each."""
    if explanation.change is None:
        return [
            f"{_named(layer)}: {_percent(layer.now_ms, explanation.pass_ms)} of a {explanation.unit}"
            for layer in explanation.layers[:most]
        ]
    if not explanation.culprits:
        return [f"no {LAYER[explanation.unit]} accounts for the change"]
    return [
        f"{layer.name}: {_change_text(layer.change)}, {_percent(layer.change.ms, explanation.change.ms)} of the change"
        f"{_facts_text(layer)}"
        for layer in explanation.layers[: min(most, explanation.culprits)]
        if layer.change is not None
    ]


def headline(explanation: Explanation) -> str:
    """Return what a pass, or a step, takes, and what account there is of it, in a sentence."""
    unit = explanation.unit
    accounted = f"{EVERYTHING[unit]} account for {100 * explanation.accounted:.1f} %"
    if explanation.change is None or explanation.then_pass_ms is None:
        return f"A {unit} takes {explanation.pass_ms:.3f} ms; {accounted} of it."
    change = f"{explanation.then_pass_ms:.3f} -> {explanation.pass_ms:.3f} ms, {_change_text(explanation.change)}"
    if not explanation.culprits:
        return f"A {unit} takes {change}: {_without_culprits(explanation, explanation.change)}; {accounted} of it."
    verb = "accounts" if explanation.culprits == 1 else "account"
    named = sum(layer.change.ms for layer in explanation.layers[: explanation.culprits] if layer.change)
    return (
        f"A {unit} takes {change}; {counted(explanation.culprits, LAYER[unit])} {verb} for "
        f"{_percent(named, explanation.change.ms)} of the change; {accounted} of a {unit}."
    )


def explanation_table(explanation: Explanation, fractions: Mapping[str, float] | None = None) -> TextTable:
    """Return the layers, or the parts of a step, as a table: those that account for the change and the next ones,
    `SHOWN` at least. `fractions`: the parts of the limit that layers reach, by name; shown without a baseline.
    """
    reached = fractions or {}
    layer_column = LAYER[explanation.unit].capitalize()
    layers = explanation.layers[: max(SHOWN, explanation.culprits)]
    if explanation.change is None:
        rows = [
            [
                layer.name,
                layer.operators,
                f"{layer.now_ms:.3f}",
                _percent(layer.now_ms, explanation.pass_ms),
                _percent(reached[layer.name], 1.0) if layer.name in reached else "-",
                ", ".join(layer.kernels),
            ]
            for layer in layers
        ]
        names = [layer_column, "Operators", "ms", f"Of a {explanation.unit}", "Of limit", "Kernels"]
        return TextTable("", names, rows, figures=False)
    rows = [
        [
            layer.name,
            f"{layer.then_ms or 0:.3f}",
            f"{layer.now_ms:.3f}",
            _change_text(layer.change),
            _percent(layer.change.ms if layer.change else 0.0, explanation.change.ms),
            "; ".join(layer.facts) or "-",
        ]
        for layer in layers
    ]
    names = [
        layer_column,
        "Baseline ms",
        "Now ms",
        "Change ms [95 % interval]",
        "Of the change",
        "What runs in another way",
    ]
    return TextTable("", names, rows, figures=False)


def cost_line(explanation: Explanation) -> str:
    """Return what explaining cost, in a sentence."""
    sets = counted(explanation.invocations, "set")
    return (
        f"Explained in {explanation.elapsed_s:.0f} s, with {sets} of fresh workers. No verdict comes from these passes."
    )


def _without_culprits(explanation: Explanation, change: TimeChange) -> str:
    """Return what is known of a change that no layer accounts for."""
    layer = LAYER[explanation.unit]
    restructured = sum(bool(each.facts) for each in explanation.layers)
    significant = "a significant change" if change.certain_ms else "no significant change"
    if restructured:
        verb = "runs" if restructured == 1 else "run"
        ways = f"{counted(restructured, layer)} {verb} in another way"
        return f"{significant}; {ways}, but no {layer} that does changed in this direction"
    if change.certain_ms:
        return f"{significant}, but nothing runs in another way, and no {layer} changed significantly in this direction"
    return f"{significant}, and nothing runs in another way"


def _named(layer: LayerTime) -> str:
    return f"{layer.name} ({layer.operators})" if layer.operators else layer.name


def _facts_text(layer: LayerTime) -> str:
    return f": {'; '.join(layer.facts)}" if layer.facts else ""


def _change_text(change: TimeChange | None) -> str:
    if change is None:
        return "-"
    interval = f" [{change.low_ms:+.3f}, {change.high_ms:+.3f}]" if change.low_ms is not None else ""
    return f"{change.ms:+.3f}{interval} ms"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"
