"""One structure reads what a session adds to a run: for exports, for pages, and for merged nights."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from perf.report.page.source import read_reported
from perf.runs.night.merge import merged, read_shards
from perf.runs.schema import read_run
from perf.runs.session.run import read_measured
from tests.unit.report.page.made_pages import with_slots
from tests.unit.runs.night.made_nights import split, tonight, written

STATE: dict[str, Any] = tonight()["perf"]["state"]


@pytest.mark.parametrize("state", [STATE, None], ids=["with the machine's state", "without it"])
def test_a_merged_night_is_read_like_the_run_of_one_session(state: dict[str, Any] | None, tmp_path: Path) -> None:
    night = with_slots(tonight())
    night["perf"]["state"] = state
    path = tmp_path / "night.json"
    path.write_bytes(msgspec.json.encode(merged(read_shards(written(tmp_path, split(night))), allow_missing=False)))
    exported, shown = read_measured(path), read_reported(path, read_run(path))
    assert shown.doubt == ""
    assert exported.perf == shown.run.perf
    assert msgspec.to_builtins(exported.perf.state) == state
    slots = [record.slots for record in exported.records]
    assert list(map(list, msgspec.to_builtins(slots))) == [
        entry["extra_info"]["slots"] for entry in night["benchmarks"]
    ]
