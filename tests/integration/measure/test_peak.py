"""The machine's own limit, through real builds on small matrices."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from perf.builds import Build
from perf.machine import Placement
from perf.measure.engine import Conditions
from perf.measure.journal import Journal
from perf.measure.ledger import Ledger
from perf.measure.peak import measure_peaks
from perf.measure.tiers import effort_of


def conditions(placements: tuple[Placement, ...], scratch: Path, peak_size: int | None) -> Conditions:
    effort = replace(effort_of("smoke"), peak_size=peak_size)
    journal = Journal(scratch / "journal", {})
    return Conditions(placements=placements, effort=effort, timeout_s=60, scratch=scratch, journal=journal)


def test_every_build_has_its_limit(
    builds: Mapping[str, Build], placements: tuple[Placement, ...], tmp_path: Path
) -> None:
    told: list[str] = []
    pair = [builds["native"], builds["mkl"]]
    found = measure_peaks(pair, conditions(placements, tmp_path, 256), lambda text, _: told.append(text), Ledger())
    assert set(found) == {"native", "mkl"}
    # No CPU does less than 10^8 operations a second in its own BLAS, and none 10^14.
    assert all(0.1 < rate < 1e5 for rate in found.values())
    assert told == ["matrix product 256, invocation 1"]
