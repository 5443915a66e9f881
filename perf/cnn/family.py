"""The CNN family: its cases, and how a network becomes a plan."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from perf.cnn.artifacts.prepare import CalibrationMode, prepare
from perf.cnn.checks.verify import verify
from perf.cnn.networks import INPUT, REFERENCE, catalogue
from perf.facts import CnnCheck, CnnFacts
from perf.measure.family import DRAWN_BYTES, FP32_BYTES, PROCESS_BYTES, SLOT_WEIGHT, Checked, Resources
from perf.measure.plan import Plan, Program, Workload, variants_of
from perf.published import published_rows


@dataclass(frozen=True)
class CnnCase:
    """One pytest item: a network at a batch size in one variant."""

    network: str
    batch: int
    variant: str
    family: "CnnFamily"

    @property
    def subject(self) -> str:
        return self.network

    @property
    def workload(self) -> str:
        """The workload's name, such as "resnet50_v1-b8"."""
        return f"{self.network}-b{self.batch}"

    @property
    def id(self) -> str:
        """The pytest id, such as "resnet50_v1-b8-mkl-int8"."""
        return f"{self.workload}-{self.variant}"

    @property
    def roles(self) -> frozenset[str]:
        """Its own build, the reference's, and the one that prepares networks."""
        variants = catalogue().variants
        return frozenset({variants[self.variant].build, variants[REFERENCE].build, "zoo"})

    @property
    def weight(self) -> float:
        return 2 * self.batch * catalogue().gmacs(self.network) + SLOT_WEIGHT


@dataclass(frozen=True)
class CnnFamily:
    """Networks from GluonCV with one way of calibration: trained, by GluonCV or with the files in the folder `weights`,
    or synthetic.
    """

    pretrained: bool
    calibration: CalibrationMode
    weights: Path | None = None

    @property
    def name(self) -> str:
        return "cnn"

    @property
    def quantisation(self) -> str:
        """Under which name drift is stored: "naive", or "trained entropy", and so on."""
        return f"trained {self.calibration}" if self.pretrained else self.calibration

    def cases(self, tier: str, networks: Sequence[str] = (), batches: Sequence[int] = ()) -> list[CnnCase]:
        """Every case of a tier, network by network; `networks` and `batches` replace the tier's own when given."""
        share = catalogue().tiers[tier]
        return [
            CnnCase(network, batch, variant, self)
            for network in networks or share.networks
            for batch in batches or share.batches
            for variant in catalogue().variants
        ]

    def plan(self, subject: str, cases: Sequence[CnnCase], resources: Resources) -> Plan[Program]:
        """The plan that measures the cases of one network; the reference is measured even when it is not selected.

        PerfError when the network cannot be prepared.
        """
        artifacts = prepare(
            subject,
            zoo=resources.build("zoo"),
            threads=resources.cores,
            cache=resources.cache,
            pretrained=self.pretrained,
            weights=self.weights,
            calibration=self.calibration,
            say=resources.say,
        )
        size = artifacts.image_size
        variants = variants_of(
            catalogue().variants,
            {case.variant for case in cases} | {REFERENCE},
            resources.build,
            artifacts.program,
        )
        batches = {case.batch: case for case in sorted(cases, key=lambda case: case.batch)}
        workloads = tuple(
            Workload(case.workload, {INPUT: (batch, 3, size, size)}, items=batch, weight=case.weight)
            for batch, case in batches.items()
        )
        return Plan(subject, variants, workloads, REFERENCE, family=self.name)

    def memory_bytes(self, plan: Plan[Program], resources: Resources) -> dict[str, int]:
        """Parameters, the drawn images and what a pass keeps, in every instance of every variant."""
        programs = [variant.program for variant in plan.variants if variant.program.problem is None]
        loaded = sum(PROCESS_BYTES + program.params.stat().st_size for program in programs)
        per_value = DRAWN_BYTES + FP32_BYTES * catalogue().activations_per_input
        instances = len(resources.placements)
        return {
            workload.name: int(instances * (loaded + len(programs) * per_value * math.prod(workload.inputs[INPUT])))
            for workload in plan.workloads
        }

    def check(self, plan: Plan[Program], resources: Resources) -> dict[str, Checked[CnnCheck]]:
        """Run every variant once, untimed, on the same input."""
        return {
            name: Checked(found.problem, found.facts(), found.unjudged)
            for name, found in verify(plan, resources, self.quantisation).items()
        }

    def describe(self, case: CnnCase, check: CnnCheck) -> CnnFacts:
        """Its row in Table 2, and two floating-point operations for each multiply-add of a pass."""
        counted = check.multiply_adds_per_image
        flops = 2 * counted * case.batch if counted is not None else None
        return CnnFacts(case.network, case.batch, flops, check)

    def published(self, case: CnnCase) -> float | None:
        """Table 2's speedup; None for the reference itself and for what the table does not hold."""
        return table2().get((case.network, case.batch, case.variant))


class Published(msgspec.Struct, frozen=True):
    """A row of Table 2."""

    model: str
    batch: int
    precision: str
    speedup_vs_native_fp32: float


@cache
def table2() -> Mapping[tuple[str, int, str], float]:
    """The announcement's Table 2: speedup over native-fp32 by network, batch and variant."""
    return {
        (row.model, row.batch, f"mkl-{row.precision}"): row.speedup_vs_native_fp32
        for row in published_rows("table2-cnn", Published)
    }
