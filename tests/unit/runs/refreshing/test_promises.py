"""What a baseline from several sessions promises: unchanged runs raise no more alarms against it than against one run.

Sessions of one night share a part of their change. Whether they do or not, the gate's error must hold.
"""

import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from perf.judge.judgement import RUN_ERROR, Tolerance
from perf.judge.variance_prior import variance_of
from perf.runs.judges import make_gate
from perf.runs.refreshing.drift import creep_of
from perf.runs.refreshing.outliers import slow_sessions
from perf.runs.refreshing.sessions import Session, combined
from perf.runs.schema import StoredRun
from perf.runs.tolerances import AssumedDeviations, Tolerances
from perf.runs.variances import session_variances
from tests.support.factories import as_run, benchmark, document, sample
from tests.unit.judge.test_promises import at_most, unstated
from tests.unit.runs.made_runs import ended_later

pytestmark = pytest.mark.slow
# So narrow that only the level of the run decides about an alarm.
TOLERANCE = Tolerance(change=1e-9, resolution=0.05)
ASSUMED = AssumedDeviations(invocations=0.02, side_by_side=0.01, sessions=0.02, degrees=4)
TOLERANCES = Tolerances(TOLERANCE, TOLERANCE, {"default": ASSUMED})
CASES, CLASSES = 8, 100


class Machine:
    """A machine class in which nothing changes but the night and the hour. `shared` is the fraction of the variance
    between sessions that those of one night have in common.
    """

    def __init__(self, draw: random.Random, shared: float) -> None:
        self._draw = draw
        self.variances = [
            ASSUMED.sessions**2 * ASSUMED.degrees / draw.gammavariate(ASSUMED.degrees / 2, 2) for _ in range(CASES)
        ]
        self._nights = [math.sqrt(shared * variance) for variance in self.variances]
        self._hours = [math.sqrt((1 - shared) * variance) for variance in self.variances]
        self._count = 0

    def night(self, sessions: int) -> list[Session]:
        moved = [self._draw.gauss(0, sd) for sd in self._nights]
        return [self._session(moved) for _ in range(sessions)]

    def _session(self, moved: Sequence[float]) -> Session:
        self._count += 1
        entries = []
        for number, (night, hour) in enumerate(zip(moved, self._hours, strict=True)):
            own = 1.6 + night + self._draw.gauss(0, hour)
            values = [own - self._draw.expovariate(1 / 0.005) for _ in range(4)]
            entries.append(benchmark(f"net{number}-b1", samples={"native-fp32": sample(values)}))
        content = ended_later(document(*entries))
        return Session(Path(f"session-{self._count}.json"), str(self._count), content, as_run(content))

    def baseline(self, sessions: int = 3) -> StoredRun:
        night = self.night(sessions)
        return night[0].run if sessions == 1 else as_run(combined(night))


def alarms(shared: float, history: int, sessions: int, classes: int = CLASSES) -> int:
    """Return how many of some unchanged sessions raise an alarm against the last of some baselines."""
    draw, count = random.Random(20190713), 0
    for _ in range(classes):
        machine = Machine(draw, shared)
        stored = [machine.baseline(sessions) for _ in range(history)]
        now = machine.night(1)[0].run
        gate = make_gate("made", stored[-1], now.perf, list(now.cases), ["cnn"], TOLERANCES, stored)
        with unstated():
            verdicts = gate.judged(list(now.cases.values())).verdicts.values()
        count += any(verdict.kind == "drifted" for verdict in verdicts)
    return count


@pytest.mark.parametrize("shared", [0.0, 1.0])
@pytest.mark.parametrize(("history", "sessions"), [(1, 3), (3, 3), (3, 1)])
def test_one_unchanged_session_in_a_hundred_raises_an_alarm(shared: float, history: int, sessions: int) -> None:
    assert alarms(shared, history, sessions) <= at_most(RUN_ERROR, CLASSES)


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_one_unchanged_refresh_in_a_hundred_is_refused_for_a_slow_session_or_for_the_sum(
    tmp_path: Path, shared: float
) -> None:
    draw, sums, slow = random.Random(1), 0, 0
    (tmp_path / "0000_made.json").touch()
    for _ in range(CLASSES):
        machine = Machine(draw, shared)
        stored = {tmp_path / f"{number:04}_made.json": machine.baseline() for number in range(3)}
        now = machine.baseline()
        creep = creep_of(now, tmp_path, stored, TOLERANCES)
        assert creep is not None
        sums += bool(creep.losses)
        with unstated():
            slow += bool(slow_sessions(now, stored, TOLERANCES))
    assert sums <= at_most(RUN_ERROR, CLASSES)
    assert slow <= at_most(RUN_ERROR, CLASSES)


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_refreshed_baselines_show_how_much_single_sessions_vary(shared: float) -> None:
    """The sessions in the middle vary by half as much: who took their variance would raise twice the alarms."""
    draw, known, true = random.Random(1), 0.0, 0.0
    for _ in range(4):
        machine = Machine(draw, shared)
        runs = [machine.baseline() for _ in range(12)]
        logs = session_variances(runs, {"cnn"}, TOLERANCES).speedups.values()
        known += sum(variance_of(values)[0] for values in logs)
        true += sum(machine.variances)
    assert known == pytest.approx(true, rel=0.3)
