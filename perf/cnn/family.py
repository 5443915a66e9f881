"""The CNN family: its cases, and the plan that measures a network."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from perf.cnn.artifacts.prepare import Artifacts, CalibrationMode, prepare
from perf.cnn.artifacts.releases import program_for, unavailable_variants
from perf.cnn.checks.verify import verify
from perf.cnn.networks import INPUT, REFERENCE, catalogue
from perf.cnn.operators.arithmetic import EXACT, int8_arithmetic
from perf.cnn.symbols.networks import UserNetwork, prepare_user_network
from perf.facts import CnnCheck, CnnFacts
from perf.limits.roofline import arithmetic_of
from perf.measure.family import DRAWN_BYTES, FP32_BYTES, INT8_BYTES, PROCESS_BYTES, SLOT_WEIGHT, Checked, Resources
from perf.measure.plan import Plan, Program, Workload, variants_of
from perf.published import published_rows

# The name of a workload (`CnnCase.workload`).
WORKLOAD = re.compile(r"(?P<network>\S+)-b(?P<batch>[1-9]\d*)")


@dataclass(frozen=True)
class CnnCase:
    """One pytest item: a `network` at a `batch` size in one `variant`, prepared by its `family`."""

    network: str
    batch: int
    variant: str
    family: "CnnFamily"

    @property
    def subject(self) -> str:
        """The network."""
        return self.network

    @property
    def workload(self) -> str:
        """The name of the workload, such as "resnet50_v1-b8"."""
        return f"{self.network}-b{self.batch}"

    @property
    def id(self) -> str:
        """The pytest id, such as "resnet50_v1-b8-mkl-int8"."""
        return f"{self.workload}-{self.variant}"

    @property
    def roles(self) -> frozenset[str]:
        """The builds that it needs: its own, the reference's, and the one that prepares networks."""
        variants = catalogue().variants
        return frozenset({variants[self.variant].build, variants[REFERENCE].build, "zoo"})

    @property
    def weight(self) -> float:
        """The cost of its workload: 10^9 operations of a pass, plus SLOT_WEIGHT."""
        return 2 * self.batch * catalogue().gmacs(self.network) + SLOT_WEIGHT


