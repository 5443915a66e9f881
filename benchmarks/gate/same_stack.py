"""How often the gate raises a false alarm over whole runs of an unchanged stack, and which losses it detects.

    uv run python -m benchmarks.gate.same_stack [RUNS [SEED]]

Sessions are drawn at the recorded noise, and at the noise that `baselines/tolerances.toml` assumes, and judged by the
gate that a session makes. Nothing is measured. The draws depend on the seed alone, so that two versions of the gate
are compared on the same ones.
"""

import random
import sys
from collections import Counter
from collections.abc import Mapping
from unittest.mock import patch

import msgspec
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

from benchmarks.gate.samples import load
from benchmarks.gate.sessions import MadeClass, assumed_effects, recorded_effects, template_of
from perf.files import ROOT, decoded, read_bytes
from perf.runs.baseline import BASELINES, TOLERANCES, usable_runs
from perf.runs.gate import Gate
from perf.runs.judges import make_gate
from perf.runs.schema import StoredCase
from perf.runs.tolerances import Tolerances, read_tolerances
from perf.runs.variances import priors_of

RUNS, SEED = 2000, 20261127
CLASS = "intel-xeon-6.207-2c-1n-amx"
RECORDINGS = ROOT / "benchmarks" / "gate" / "recordings" / f"2026-11-26-{CLASS}"
# Losses of one case whose detection is counted.
LOSSES = (0.1, 0.2, 0.3)
# Where sessions come from.
NOISES = ("recorded", "assumed")
# Baselines: their number, and the sessions that each is built from.
HISTORIES = {"3 of one session": (3, 1), "3 of three sessions": (3, 3)}


def simulate(made: MadeClass, history: tuple[int, int], tolerances: Tolerances, draw: random.Random) -> set[str]:
    """Return what the gate says about one unchanged session, and about the same one with a slower case: the events that
    are counted.
    """
    count, sessions = history
    stored = [made.night(sessions) for _ in range(count)]
    now = made.session().run
    families = list(dict.fromkeys(case.family for case in now.cases.values()))
    gate = make_gate("made", stored[-1], now.perf, list(now.cases), families, tolerances, stored)
    events = _alarms(gate, now.cases)
    name = draw.choice([name for name, case in now.cases.items() if case.samples])
    for loss in LOSSES:
        judged = gate.verdict(_slowed(now.cases[name], loss), priors_of(now.cases.values(), tolerances))
        if judged and any(ratio.judgement.kind == "drifted" for ratio in judged.ratios):
            events.add(f"{loss:.0%}")
    return events


def _alarms(gate: Gate, cases: Mapping[str, StoredCase]) -> set[str]:
    """Return the kinds of alarms that the gate raises: by a single case or by a group of them."""
    judged = gate.judged(list(cases.values()))
    single = any(ratio.judgement.kind == "drifted" for v in judged.verdicts.values() for ratio in v.ratios)
    group = any(group.judgement.kind == "drifted" for group in judged.groups)
    assert all(verdict.kind in {"ok", "drifted"} for verdict in judged.verdicts.values())
    return {kind for kind, raised in {"any": single or group, "single": single, "group": group}.items() if raised}


def _slowed(case: StoredCase, loss: float) -> StoredCase:
    """Return a case that is slower by this fraction."""
    samples = {
        over: msgspec.structs.replace(sample, floors=[(first, second / (1 - loss)) for first, second in sample.floors])
        for over, sample in case.samples.items()
    }
    return msgspec.structs.replace(case, samples=samples)


def main(runs: int, seed: int, console: Console) -> None:
    """Print false alarms and detected losses by noise, baseline, and whether the sessions of a night move together."""
    tolerances, recordings = read_tolerances(TOLERANCES), load(RECORDINGS)
    stored = usable_runs(BASELINES / CLASS, CLASS)
    path = max((BASELINES / CLASS).glob("*.json"))
    template = template_of(stored, decoded(read_bytes(path), dict, path))
    recorded = recorded_effects(stored)
    table = Table(
        "noise",
        "stored runs",
        "sessions of a night",
        "false alarms",
        "95 % interval",
        "by a case, a group",
        *(f"loss of {loss:.0%}" for loss in LOSSES),
    )
    for noise in NOISES:
        for name, history in HISTORIES.items():
            for shared in (False, True) if history[1] > 1 else (False,):
                draw, counts = random.Random(seed), Counter[str]()
                for _ in range(runs):
                    effects = recorded if noise == "recorded" else assumed_effects(stored[-1], tolerances, draw)
                    made = MadeClass(template, recordings, effects, shared, draw)
                    # The smallest detectable loss takes nine tenths of the time, and decides nothing.
                    with patch("perf.judge.judgement.smallest_loss", return_value=None):
                        counts.update(simulate(made, history, tolerances, draw))
                interval = binomtest(counts["any"], runs).proportion_ci(method="exact")
                table.add_row(
                    noise,
                    name,
                    "alike" if shared else "independent",
                    f"{counts['any']} of {runs}",
                    f"{interval.low:.2%} to {interval.high:.2%}",
                    f"{counts['single']}, {counts['group']}",
                    *(f"{counts[f'{loss:.0%}'] / runs:.1%}" for loss in LOSSES),
                )
    console.print(table)


if __name__ == "__main__":
    count, seed, *_ = [*map(int, sys.argv[1:]), *(RUNS, SEED)[len(sys.argv) - 1 :]]
    main(count, seed, Console(width=200))
