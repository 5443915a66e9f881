"""Examining one network: prepare, check the answers of all variants by floors, and time a few passes of each."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from perf.census.result import FP32, NetworkResult, status_of, weakest_layers
from perf.census.settings import settings
from perf.cnn.artifacts.store import ZooFailedError
from perf.cnn.checks.verify import VerifiedVariant, verify
from perf.cnn.family import CnnFamily
from perf.cnn.networks import INPUT, INT8
from perf.cnn.symbols.networks import UserNetwork
from perf.errors import PerfError
from perf.machine import free_bytes, shortage
from perf.measure.engine import Conditions, measure
from perf.measure.family import Resources
from perf.measure.journal import Journal
from perf.measure.ledger import Ledger
from perf.measure.plan import Plan, Program

# Stored answers are not asked: they hold a defect's effects too. Nothing is stored under this name.
BY_FLOORS = "census"
# The tier whose variants are examined; all tiers have the same.
TIER = "quick"


def examine(network: str, resources: Resources, brought: UserNetwork | None = None) -> NetworkResult:
    """Return what a network shows, with synthetic weights, or with those of the files of a user's own.

    Raises PerfError for what no network is to blame for, such as a full disk.
    """
    started = time.monotonic()
    result = _examined(network, resources, brought)
    return msgspec.structs.replace(result, seconds=round(time.monotonic() - started, 1))


def _examined(network: str, resources: Resources, brought: UserNetwork | None) -> NetworkResult:
    family = CnnFamily(pretrained=False, calibration="naive", brought=(brought,) if brought else ())
    content = brought.content if brought else ""
    try:
        plan = family.plan(network, family.cases(TIER, [network], [1]), resources)
        short = shortage(family.memory_bytes(plan, resources)[plan.workloads[0].name], free_bytes())
    except PerfError as error:
        if error.subject not in {network, f"size-{network}"}:
            raise
        reason = error.cause if isinstance(error, ZooFailedError) else error.what
        return NetworkResult(network=network, content=content, status="could not be prepared", reason=reason)
    _, *shape = plan.workloads[0].inputs[INPUT]
    if short:
        return NetworkResult(
            network=network, content=content, status="could not be prepared", reason=short, shape=tuple(shape)
        )
    verified = verify(plan, resources, BY_FLOORS)
    fp32, int8 = verified[FP32], verified[INT8]
    status, reason, defects = status_of(verified, _why_no_int8(plan))
    speedups, disturbed = quick_speedups(plan, verified, resources)
    return NetworkResult(
        network=network,
        content=content,
        status=status,
        reason=reason,
        defects=defects,
        shape=tuple(shape),
        fp32_difference=fp32.output_difference,
        sqnr_db=int8.drift.sqnr_db if int8.drift else None,
        top1_agreement=int8.drift.top1_agreement if int8.drift else None,
        layers=weakest_layers(int8, settings().low_sqnr_db, settings().shown_layers),
        speedups=speedups,
        disturbed=disturbed,
    )


def _why_no_int8(plan: Plan[Program]) -> str | None:
    return next((variant.program.problem for variant in plan.variants if variant.name == INT8), None)


def quick_speedups(
    plan: Plan[Program], verified: Mapping[str, VerifiedVariant], resources: Resources
) -> tuple[dict[str, float], bool]:
    """Return the speedups over the reference, by variant, from the fastest of a few slots of one set of processes, and
    whether other programs disturbed them.

    Variants with a problem are not timed, except for INT8 that a known defect makes inaccurate: it runs all the same.
    """
    plan = replace(plan, effort=settings().effort)
    broken = {
        name: variant.problem
        for name, variant in verified.items()
        if variant.problem and not (name == INT8 and variant.drift and variant.defects)
    }
    with tempfile.TemporaryDirectory(dir=resources.scratch) as folder:
        journal = Journal(Path(folder, "journal"), {})
        conditions = Conditions(
            placements=resources.placements,
            effort=settings().effort,
            timeout_s=resources.timeout_s,
            scratch=resources.scratch,
            journal=journal,
        )
        try:
            results = measure([plan], {plan.key: broken}, conditions, lambda *_: None, Ledger())
        finally:
            journal.close()
    (measured,) = results.values()
    disturbed = not measured.undisturbed.invocations
    result = measured if disturbed else measured.undisturbed
    speedups = {}
    for variant in plan.variants:
        floors = result.floors(plan.reference, variant.name)
        if floors and variant.name != plan.reference and variant.name not in result.failures:
            reference_s, own_s = floors[0]
            speedups[variant.name] = round(reference_s / own_s, 2)
    return speedups, disturbed and bool(speedups)
