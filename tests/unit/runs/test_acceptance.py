"""No sequence of saves, slices, failures, resumes and refreshes accepts a worse case without a stored reason."""

import itertools
import json
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from perf.errors import PerfError
from perf.judge.judgement import VerdictKind
from perf.runs.acceptance import Waiver, store
from perf.runs.schema import StoredCase, StoredRun, read_run
from tests.support.factories import (
    LOG_SPEEDUPS,
    TOLERANCES,
    benchmark,
    beside_baseline,
    document,
    native,
    sample,
    stack,
)

WORKLOADS = ("resnet18_v1-b1", "resnet50_v1-b1", "squeezenet1.0-b1")
NEW_WHEEL = stack(wheel="c" * 64, requirement="mxnet-mkl==1.5.1")
NO_CONSENT = Waiver()
MINUTES = itertools.count()
ITEM = "perf/cnn/test_inference.py::test_inference[{}]"


def run_of(
    changes: Mapping[str, float],
    *,
    compared: bool = True,
    wheel: str = "b",
    left_out: Mapping[str, str] | None = None,
    **context: Any,
) -> dict[str, Any]:
    """A run in which workloads run another pace than at first: log speedups change by so much. With another wheel they
    are measured beside the first one's, if the session `compared`.
    """
    entries = []
    for workload, change in changes.items():
        figures: dict[str, Any] = {"samples": {"native-fp32": sample([value + change for value in LOG_SPEEDUPS])}}
        if wheel != "b":
            figures["stack"] = stack(wheel=wheel * 64, requirement="mxnet-mkl==1.5.1")
            figures["beside"] = (
                beside_baseline(*(change + x for x in (0.001, -0.001, 0.0, 0.0005))) if compared else None
            )
        entries += [native(workload), benchmark(workload, **figures)]
    missing = {ITEM.format(name): why for name, why in (left_out or {}).items()}
    return ended_later(document(*entries, left_out=missing, **context))


def ended_later(content: dict[str, Any]) -> dict[str, Any]:
    """The run, as one that ended when no other did."""
    return {**content, "datetime": f"2026-11-23T15:00:00.{next(MINUTES):06}+00:00"}


EQUAL = dict.fromkeys(WORKLOADS, 0.0)
SLOWER = {**EQUAL, WORKLOADS[1]: -0.5}


def stored(folder: Path, content: dict[str, Any], consent: Waiver = NO_CONSENT) -> StoredRun:
    return read_run(store(content, folder, "made", consent, TOLERANCES).path)


def test_the_first_run_of_a_class_is_stored_as_it_is(tmp_path: Path) -> None:
    assert stored(tmp_path, run_of(EQUAL)).perf.accepted is None


def test_an_equal_run_replaces_it(tmp_path: Path) -> None:
    stored(tmp_path, run_of(EQUAL))
    assert stored(tmp_path, run_of(EQUAL)).perf.accepted is None
    assert len(list(tmp_path.glob("*.json"))) == 2


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (run_of(SLOWER), "drifted"),
        (run_of(SLOWER, wheel="c"), "regressed"),
        (run_of(EQUAL, wheel="c", compared=False), "inconclusive"),
    ],
    ids=["drifted", "regressed", "inconclusive"],
)
def test_what_became_worse_needs_a_reason_which_is_stored(
    tmp_path: Path, content: dict[str, Any], kind: VerdictKind
) -> None:
    stored(tmp_path, run_of(EQUAL))
    with pytest.raises(PerfError, match=rf"not stored as a baseline: .*{kind} against 0001_made\.json") as caught:
        stored(tmp_path, content)
    assert "--perf-reason=TEXT" in str(caught.value)
    assert [path.name for path in tmp_path.glob("*.json")] == ["0001_made.json"]
    accepted = stored(tmp_path, content, Waiver(reason="the fix of #1 costs that")).perf.accepted
    assert accepted is not None
    assert (accepted.baseline, accepted.reason) == ("0001_made.json", "the fix of #1 costs that")
    assert accepted.verdicts["resnet50_v1-b1-mkl-fp32"] == f"{kind} against 0001_made.json"


