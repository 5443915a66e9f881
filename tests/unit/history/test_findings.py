"""Findings: losses against a fixed anchor or by stored ratios, with what changed that night, unless accepted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from perf.errors import PerfError
from perf.history.accepted import AcceptedLevels, read_accepted
from perf.history.findings import HistoryFindings, findings_of
from perf.history.nights import ACCEPTED, keep, read_nights
from perf.history.schema import SIDE_BY_SIDE, NightFile, read_night
from perf.history.series import SCALE_DEGREES, noise_of, series_of
from tests.support.factories import TOLERANCES, measured_side_by_side
from tests.unit.history.made_history import CASE, CASES, fill, made_run

LOSS = {"resnet50_v1-b1": -0.06}
ENTRY = '[[accepted]]\ncases = "resnet50_v1-*"\nsince = {since}\nby = "a maintainer"\nwhy = "a security fix"\n'


def findings(folder: Path) -> HistoryFindings:
    return findings_of(read_nights(folder), read_accepted(folder / ACCEPTED), TOLERANCES)


def nights(count: int, changed: int, loss: dict[str, float] = LOSS, **figures: Any) -> list[dict[str, Any]]:
    return [made_run(night, loss if night >= changed else None, **figures) for night in range(count)]


def test_a_loss_side_by_side_is_dated_and_names_what_changed(folder: Path) -> None:
    before = [made_run(night, side_by_side=True, wheel="c") for night in range(12)]
    after = [made_run(night, LOSS, side_by_side=True, wheel="d") for night in range(12, 15)]
    fill(folder, [*before, *after])
    (lost,) = findings(folder).lost
    assert (lost.series.case, lost.series.over, lost.series.anchored) == (CASE, SIDE_BY_SIDE, True)
    (change,) = lost.dated
    assert (change.point.kind, change.first.day) == ("step", 13)
    assert change.noticed.day <= 15
    assert change.changed == ("wheel: mxnet-mkl-c (cccccccccccc) -> mxnet-mkl-d (dddddddddddd)",)
    low, high = lost.changes.net.interval()
    assert low < 0.942 < high


def test_a_loss_since_the_first_night_shows_against_the_anchor(folder: Path) -> None:
    fill(folder, [made_run(night, LOSS, side_by_side=True, wheel="c") for night in range(6)])
    (lost,) = findings(folder).lost
    assert lost.dated[0].first.day == 1
    assert lost.dated[0].changed == ("wheel: mxnet-mkl==1.5.0 (bbbbbbbbbbbb) -> mxnet-mkl-c (cccccccccccc)",)


def test_a_new_anchor_starts_a_new_series(folder: Path) -> None:
    fill(folder, nights(12, 6, side_by_side=True, wheel="c"))
    assert findings(folder).lost
    for night in range(12, 15):
        run = made_run(night, side_by_side=True, wheel="c")
        for entry in run["benchmarks"]:
            if entry["extra_info"]["beside"]:
                entry["extra_info"]["beside"]["stack"]["wheel"] = "c" * 64
        fill(folder, [run])
    judged = findings(folder)
    assert judged.lost == []
    assert {len(one.series.nights) for one in judged.judged} == {3}


@pytest.mark.parametrize("side_by_side", [True, False])
def test_a_loss_of_all_cases_in_one_night_is_a_finding_of_each(folder: Path, side_by_side: bool) -> None:
    """It is not taken for an effect of the night that the cases have in common."""
    loss = dict.fromkeys(CASES, -0.06 if side_by_side else -0.3)
    fill(folder, nights(16, 12, loss, side_by_side=side_by_side, wheel="c"))
    judged = findings(folder)
    assert sorted(one.series.case for one in judged.lost) == sorted(f"{case}-mkl-fp32" for case in CASES)


def test_a_creep_of_stored_ratios_is_a_finding(folder: Path) -> None:
    runs = [made_run(night, {"resnet50_v1-b1": -0.01 * max(0, night - 12)}) for night in range(30)]
    fill(folder, runs)
    (lost,) = findings(folder).lost
    assert (lost.series.over, lost.series.anchored) == ("native-fp32", False)
    assert lost.changes.net.log_ratio < -0.05


def test_a_changed_setting_or_machine_is_named(folder: Path) -> None:
    context: dict[str, Any] = {"settings": {"kernel": "6.2.0", "governor": "performance"}, "host_id": "x"}
    after = [made_run(night, {"resnet50_v1-b1": -0.3}, **context) for night in range(16, 19)]
    fill(folder, [*nights(16, 16), *after])
    (lost,) = findings(folder).lost
    assert lost.dated[0].changed == ("kernel: 6.1.0 -> 6.2.0", "machine: 0123456789abcdef -> x")


def faster_machine(run: dict[str, Any]) -> dict[str, Any]:
    """Return a run in which the references, and so the machine, are twice as fast."""
    for case in (benchmark["extra_info"] for benchmark in run["benchmarks"]):
        if not case["samples"]:
            case["latency_s"] /= 2
    return run


@pytest.mark.parametrize(("loss", "machine", "expected"), [(-0.12, True, 0), (-0.12, False, 1), (-0.4, True, 1)])
def test_what_a_machine_of_another_speed_explains_is_no_finding(
    folder: Path, loss: float, machine: bool, expected: int
) -> None:
    after = [made_run(night, {"resnet50_v1-b1": loss}) for night in range(16, 22)]
    fill(folder, [*nights(16, 16), *(faster_machine(run) if machine else run for run in after)])
    lost = findings(folder).lost
    assert len(lost) == expected
    for one in lost:
        assert any(text.startswith("latency of native-fp32: ") for text in one.dated[0].changed) == machine


def test_a_night_without_a_latency_leaves_the_machine_out(folder: Path) -> None:
    """Without it, what the machine explains is a loss: nothing is guessed for the nights that did not keep it."""
    after = [faster_machine(made_run(night, {"resnet50_v1-b1": -0.12})) for night in range(16, 22)]
    paths = fill(folder, [*nights(16, 16), *after])
    assert findings(folder).lost == []
    night = read_night(paths[0])
    older = [msgspec.structs.replace(line, over_latency_s=None) for line in night.comparisons]
    paths[0].unlink()
    keep(NightFile(night.header, tuple(older)), folder)
    assert [one.series.machine for one in findings(folder).lost] == [None]


def test_flat_nights_and_gains_are_no_findings(folder: Path) -> None:
    fill(folder, nights(16, 10, {"resnet50_v1-b1": 0.3}))
    judged = findings(folder)
    assert judged.lost == []
    assert [one.series.case for one in judged.changed] == [CASE]


def test_a_loss_within_the_tolerance_is_no_finding(folder: Path) -> None:
    fill(folder, nights(40, 10, {"resnet50_v1-b1": -0.008}, side_by_side=True, wheel="c"))
    assert findings(folder).lost == []


@pytest.mark.parametrize("noisier", [1.0, 10.0])
def test_series_that_vary_alike_know_their_noise_better(folder: Path, noisier: float) -> None:
    """Four of eight series that are ten times as noisy show that they are not alike."""
    cases = [f"net{number}-b1" for number in range(8)]
    draw = np.random.default_rng(1)
    for night in range(16):
        moved = dict(zip(cases, draw.normal(0, 0.006, 8) * [*[noisier] * 4, *[1.0] * 4], strict=True))
        fill(folder, [made_run(night, moved, cases=cases, side_by_side=True, wheel="c")])
    scales = {
        own.scale.degrees
        for own in noise_of(series_of(read_nights(folder).files, read_accepted(folder / ACCEPTED)), TOLERANCES)
    }
    assert (scales == {SCALE_DEGREES}) == (noisier == 1.0)


def test_a_night_that_was_confirmed_weighs_no_more_than_other_nights(folder: Path) -> None:
    runs = [made_run(night, side_by_side=True) for night in range(20)]
    screened = (-0.03, -0.02, -0.01, 0.0)
    for run, values in zip(runs[10:12], (screened, screened * 3), strict=True):
        for entry in run["benchmarks"]:
            if entry["extra_info"].get("beside"):
                entry["extra_info"]["beside"] = measured_side_by_side(*values)
    fill(folder, runs)
    files = read_nights(folder, None).files
    assert [file.comparisons[-1].invocations for file in files[10:12]] == [4, 12]
    for noise in noise_of(series_of(files, AcceptedLevels()), TOLERANCES):
        assert noise.variances[11] > 0.8 * noise.variances[10]


def test_an_accepted_level_starts_the_series_there(folder: Path) -> None:
    fill(folder, nights(16, 10, {"resnet50_v1-b1": -0.3}))
    assert [one.series.case for one in findings(folder).lost] == [CASE]
    (folder / ACCEPTED).write_text(ENTRY.format(since="2026-11-11"))
    judged = findings(folder)
    assert judged.lost == []
    (series,) = [one.series for one in judged.judged if one.series.case == CASE]
    assert series.accepted is not None
    assert series.accepted.by == "a maintainer"
    assert [night.ended.day for night in series.nights] == [11, 12, 13, 14, 15, 16]
    fill(folder, [made_run(night, {"resnet50_v1-b1": -0.9}) for night in range(16, 20)])
    assert [one.series.case for one in findings(folder).lost] == [CASE]


def test_a_level_accepted_side_by_side_is_no_longer_the_anchors(folder: Path) -> None:
    fill(folder, nights(12, 6, side_by_side=True, wheel="c"))
    (folder / ACCEPTED).write_text(ENTRY.format(since="2026-11-07"))
    assert findings(folder).lost == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ENTRY.format(since='"2026-11-07"') + 'who = "a"', "unknown field `who`"),
        (ENTRY.format(since="7"), "Expected `date`"),
        (ENTRY.format(since="2026-11-07").replace("a maintainer", " "), "entry 1 has no by in one line"),
        (ENTRY.format(since="2026-11-07").replace("a security fix", ""), "entry 1 has no why in one line"),
        ('[[accepted]]\ncases = "*"\nsince = 2026-11-07\nwhy = "because"\n', "missing required field `by`"),
        ("[[accepted]\n", "is damaged"),
        ("accepted = 1\n", "Expected `array`"),
    ],
)
def test_accepted_levels_without_who_when_or_why_are_refused(
    folder: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    fill(folder, nights(5, 5))
    (folder / ACCEPTED).write_text(content)
    with pytest.raises(PerfError, match=message):
        read_accepted(folder / ACCEPTED)
    assert history("check", "--folder", folder) == 4
    error = capsys.readouterr().err
    assert error.startswith(f"{folder / ACCEPTED}: ")
    assert "next: write each as: [[accepted]]" in error


def test_a_pattern_that_matches_no_case_is_named(folder: Path) -> None:
    fill(folder, nights(5, 5))
    (folder / ACCEPTED).write_text(ENTRY.format(since="2026-11-07").replace("resnet50", "vgg16"))
    assert findings(folder).unmatched == ("vgg16_v1-*",)


def test_a_level_accepted_from_a_later_day_on_does_not_hide_its_cases(
    folder: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    fill(folder, nights(10, 5, {"resnet50_v1-b1": -0.3}))
    (folder / ACCEPTED).write_text(ENTRY.format(since="2062-11-07"))
    assert findings(folder).waiting == (CASE,)
    assert history("check", "--folder", folder) == 0
    assert f"from a day on that has no run yet: 1 case: {CASE}\n" in capsys.readouterr().out
    assert history("check", "--strict", "--folder", folder) == 3


def test_the_latest_entry_of_a_case_counts(tmp_path: Path) -> None:
    path = tmp_path / ACCEPTED
    path.write_text(ENTRY.format(since="2026-11-09") + ENTRY.format(since="2026-11-07"))
    entry = read_accepted(path).of(CASE)
    assert entry is not None
    assert entry.since.day == 9
    assert read_accepted(tmp_path / "none.toml") == AcceptedLevels()


def test_a_case_that_is_gone_is_named_and_still_judged(folder: Path) -> None:
    fill(folder, [*nights(16, 10, {"resnet50_v1-b1": -0.3}), made_run(16, cases=CASES[:1])])
    judged = findings(folder)
    workloads = ("resnet50_v1-b1", "squeezenet1.0-b1")
    assert judged.gone == tuple(f"{name}-{variant}" for name in workloads for variant in ("mkl-fp32", "native-fp32"))
    assert [one.series.case for one in judged.lost] == [CASE]


def test_a_reference_that_was_compared_once_is_not_gone(folder: Path) -> None:
    compared = made_run(0)
    compared["benchmarks"][0]["extra_info"]["beside"] = measured_side_by_side(0.0, 0.01, variant="native-fp32")
    fill(folder, [compared, made_run(1)])
    assert read_nights(folder).files[0].comparisons != read_nights(folder).files[1].comparisons
    assert findings(folder).gone == ()


@pytest.mark.parametrize(("marked", "lost"), [(15, []), (0, [CASE])])
def test_the_tolerance_that_the_last_night_was_marked_with_counts(folder: Path, marked: int, lost: list[str]) -> None:
    runs = nights(16, 10, {"resnet50_v1-b1": -0.3})
    runs[marked]["perf"]["tolerances"] = {CASE: {"change": 0.4}}
    fill(folder, runs)
    assert [one.series.case for one in findings(folder).lost] == lost


def test_a_case_is_cleared_when_it_was_judged_without_a_loss_or_accepted(folder: Path) -> None:
    fill(folder, nights(16, 10, {"resnet50_v1-b1": -0.3}))
    flat = "resnet18_v1-b1-mkl-fp32"
    assert [findings(folder).cleared(case) for case in (CASE, flat, "never-b1-mkl-fp32")] == [False, True, False]
    (folder / ACCEPTED).write_text(ENTRY.format(since="2026-11-16"))
    assert findings(folder).cleared(CASE)
    (folder / ACCEPTED).write_text(ENTRY.format(since="2027-01-01"))
    assert findings(folder).cleared(CASE), "accepted from the next night on"


def test_a_loss_that_another_stack_of_the_reference_takes_out_of_sight_is_not_cleared(folder: Path) -> None:
    loss = {"resnet50_v1-b1": -0.3}
    after = [made_run(night, loss) for night in range(16, 22)]
    for run in after:
        for entry in run["benchmarks"]:
            for over in entry["extra_info"]["samples"].values():
                over["over"]["wheel"] = "e" * 64
    fill(folder, [*nights(16, 10, loss), *after])
    assert findings(folder).lost == []
    assert not findings(folder).cleared(CASE)
    (folder / ACCEPTED).write_text(ENTRY.format(since="2026-11-19"))
    assert findings(folder).cleared(CASE)


def test_a_case_with_too_few_nights_is_not_cleared(folder: Path) -> None:
    fill(folder, nights(3, 3))
    assert not findings(folder).cleared(CASE)
