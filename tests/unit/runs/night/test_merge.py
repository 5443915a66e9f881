"""Shards of one night are one run; what does not belong together is refused, naming both files."""

import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from perf.cli import main
from perf.errors import PerfError
from perf.files import read_json
from perf.runs.acceptance import Waiver, store
from perf.runs.baseline import TOLERANCES, usable_baseline
from perf.runs.judges import judge_run
from perf.runs.night.merge import merged, read_shards
from perf.runs.schema import StoredRun, read_run
from perf.runs.tolerances import read_tolerances
from tests.conftest import SmallDisk
from tests.unit.runs.night.made_nights import BASELINE, STORED, TONIGHT, shard_of, split, tonight, written

CLASS = STORED.name
Merge = Callable[..., int]


@pytest.fixture
def merge(monkeypatch: pytest.MonkeyPatch) -> Merge:
    """Runs `mxperf merge` and returns the exit code."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["mxperf", "merge", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main.main()
        assert isinstance(caught.value.code, int)
        return caught.value.code

    return run


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_merged_shards_are_the_run_that_one_session_would_have_stored(tmp_path: Path, shards: int) -> None:
    document = tonight()
    document["perf"] |= {"tolerances": {}, "wall_time_s": {}, "curves": {}, "blas": {}}
    parts = written(tmp_path, split(document, shards))
    joined = merged(read_shards([*reversed(parts)]), allow_missing=False)
    assert joined["benchmarks"] == document["benchmarks"]
    left_over = {name: value for name, value in joined["perf"].items() if document["perf"].get(name) != value}
    assert left_over.keys() == {"shards"}
    assert joined["perf"]["shard"] is None


def judged(run: StoredRun) -> Any:
    gate, verdicts = judge_run(
        run, BASELINE.name, usable_baseline(BASELINE, CLASS), STORED, read_tolerances(TOLERANCES), but=TONIGHT
    )
    return gate.comparisons, verdicts


def test_a_merged_run_is_judged_like_one_session(tmp_path: Path, merge: Merge) -> None:
    parts = written(tmp_path, split(tonight()))
    assert merge(*parts, "-o", tmp_path / "run.json") == 0
    assert judged(read_run(tmp_path / "run.json")) == judged(read_run(TONIGHT))


def test_a_single_shard_makes_as_many_comparisons_as_the_night(tmp_path: Path) -> None:
    for path in written(tmp_path, split(tonight())):
        run = read_run(path)
        comparisons, verdicts = judged(run)
        assert comparisons == judged(read_run(TONIGHT))[0]
        assert set(verdicts.verdicts) <= set(run.cases)
        assert not set(run.perf.elsewhere) & set(run.cases)


def test_cases_of_other_shards_are_not_reported_as_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, split(tonight()))[0]
    monkeypatch.setattr(sys, "argv", ["mxperf", "judge", str(path), str(BASELINE)])
    with pytest.raises(SystemExit, match="0"):
        main.main()
    output = capsys.readouterr().out
    assert "Only in the baseline" not in output
    assert "The run is shard 1 of 2 of a night: mxperf merge joins them." in output


def set_in(*keys: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = to

    return change


def another_wheel(document: dict[str, Any]) -> None:
    for benchmark in document["benchmarks"]:
        if benchmark["extra_info"]["variant"] == "mkl-int8":
            benchmark["extra_info"]["stack"]["wheel"] = "e" * 64


CONFLICTS = {
    "class": (set_in("perf", "machine_class", to="c5.metal"), "differ in the machine class: "),
    "tier": (set_in("perf", "tier", to="nightly"), "differ in the tier: quick and nightly"),
    "baseline": (set_in("perf", "compared_with", to="0004_a.json"), "differ in the baseline: 0005_quick-5.json, "),
    "setting": (
        set_in("perf", "settings", "kernel", to="7.0"),
        "differ in the setting kernel: 6.18.44-fc-v657 and 7.0",
    ),
    "options": (set_in("perf", "arguments", to=[]), "differ in the options: "),
    "commit": (set_in("commit_info", "id", to="0" * 40), "differ in the commit: "),
    "slowdown": (set_in("perf", "injected", to={"mkl-fp32": 0.1}), "differ in slowdowns on purpose: "),
    "night": (set_in("perf", "shard", "night", to="night 8"), "differ in the night (--perf-session): night 7 and "),
    "long ago": (set_in("datetime", to="2026-11-01T00:00:00+00:00"), "ended more than a day apart, at "),
    "wheel": (another_wheel, "ran another stack of mkl-int8 (cnn): wheel differs"),
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_what_does_not_belong_together_is_refused_with_both_names(
    tmp_path: Path, merge: Merge, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    change, message = CONFLICTS[name]
    one, another = split(tonight())
    change(another)
    paths = written(tmp_path, [one, another])
    assert merge(*paths, "-o", tmp_path / "run.json") == 4
    error = capsys.readouterr().err
    assert error.startswith(f"{paths[0]} and {paths[1]}: {message}")
    assert "\nnext: merge the shards of one night" in error
    assert not (tmp_path / "run.json").exists()


def test_two_of_one_number_overlap(tmp_path: Path) -> None:
    one, _ = split(tonight())
    paths = written(tmp_path, [one, one])
    with pytest.raises(PerfError, match=r"shard-1.json and .*shard-2.json: overlap: both are shard 1 of 2"):
        merged(read_shards(paths), allow_missing=True)


def test_shards_that_were_balanced_differently_are_refused(tmp_path: Path) -> None:
    document = tonight()
    one, another = split(document)
    items = dict(one["perf"]["shard"]["items"])
    moved = next(item for item, number in items.items() if number == 1)
    items[moved] = 2
    another = shard_of(document, 2, 2, items)
    another["perf"]["shard"]["balanced_by"] = "something else"
    with pytest.raises(PerfError, match=r"divide the night differently, such as .*balanced by cases and something"):
        merged(read_shards(written(tmp_path, [one, another])), allow_missing=True)


def test_a_file_that_holds_no_shard_is_refused(
    tmp_path: Path, merge: Merge, capsys: pytest.CaptureFixture[str]
) -> None:
    (part, _) = written(tmp_path, split(tonight()))
    assert merge(part, TONIGHT, "-o", tmp_path / "run.json") == 4
    assert capsys.readouterr().err.startswith(f"{TONIGHT}: is no shard of a night")
    part.write_text(part.read_text()[:1000])
    assert merge(part, "-o", tmp_path / "run.json") == 4
    assert capsys.readouterr().err.startswith(f"{part}: is damaged")


def test_a_shard_with_foreign_cases_is_refused(tmp_path: Path) -> None:
    one, another = split(tonight())
    one["benchmarks"].append(another["benchmarks"][0])
    with pytest.raises(PerfError, match=r"shard-1.json: holds what is not in shard 1 of 2"):
        read_shards(written(tmp_path, [one, another]))


@pytest.mark.parametrize(("number", "of"), [(0, 2), (3, 2), (1, 10**9), (1, -1)])
def test_an_impossible_shard_is_refused(tmp_path: Path, number: int, of: int) -> None:
    one = split(tonight())[0]
    one["perf"]["shard"] |= {"number": number, "of": of, "items": {}}
    with pytest.raises(PerfError, match=rf"shard-1.json: cannot be shard {number} of {of} of a night"):
        read_shards(written(tmp_path, [one]))


def test_a_missing_shard_is_an_error_unless_it_is_allowed(
    tmp_path: Path, merge: Merge, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = written(tmp_path, split(tonight(), 3))
    output = tmp_path / "run.json"
    assert merge(paths[0], paths[2], "-o", output) == 4
    assert "1 shard of 3 missing: 2\nnext: add their files, or merge" in capsys.readouterr().err
    assert merge(paths[0], paths[2], "-o", output, "--allow-missing") == 0
    run, lost = read_run(output), read_run(paths[1])
    assert not run.perf.complete
    assert set(run.perf.left_out) == {each.fullname for each in lost.benchmarks} | {"checks of answers of shard 2"}
    assert set(run.perf.left_out.values()) == {"not run: shard 2 of 3 is missing"}
    assert judged(run)[0] == judged(read_run(TONIGHT))[0], "the night has fewer comparisons"
    monkeypatch.setattr(sys, "argv", ["mxperf", "judge", str(output), str(BASELINE), "--strict"])
    with pytest.raises(SystemExit, match="3"):
        main.main()
    assert "not run: shard 2 of 3 is missing" in capsys.readouterr().out


def test_what_an_unfinished_shard_did_not_run_is_left_out(tmp_path: Path) -> None:
    one, another = split(tonight())
    gone = another["benchmarks"].pop()
    another["perf"]["complete"] = False
    joined = merged(read_shards(written(tmp_path, [one, another])), allow_missing=False)
    assert joined["perf"]["left_out"] == {gone["fullname"]: "not run: shard 2 of 2 is unfinished"}
    assert not joined["perf"]["complete"]


def test_shards_of_two_machines_of_a_class_have_no_common_host(tmp_path: Path) -> None:
    one, another = split(tonight())
    another["perf"]["host_id"] = "f" * 16
    joined = merged(read_shards(written(tmp_path, [one, another])), allow_missing=False)
    assert joined["perf"]["host_id"] is None
    assert [part["host_id"] for part in joined["perf"]["shards"]] == [one["perf"]["host_id"], "f" * 16]


def test_a_merged_run_can_be_stored_and_a_shard_cannot(tmp_path: Path) -> None:
    parts = written(tmp_path, split(tonight()))
    shelf, tolerances = tmp_path / "stored", read_tolerances(TOLERANCES)
    with pytest.raises(PerfError, match="it is shard 1 of a night"):
        store(read_json(parts[0], dict), shelf, "night", Waiver(), tolerances)
    with pytest.raises(PerfError, match="is shard 1 of 2 of a night"):
        usable_baseline(parts[0], CLASS)
    stored = store(merged(read_shards(parts), allow_missing=False), shelf, "night", Waiver(), tolerances)
    assert usable_baseline(stored.path, CLASS).cases == read_run(TONIGHT).cases


def test_a_shard_is_never_replaced_by_what_is_merged(
    tmp_path: Path, merge: Merge, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run of a night that lacks a shard cannot be merged with it later."""
    part, _ = written(tmp_path, split(tonight()))
    content = part.read_bytes()
    (tmp_path / "link.json").symlink_to(part)
    for output in (part, tmp_path / "link.json"):
        assert merge(part, "-o", output, "--allow-missing") == 4
        assert capsys.readouterr().err.startswith(f"{output}: is one of the shards, and would be replaced\nnext: name")
    assert part.read_bytes() == content