def test_a_case_that_was_dropped_does_not_come_back_slower(tmp_path: Path) -> None:
    stored(tmp_path, run_of(EQUAL))
    stored(tmp_path, run_of({WORKLOADS[0]: 0.0}), Waiver(dropped=("*",)))
    with pytest.raises(PerfError, match=r"resnet50_v1-b1-mkl-fp32 \(drifted against 0001_made\.json\)"):
        stored(tmp_path, run_of(SLOWER))


def test_a_slice_must_name_what_it_lacks(tmp_path: Path) -> None:
    stored(tmp_path, run_of(EQUAL))
    part = run_of({WORKLOADS[0]: 0.0})
    with pytest.raises(PerfError, match="it lacks 4 cases: resnet50_v1-b1-native-fp32, ") as caught:
        stored(tmp_path, part)
    assert "--perf-drop=PATTERN" in str(caught.value)
    with pytest.raises(PerfError, match=r"it lacks 2 cases: squeezenet1\.0-b1"):
        stored(tmp_path, part, Waiver(dropped=("resnet50*",)))
    accepted = stored(tmp_path, part, Waiver(dropped=("resnet50*", "squeezenet*"))).perf.accepted
    assert accepted is not None
    assert len(accepted.dropped) == 4


def test_losses_do_not_creep_in(tmp_path: Path) -> None:
    """Each step lies within the variance between sessions; their sum does not."""
    stored(tmp_path, run_of(EQUAL))
    refused = None
    for step in range(1, 40):
        try:
            stored(tmp_path, run_of({**EQUAL, WORKLOADS[1]: -0.01 * step}))
        except PerfError as error:
            refused = step, str(error)
            break
    assert refused is not None
    assert 1 < refused[0] < 20
    assert "drifted against 0001_made.json" in refused[1]


def test_one_run_is_stored_once(tmp_path: Path) -> None:
    content = run_of(EQUAL)
    stored(tmp_path, content)
    with pytest.raises(PerfError, match=r"it is stored already: 0001_made\.json"):
        stored(tmp_path, content)


def test_a_run_of_one_invocation_replaces_none_of_three(tmp_path: Path) -> None:
    stored(tmp_path, run_of(EQUAL))
    content = run_of(EQUAL)
    for entry in content["benchmarks"]:
        for of in entry["extra_info"]["samples"].values():
            of.update(floors=of["floors"][:1], typical=of["typical"][:1])
    with pytest.raises(PerfError, match=r"1 undisturbed invocation, and 0001_made\.json has 3"):
        stored(tmp_path, content)


def test_the_announcements_tables_judge_the_first_run_of_their_classes(tmp_path: Path) -> None:
    content = run_of({"resnet50_v1-b1": -0.5}, machine_class="c5.metal")
    with pytest.raises(PerfError, match="regressed against the published tables"):
        stored(tmp_path, content)
    accepted = stored(tmp_path, content, Waiver(reason="an older kernel")).perf.accepted
    assert accepted is not None
    assert accepted.baseline == "published"


@pytest.mark.parametrize("reason", [" ", "two\nlines", "bad \udcff", "\x1b[31mred"])
def test_a_reason_is_a_line_of_text(reason: str) -> None:
    with pytest.raises(PerfError, match="the reason cannot be stored"):
        Waiver(reason=reason)


@pytest.mark.parametrize("name", ["a\nb", "a/b", "", "x" * 100])
def test_a_name_is_part_of_a_files_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(PerfError, match="is no name"):
        store(run_of(EQUAL), tmp_path, name, NO_CONSENT, TOLERANCES)


def test_what_could_not_be_read_again_is_not_stored(tmp_path: Path) -> None:
    content = {**run_of(EQUAL), "padding": "x" * 51_000_000}
    with pytest.raises(PerfError, match="too large to be read: 51 MB"):
        stored(tmp_path, content)


def test_a_failed_case_is_lacking(tmp_path: Path) -> None:
    stored(tmp_path, run_of(EQUAL))
    name = f"{WORKLOADS[0]}-mkl-fp32"
    with pytest.raises(PerfError, match=f"it lacks 1 case: {name}"):
        stored(tmp_path, run_of(EQUAL, left_out={name: "wrong answers"}))


