"""Which runs are stored as baselines, and when that needs a reason or the names of dropped cases."""

import re
from pathlib import Path
from typing import Any

import pytest

from perf.errors import PerfError
from perf.judge.judgement import VerdictKind
from perf.runs.acceptance import Waiver, encoded, sound, store
from tests.support.factories import TOLERANCES, document
from tests.unit.runs.made_runs import EQUAL, NO_WAIVER, SLOWER, WORKLOADS, run_of, stored


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
def test_a_worse_case_needs_a_reason_which_is_stored(
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
    with pytest.raises(PerfError, match=r"it lacks 4 cases of 0001_made\.json: resnet50_v1-b1-native-fp32, ") as caught:
        stored(tmp_path, part)
    assert "--perf-drop=PATTERN" in str(caught.value)
    with pytest.raises(PerfError, match=r"it lacks 2 cases of 0001_made\.json: squeezenet1\.0-b1"):
        stored(tmp_path, part, Waiver(dropped=("resnet50*",)))
    accepted = stored(tmp_path, part, Waiver(dropped=("resnet50*", "squeezenet*"))).perf.accepted
    assert accepted is not None
    assert len(accepted.dropped) == 4


def test_a_pattern_that_matches_no_lacking_case_is_named(tmp_path: Path) -> None:
    stored(tmp_path, run_of(EQUAL))
    part = run_of({WORKLOADS[0]: 0.0})
    with pytest.raises(PerfError, match=r"No lacking case matches resnett\*"):
        stored(tmp_path, part, Waiver(dropped=("resnett*", "squeezenet*")))
    result = store(part, tmp_path, "part", Waiver(dropped=("resnett*", "*")), TOLERANCES)
    assert "1 pattern matches no case that the run lacks: resnett*" in result.lines


@pytest.mark.parametrize("changes", [EQUAL, SLOWER])
def test_a_marker_widens_no_stored_tolerance_without_a_reason(tmp_path: Path, changes: dict[str, float]) -> None:
    stored(tmp_path, run_of(EQUAL))
    name = "resnet50_v1-b1-mkl-fp32"
    marked = run_of(changes, tolerances={name: {"change": 0.5, "resolution": 0.7}})
    why = "marked with a wider tolerance than in" if changes is EQUAL else "drifted against"
    with pytest.raises(PerfError, match=rf"{name} \({why} 0001_made\.json\)"):
        stored(tmp_path, marked)
    accepted = stored(tmp_path, marked, Waiver(reason="noisy")).perf.accepted
    assert accepted is not None
    assert list(accepted.verdicts) == [name]


def test_losses_do_not_creep_in(tmp_path: Path) -> None:
    """Each step is within the variance between sessions; their sum is not."""
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
    assert re.search(r"resnet50_v1-b1-mkl-fp32 \(-\d+\.\d% since the anchor 0001_made\.json, ", refused[1])


def test_one_run_is_stored_once(tmp_path: Path) -> None:
    content = run_of(EQUAL)
    stored(tmp_path, content)
    with pytest.raises(PerfError, match=r"the run is stored already: 0001_made\.json"):
        stored(tmp_path, content)


def test_a_run_of_one_invocation_does_not_replace_one_of_three(tmp_path: Path) -> None:
    stored(tmp_path, run_of(EQUAL))
    content = run_of(EQUAL)
    for entry in content["benchmarks"]:
        for of in entry["extra_info"]["samples"].values():
            of.update(floors=of["floors"][:1], typical=of["typical"][:1])
    with pytest.raises(PerfError, match=r"1 undisturbed invocation, 0001_made\.json has 3"):
        stored(tmp_path, content)


def test_the_first_run_of_a_published_class_is_compared_with_the_announcements_tables(tmp_path: Path) -> None:
    content = run_of({"resnet50_v1-b1": -0.5}, machine_class="c5.metal")
    with pytest.raises(PerfError, match="regressed against the published tables"):
        stored(tmp_path, content)
    accepted = stored(tmp_path, content, Waiver(reason="an older kernel")).perf.accepted
    assert accepted is not None
    assert accepted.baseline == "published"


@pytest.mark.parametrize("reason", [" ", "two\nlines", "bad \udcff", "\x1b[31mred"])
def test_a_reason_must_be_a_line_of_text(reason: str) -> None:
    with pytest.raises(PerfError, match="the reason cannot be stored"):
        Waiver(reason=reason)


@pytest.mark.parametrize("name", ["a\nb", "a/b", "", "x" * 100])
def test_a_name_must_be_valid_in_a_file_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(PerfError, match="is not a valid name"):
        store(run_of(EQUAL), tmp_path, name, NO_WAIVER, TOLERANCES)


def test_a_run_that_is_too_large_to_be_read_again_is_not_stored(tmp_path: Path) -> None:
    content = {**run_of(EQUAL), "padding": "x" * 51_000_000}
    with pytest.raises(PerfError, match="at 51 MB it would be too large"):
        stored(tmp_path, content)


def test_a_failed_case_counts_as_lacking(tmp_path: Path) -> None:
    stored(tmp_path, run_of(EQUAL))
    name = f"{WORKLOADS[0]}-mkl-fp32"
    with pytest.raises(PerfError, match=f"it lacks 1 case of 0001_made.json: {name}"):
        stored(tmp_path, run_of(EQUAL, left_out={name: "wrong answers"}))


@pytest.mark.parametrize(
    ("context", "why"),
    [({"complete": False}, "it is unfinished"), ({"injected": {"mkl-fp32": 0.05}}, "slowed down on purpose")],
)
def test_an_unfinished_or_slowed_down_run_is_never_stored(tmp_path: Path, context: dict[str, Any], why: str) -> None:
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


def test_a_run_with_paths_among_its_options_is_written() -> None:
    assert b'"/weights"' in encoded({"params": {"weights": Path("/weights")}})


def test_stored_baselines_leave_out_what_layers_cost() -> None:
    run = document()
    plain = sound(run, Path("run.json"))
    facts = run["benchmarks"][0]["extra_info"]["facts"] = {"check": {"layers": [["conv0", 1.0, 2, 3.0]], "isa": "avx2"}}
    stored = sound(run, Path("run.json"))
    assert stored["benchmarks"][0]["extra_info"]["facts"] == {"check": {"layers": [], "isa": "avx2"}}
    assert stored["benchmarks"][1:] == plain["benchmarks"][1:]
    assert facts["check"]["layers"], "the session's own run keeps them"