def test_a_run_that_cannot_be_written_is_an_error_and_leaves_nothing(
    tmp_path: Path, merge: Merge, small_disk: SmallDisk, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, make_read_only = small_disk
    parts = written(tmp_path, split(tonight()))
    (folder / "filler").write_bytes(b"x" * (20 * 2**20 - 100_000))
    assert merge(*parts, "-o", folder / "run.json") == 4
    assert capsys.readouterr().err.startswith(f"{folder / 'run.json'}: cannot be written: No space left")
    make_read_only()
    assert merge(*parts, "-o", folder / "run.json") == 4
    assert [path.name for path in folder.iterdir()] == ["filler"]


def test_the_durations_of_passes_stay_unless_the_run_becomes_too_large(
    tmp_path: Path, merge: Merge, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = deepcopy(tonight())
    for benchmark in document["benchmarks"]:
        benchmark["stats"]["data"] = [0.125] * 100
    parts, output = written(tmp_path, split(document)), tmp_path / "run.json"
    assert merge(*parts, "-o", output) == 0
    assert '"data"' in output.read_text()
    monkeypatch.setattr("perf.cli.nights.merge.MAX_BYTES", 100_000)
    assert merge(*parts, "-o", output) == 0
    assert '"data"' not in output.read_text()
    assert "Left out the durations of single passes" in capsys.readouterr().out


def test_the_marked_tolerances_of_all_shards_are_kept(tmp_path: Path) -> None:
    parts = split(tonight())
    marked: dict[str, Any] = {}
    for part in parts:
        info = part["benchmarks"][-1]["extra_info"]
        part["perf"]["tolerances"] = {f"{info['workload']}-{info['variant']}": {"change": 0.1, "resolution": None}}
        marked |= part["perf"]["tolerances"]
    joined = merged(read_shards(written(tmp_path, parts)), allow_missing=False)
    assert joined["perf"]["tolerances"] == marked
    assert len(marked) == len(parts)


def test_the_curves_and_the_wall_time_of_all_shards_are_kept(tmp_path: Path) -> None:
    first, last = split(tonight())
    digits, recipe = {1: [(0.5, 0.4), (0.9, 0.8)], 2: [(0.5, 0.3), (0.9, 0.7)]}, {1: [(0.1, 0.1)]}
    first["perf"] |= {"curves": {"digits": digits}, "wall_time_s": {"measuring": 60.0, "training": 30.0}}
    last["perf"] |= {"curves": {"resnet18_v1": recipe}, "wall_time_s": {"measuring": 5.0}}
    last["datetime"] = "2026-11-27T05:00:00+00:00"
    joined = merged(read_shards(written(tmp_path, [first, last])), allow_missing=False)
    assert joined["perf"]["curves"] == {"digits": digits, "resnet18_v1": recipe}
    assert joined["perf"]["wall_time_s"] == {"measuring": 65.0, "training": 30.0}
