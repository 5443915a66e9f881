"""No sequence of saves, slices, failures, resumes and refreshes accepts a worse case without a stored reason."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from perf.errors import PerfError
from perf.runs.acceptance import Waiver, store
from perf.runs.schema import StoredCase, StoredRun, read_run
from tests.support.factories import (
    LOG_SPEEDUPS,
    TOLERANCES,
    benchmark,
    document,
    measured_side_by_side,
    native,
    sample,
    stack,
)
from tests.unit.runs.made_runs import ITEM, WORKLOADS, ended_later
from tests.unit.runs.refreshing.made_sessions import built

# How fast each wheel is, on the log scale: the result of a side-by-side measurement.
QUALITY = {"b": 0.0, "c": -0.5, "d": 0.1}


class Sequences(RuleBasedStateMachine):
    """After any sequence of actions, every stored run records what was accepted against the one before it.

    A session measures a wheel on a machine that has its own pace, by which all speedups over native differ.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.unfinished: dict[str, Any] | None = None

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @property
    def runs(self) -> list[StoredRun]:
        return [read_run(path) for path in sorted(self.folder.glob("*.json"))]

    def _session(
        self, paces: Mapping[str, float], wheel: str, *, compared: bool = True, **context: Any
    ) -> dict[str, Any]:
        """Return what a session measures, side by side with the latest stored run's wheels if it `compared` them."""
        stored = self.runs[-1].cases if self.runs else {}
        entries = []
        for workload, pace in paces.items():
            then = stored.get(f"{workload}-mkl-fp32")
            log_speedup = pace + QUALITY[wheel]
            figures: dict[str, Any] = {
                "stack": stack(wheel=wheel * 64),
                "samples": {"native-fp32": sample([value + log_speedup for value in LOG_SPEEDUPS])},
            }
            if compared and then and then.stack.wheel != wheel * 64:
                by = QUALITY[wheel] - QUALITY[then.stack.wheel[0]]
                figures["beside"] = measured_side_by_side(
                    *(by + x for x in (0.001, -0.001, 0.0, 0.0005)), wheel=then.stack.wheel
                )
            entries += [native(workload), benchmark(workload, **figures)]
        return ended_later(document(*entries, **context))

    def _save(self, content: dict[str, Any], waiver: Waiver) -> None:
        with suppress(PerfError):
            store(content, self.folder, "made", waiver, TOLERANCES)

    waivers = st.builds(
        Waiver,
        dropped=st.sampled_from([(), ("resnet50*",), ("*",)]),
        reason=st.sampled_from(["", "", "wanted"]),
    )
    paces = st.dictionaries(st.sampled_from(WORKLOADS), st.sampled_from([0.0, -0.1, -0.2, -0.5, 0.3]), min_size=1)
    wheels = st.sampled_from([*QUALITY])

    @rule(paces=paces, wheel=wheels, compared=st.booleans(), waiver=waivers)
    def save(self, paces: dict[str, float], wheel: str, compared: bool, waiver: Waiver) -> None:
        """A session of all or some cases: a slice, a new wheel, advisory or not."""
        self._save(self._session(paces, wheel, compared=compared), waiver)

    @rule(paces=paces, wheel=wheels, failed=st.sampled_from(WORKLOADS), waiver=waivers)
    def save_with_failures(self, paces: dict[str, float], wheel: str, failed: str, waiver: Waiver) -> None:
        """A session with a failed case."""
        left_out = {ITEM.format(f"{failed}-mkl-fp32"): "killed"}
        self._save(self._session(paces, wheel, left_out=left_out), waiver)

    @rule(paces=paces, wheel=wheels, waiver=waivers)
    def interrupt(self, paces: dict[str, float], wheel: str, waiver: Waiver) -> None:
        """A session that was interrupted, and saves what it has."""
        content = self._session(paces, wheel)
        self._save({**content, "perf": {**content["perf"], "complete": False}}, waiver)
        self.unfinished = content

    @precondition(lambda self: self.unfinished is not None)
    @rule(waiver=waivers)
    def resume(self, waiver: Waiver) -> None:
        """The interrupted session is finished, whatever was stored in the meantime."""
        self._save(self.unfinished or {}, waiver)
        self.unfinished = None

    @rule(waiver=waivers)
    def refresh(self, waiver: Waiver) -> None:
        """An earlier stored run is proposed again, as by `mxperf refresh`."""
        for path in sorted(self.folder.glob("*.json"))[:1]:
            self._save(json.loads(path.read_text()), waiver)

    @rule(paces=paces, wheel=wheels, compared=st.booleans(), waiver=waivers)
    def refresh_from_sessions(self, paces: dict[str, float], wheel: str, compared: bool, waiver: Waiver) -> None:
        """Three sessions become one run, as by `mxperf refresh --from`."""
        with tempfile.TemporaryDirectory() as folder:
            sessions = [self._session(paces, wheel, compared=compared) for _ in range(3)]
            self._save(built(Path(folder), *sessions), waiver)

    @invariant()
    def the_anchor_stays(self) -> None:
        paths = sorted(self.folder.glob("*.json"))
        drifts = [read_run(path).perf.drift for path in paths]
        assert drifts[:1] in ([], [None])
        assert {drift.anchor if drift else None for drift in drifts[1:]} <= {path.name for path in paths[:1]}

    @invariant()
    def nothing_is_hidden(self) -> None:
        newest: dict[str, StoredCase] = {}
        oldest: dict[str, StoredCase] = {}
        before: set[str] = set()
        for run in self.runs:
            accepted = run.perf.accepted
            cases = {name: case for name, case in run.cases.items() if case.samples}
            worse = {name for name, case in cases.items() if name in newest and is_worse(case, newest[name])}
            worse |= {name for name, case in cases.items() if name in oldest and is_worse(case, oldest[name])}
            assert worse <= (accepted.verdicts.keys() if accepted else set())
            assert not worse or (accepted and accepted.reason)
            assert before - run.cases.keys() == set(accepted.dropped if accepted else ())
            for name, case in cases.items():
                begins = name not in newest or newest[name].stack.wheel != case.stack.wheel
                if begins or (accepted and name in accepted.verdicts):
                    oldest[name] = case
            newest |= cases
            before = set(run.cases)


def is_worse(now: StoredCase, then: StoredCase) -> bool:
    """Return whether a case became slower, by its wheel or with the same one."""
    if now.stack.wheel != then.stack.wheel:
        return QUALITY[now.stack.wheel[0]] < QUALITY[then.stack.wheel[0]] - 0.2
    paces = [case.samples["native-fp32"].observed for case in (now, then)]
    return paces[0] is not None and paces[1] is not None and paces[0].log_ratio < paces[1].log_ratio - 0.2


Sequences.TestCase.settings = settings(max_examples=60, stateful_step_count=8, deadline=None)
TestSequences = Sequences.TestCase