@dataclass(frozen=True)
class CnnFamily:
    """GluonCV's networks, and those that the user brings (`brought`).

    `pretrained`: whether weights are trained, by GluonCV or, if set, from files in the folder `weights`; otherwise they
    are random. `calibration`: the mode of calibration.
    """

    pretrained: bool
    calibration: CalibrationMode
    weights: Path | None = None
    brought: tuple[UserNetwork, ...] = ()

    @property
    def name(self) -> str:
        """The folder of the family."""
        return "cnn"

    @property
    def quantisation(self) -> str:
        """The name under which drift on such a CPU is stored, such as "naive" or "trained entropy, halved weights"."""
        name = f"trained {self.calibration}" if self.pretrained else self.calibration
        arithmetic = int8_arithmetic()
        return name if arithmetic == EXACT else f"{name}, {arithmetic}"

    def cases(self, tier: str, networks: Sequence[str] = (), batches: Sequence[int] = ()) -> list[CnnCase]:
        """Return every case of a tier, network by network. `networks` and `batches`, if any, replace the tier's own."""
        selected = catalogue().tiers[tier]
        return [
            CnnCase(network, batch, variant, self)
            for network in networks or selected.networks
            for batch in batches or selected.batches
            for variant in catalogue().variants
        ]

    def case_named(self, name: str) -> CnnCase | None:
        """Return the case of a name such as "resnet18_v1-b1-mkl-fp32"; None when it is not the name of one."""
        for variant in catalogue().variants:
            parts = WORKLOAD.fullmatch(name.removesuffix(f"-{variant}"))
            if parts and name.endswith(f"-{variant}"):
                return CnnCase(parts["network"], int(parts["batch"]), variant, self)
        return None

    def plan(self, subject: str, cases: Sequence[CnnCase], resources: Resources) -> Plan[Program]:
        """Return the plan that measures the cases of one network. The reference is measured even if it is not selected.

        Raises PerfError when the network cannot be prepared.
        """
        artifacts = self._artifacts(subject, resources)
        wanted = {case.variant for case in cases} | {REFERENCE}
        unavailable = unavailable_variants(wanted, resources)
        variants = variants_of(
            catalogue().variants,
            wanted - unavailable.keys(),
            resources.build,
            lambda data: program_for(data, artifacts, resources),
        )
        batches = {case.batch: case for case in sorted(cases, key=lambda case: case.batch)}
        workloads = tuple(
            Workload(case.workload, {INPUT: (batch, *artifacts.input_shape)}, items=batch, weight=case.weight)
            for batch, case in batches.items()
        )
        return Plan(subject, variants, workloads, REFERENCE, unavailable=unavailable, family=self.name)

    def _artifacts(self, network: str, resources: Resources) -> Artifacts:
        how: dict[str, Any] = {
            "zoo": resources.build("zoo"),
            "threads": resources.cores,
            "cache": resources.cache,
            "calibration": self.calibration,
            "say": resources.say,
        }
        for brought in self.brought:
            if brought.name == network:
                return prepare_user_network(brought, **how)
        return prepare(network, pretrained=self.pretrained, weights=self.weights, **how)

    def memory_bytes(self, plan: Plan[Program], resources: Resources) -> dict[str, int]:
        """Return the bytes of each workload: parameters, images and activations in every instance of every variant."""
        programs = [variant.program for variant in plan.variants if variant.program.problem is None]
        loaded = sum(PROCESS_BYTES + program.params.stat().st_size for program in programs)
        per_value = DRAWN_BYTES + FP32_BYTES * catalogue().activations_per_input
        instances = len(resources.placements)
        return {
            workload.name: int(instances * (loaded + len(programs) * per_value * math.prod(workload.inputs[INPUT])))
            for workload in plan.workloads
        }

    def check(self, plan: Plan[Program], resources: Resources) -> dict[str, Checked[CnnCheck]]:
        """Run every variant once, untimed, on the same images, and return what was observed of each."""
        return {
            name: Checked(verified.problem, verified.facts(), verified.unjudged, verified.of_cpu)
            for name, verified in verify(plan, resources, self.quantisation).items()
        }

    def describe(self, case: CnnCase, check: CnnCheck) -> CnnFacts:
        """Return the case's row in Table 2. A multiply-add counts as two floating-point operations."""
        multiply_adds = check.multiply_adds_per_image
        flops = 2 * multiply_adds * case.batch if multiply_adds is not None else None
        moved = None
        if check.weight_values is not None and check.io_values_per_image is not None:
            # An INT8 network still takes and returns FP32. What of it stays FP32 has larger weights than are counted.
            weight_bytes = INT8_BYTES if arithmetic_of(case.variant) == "int8" else FP32_BYTES
            moved = weight_bytes * check.weight_values + FP32_BYTES * case.batch * check.io_values_per_image
        return CnnFacts(case.network, case.batch, flops, check, moved)

    def published(self, case: CnnCase) -> float | None:
        """Return Table 2's speedup; None for the reference, and for cases that are not in the table."""
        return table2().get((case.network, case.batch, case.variant))


class Table2Row(msgspec.Struct, frozen=True):
    """A row of Table 2.

    model: the network.
    batch: the batch size.
    precision: "fp32" or "int8".
    speedup_vs_native_fp32: the speedup over FP32 in the native build.
    """

    model: str
    batch: int
    precision: str
    speedup_vs_native_fp32: float


@cache
def table2() -> Mapping[tuple[str, int, str], float]:
    """Return the announcement's Table 2: the speedup over native-fp32 by network, batch size and variant."""
    return {
        (row.model, row.batch, f"mkl-{row.precision}"): row.speedup_vs_native_fp32
        for row in published_rows("table2-cnn", Table2Row)
    }
