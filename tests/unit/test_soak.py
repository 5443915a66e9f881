"""What the soak calls growth."""

import random
from pathlib import Path

import pytest

from benchmarks.soak import Reading, read, table_of, trend_of

DRAW = random.Random(1)
NOISE = [DRAW.gauss(0, 0.5) for _ in range(60)]


@pytest.mark.parametrize(("leak", "grows"), [(0.0, False), (0.001, False), (0.1, True), (1.0, True), (-1.0, False)])
def test_a_leak_differs_from_noise(leak: float, grows: bool) -> None:
    values = [150 + noise + leak * number for number, noise in enumerate(NOISE)]
    assert trend_of(values).grows == grows


def test_a_few_outliers_are_no_growth() -> None:
    assert not trend_of([150.0] * 55 + [400.0] * 5).grows


def test_a_file_in_ten_sessions_is_growth() -> None:
    assert trend_of([float(6 + number // 10) for number in range(60)]).grows


def test_the_first_leak_of_processes_is_growth_from_none() -> None:
    assert trend_of([number / 2 for number in range(40)]).grows


def test_a_table_names_what_grows() -> None:
    readings = [Reading(150.0, 6.0 + number, 0.0, 0.0, 0.5) for number in range(20)]
    table, grows = table_of(readings)
    assert grows
    assert [*table.columns[-1].cells] == ["flat", "GROWS", "flat", "flat", "flat"]


def test_what_is_in_use_is_read(tmp_path: Path) -> None:
    temporary, cache = tmp_path / "tmp", tmp_path / "cache"
    for folder in (temporary, cache):
        folder.mkdir()
        (folder / "file").write_bytes(bytes(1_000_000))
    (cache / "link").symlink_to(temporary)
    reading = read(temporary, cache)
    assert reading.temporary_files == 1
    assert 1.0 <= reading.cache_mb < 1.1
    assert reading.processes == 0
    assert reading.memory_mb > 10
