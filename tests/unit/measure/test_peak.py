"""The machine's peak: which operations are counted."""

from dataclasses import replace
from pathlib import Path

from perf.measure.engine import Conditions
from perf.measure.journal import Journal
from perf.measure.ledger import Ledger
from perf.measure.peak import flops_of, gflop_per_s, measure_peaks
from perf.measure.tiers import effort_of
from tests.support.fakes import PLACEMENTS


def conditions(scratch: Path) -> Conditions:
    """The conditions of a tier without a size."""
    effort = replace(effort_of("smoke"), peak_size=None)
    journal = Journal(scratch / "journal", {})
    return Conditions(placements=PLACEMENTS, effort=effort, timeout_s=60, scratch=scratch, journal=journal)


def test_a_tier_without_a_size_measures_no_peak(tmp_path: Path) -> None:
    assert measure_peaks([], conditions(tmp_path), lambda *_: None, Ledger()) == {}


def test_the_rate_is_that_of_all_instances() -> None:
    assert flops_of(1000) == 2_000_000_000
    assert gflop_per_s(flops_of(1000), latency_s=0.5, instances=2) == 8.0
