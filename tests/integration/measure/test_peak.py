"""The machine's peak, through real builds on small matrices."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from perf.builds import Build
from perf.machine import Placement
from perf.measure.engine import Conditions
from perf.measure.journal import Journal
from perf.measure.ledger import Ledger
from perf.measure.peak import measure_peaks
from perf.measure.tiers import effort_of

pytestmark = pytest.mark.alone


def conditions(placements: tuple[Placement, ...], scratch: Path, peak_size: int | None) -> Conditions:
    effort = replace(effort_of("smoke"), peak_size=peak_size)
    journal = Journal(scratch / "journal", {})
    return Conditions(placements=placements, effort=effort, timeout_s=60, scratch=scratch, journal=journal)


def test_every_build_has_its_peak(
    builds: Mapping[str, Build], placements: tuple[Placement, ...], tmp_path: Path
) -> None:
    said: list[str] = []
    pair = [builds["native"], builds["mkl"]]
    rates = measure_peaks(pair, conditions(placements, tmp_path, 256), lambda text, _: said.append(text), Ledger())
    assert set(rates) == {"native", "mkl"}
    # No CPU does less than 10^8 operations a second in its own BLAS, and none 10^14.
    assert all(0.1 < rate < 1e5 for rate in rates.values())
    assert said == ["matrix product 256, invocation 1"]
