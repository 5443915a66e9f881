"""The parts of a night: each item in one shard, subjects whole; and named sessions, which resume what was killed."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from perf.errors import PerfError
from perf.measure.journal import Journal
from perf.plugin.context import open_journal
from perf.plugin.options import Options
from tests.support.inline import run_inline


def collected(cache: Path, *options: str) -> list[str]:
    finished = run_inline(cache, "--collect-only", "-q", "perf", *options)
    assert finished.code == 0, finished.output
    return [line for line in finished.output.splitlines() if "::" in line]


def measured_with(item: str) -> str:
    """The subject of a measured case; "" for a check."""
    training = "test_scaling" in item
    return item.partition("[")[2].rpartition("-r" if training else "-b")[0]


@pytest.mark.parametrize("tier", ["quick", "nightly"])
def test_shards_are_disjoint_complete_and_split_no_subject(tmp_path: Path, tier: str) -> None:
    whole = collected(tmp_path, f"--perf-tier={tier}")
    shards = [collected(tmp_path, f"--perf-tier={tier}", f"--perf-shard={number}/3") for number in (1, 2, 3)]
    assert sorted(item for shard in shards for item in shard) == sorted(whole)
    assert all(shards)
    assert [item for item in whole if item in shards[1]] == shards[1], "the order of the items changed"
    places = Counter(subject for shard in shards for subject in set(filter(None, map(measured_with, shard))))
    assert len(places) >= 5
    assert set(places.values()) == {1}, places


def test_shards_divide_what_is_selected(tmp_path: Path) -> None:
    options = ("--perf-tier=nightly", "-k", "mobilenetv2 or squeezenet", "-m", "not accuracy")
    one, two = (collected(tmp_path, *options, f"--perf-shard={number}/2") for number in (1, 2))
    assert {item.partition("[")[2].partition("-b")[0] for item in one} == {"mobilenetv2_1.0"}
    assert {item.partition("[")[2].partition("-b")[0] for item in two} == {"squeezenet1.0"}
    assert len(one) == len(two) == 21


REFUSED = {
    ("--perf-shard=0/2",): "--perf-shard=0/2: write NUMBER/SHARDS, such as 2/4",
    ("--perf-shard=3/2",): "--perf-shard=3/2: write NUMBER/SHARDS",
    ("--perf-shard=2",): "--perf-shard=2: write NUMBER/SHARDS",
    ("--perf-shard=1/1/1",): "--perf-shard=1/1/1: write NUMBER/SHARDS",
    ("--perf-shard=1/100",): "--perf-shard=1/100: write NUMBER/SHARDS",
    ("--perf-shard=2/2", "-k", "b1-mkl-int8"): "--perf-shard=2/2: only 1 subject or check is selected; use at most 1",
    ("--perf-shard=1/2", "--benchmark-save=a"): "--perf-shard runs a part of a night: store the whole",
}


@pytest.mark.parametrize("options", REFUSED)
def test_what_cannot_work_is_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    finished = run_inline(tmp_path, "--collect-only", "-q", "perf/cnn", "--perf-tier=smoke", *options)
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert REFUSED[options] in finished.output


def opened(runs: Path, conditions: dict[str, str], *, end: bool = False, **options: Any) -> str | None:
    """When the session began that was resumed; None for a new one. It is killed unless it comes to its `end`."""
    journal = open_journal(runs, conditions, Options(**options))
    if end:
        journal.finish()
    journal.close()
    return journal.resumed


def test_a_named_session_starts_and_once_killed_resumes(tmp_path: Path) -> None:
    runs, tonight = tmp_path / "runs", Options(session="night 7", shard=(1, 2)).conditions()
    assert opened(runs, tonight, session="night 7") is None
    assert opened(runs, tonight, session="night 7") is not None
    assert len(list(runs.iterdir())) == 1
    other_night = Options(session="night 8", shard=(1, 2)).conditions()
    assert opened(runs, other_night, session="night 8") is None
    other_shard = Options(session="night 7", shard=(2, 2)).conditions()
    assert opened(runs, other_shard, session="night 7") is None
    assert opened(runs, tonight, session="night 7", end=True) is not None
    assert opened(runs, tonight, session="night 7") is None, "a complete session was resumed"
    assert len(list(runs.iterdir())) == 4


def test_a_session_under_other_conditions_starts_afresh(tmp_path: Path) -> None:
    conditions = Options(session="a").conditions()
    assert opened(tmp_path, {**conditions, "setting kernel": "6.1"}, session="a") is None
    assert opened(tmp_path, {**conditions, "setting kernel": "6.2"}, session="a") is None
    assert opened(tmp_path, {**conditions, "setting kernel": "6.1"}, session="a") is not None


def test_who_insists_on_resuming_gets_an_error_where_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="there is no unfinished session to resume"):
        opened(tmp_path, {}, session="a", resume=True)


def test_a_named_session_does_not_start_beside_another_one(tmp_path: Path) -> None:
    running = Journal(tmp_path / "1", {})
    with pytest.raises(PerfError, match="another session is still writing"):
        opened(tmp_path, {}, session="a")
    running.close()


def test_a_complete_session_does_not_hide_a_running_one(tmp_path: Path) -> None:
    running = Journal(tmp_path / "0000", {})
    with pytest.raises(PerfError, match="another session is still writing"):
        opened(tmp_path, {}, session="a")
    complete = Journal(tmp_path / "9999", {})
    complete.finish()
    complete.close()
    with pytest.raises(PerfError, match="another session is still writing"):
        opened(tmp_path, {}, session="a")
    running.close()