@pytest.mark.parametrize(
    ("context", "why"),
    [({"complete": False}, "it is unfinished"), ({"injected": {"mkl-fp32": 0.05}}, "slowed down on purpose")],
)
def test_what_is_no_whole_measurement_is_never_stored(tmp_path: Path, context: dict[str, Any], why: str) -> None:
    with pytest.raises(PerfError, match=why):
        stored(tmp_path, run_of(EQUAL, **context), Waiver(reason="because", dropped=("*",)))
    assert not list(tmp_path.glob("*.json"))


def test_a_run_whose_every_case_failed_is_not_stored(tmp_path: Path) -> None:
    content = run_of(
        {WORKLOADS[0]: 0.0}, left_out={f"{WORKLOADS[0]}-{v}": "killed" for v in ("native-fp32", "mkl-fp32")}
    )
    with pytest.raises(PerfError, match="no case is left: killed"):
        stored(tmp_path, content)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PerfError, match="the run cannot be stored") as caught:
        stored(tmp_path / "file" / "c5.metal", run_of(EQUAL))
    assert "--perf-resume" in str(caught.value)


# How fast each wheel is, on the log scale: what a comparison side by side finds.
QUALITY = {"b": 0.0, "c": -0.5, "d": 0.1}


class Sequences(RuleBasedStateMachine):
    """Whatever is done in whatever order: what a stored run gave up against the one before it stands in it.

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
        """What a session measures, beside the latest stored run's wheels if it compared with it."""
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
                figures["beside"] = beside_baseline(
                    *(by + x for x in (0.001, -0.001, 0.0, 0.0005)), wheel=then.stack.wheel
                )
            entries += [native(workload), benchmark(workload, **figures)]
        return ended_later(document(*entries, **context))

    def _save(self, content: dict[str, Any], consent: Waiver) -> None:
        with suppress(PerfError):
            store(content, self.folder, "made", consent, TOLERANCES)

    consents = st.builds(
        Waiver,
        dropped=st.sampled_from([(), ("resnet50*",), ("*",)]),
        reason=st.sampled_from(["", "", "wanted"]),
    )
    paces = st.dictionaries(st.sampled_from(WORKLOADS), st.sampled_from([0.0, -0.1, -0.2, -0.5, 0.3]), min_size=1)
    wheels = st.sampled_from([*QUALITY])

    @rule(paces=paces, wheel=wheels, compared=st.booleans(), consent=consents)
    def save(self, paces: dict[str, float], wheel: str, compared: bool, consent: Waiver) -> None:
        """A session of all or some cases: a slice, a new wheel, advisory or not."""
        self._save(self._session(paces, wheel, compared=compared), consent)

    @rule(paces=paces, wheel=wheels, failed=st.sampled_from(WORKLOADS), consent=consents)
    def save_with_failures(self, paces: dict[str, float], wheel: str, failed: str, consent: Waiver) -> None:
        """A session with a failed case."""
        left_out = {ITEM.format(f"{failed}-mkl-fp32"): "killed"}
        self._save(self._session(paces, wheel, left_out=left_out), consent)

    @rule(paces=paces, wheel=wheels, consent=consents)
    def interrupt(self, paces: dict[str, float], wheel: str, consent: Waiver) -> None:
        """A session that was interrupted, and saves what it has."""
        content = self._session(paces, wheel)
        self._save({**content, "perf": {**content["perf"], "complete": False}}, consent)
        self.unfinished = content

    @precondition(lambda self: self.unfinished is not None)
    @rule(consent=consents)
    def resume(self, consent: Waiver) -> None:
        """The interrupted session, finished, whatever was stored meanwhile."""
        self._save(self.unfinished or {}, consent)
        self.unfinished = None

    @rule(consent=consents)
    def refresh(self, consent: Waiver) -> None:
        """An earlier stored run proposed again, as `mxperf refresh` would."""
        for path in sorted(self.folder.glob("*.json"))[:1]:
            self._save(json.loads(path.read_text()), consent)

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
    """Whether a case lost: to a slower wheel, or with the same one."""
    if now.stack.wheel != then.stack.wheel:
        return QUALITY[now.stack.wheel[0]] < QUALITY[then.stack.wheel[0]] - 0.2
    paces = [case.samples["native-fp32"].observed for case in (now, then)]
    return paces[0] is not None and paces[1] is not None and paces[0].log_ratio < paces[1].log_ratio - 0.2


Sequences.TestCase.settings = settings(max_examples=60, stateful_step_count=8, deadline=None)
TestSequences = Sequences.TestCase
