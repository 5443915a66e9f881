"""The RNN family: its cases, and the plan that measures a fused recurrent operator."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from perf.facts import RnnCheck, RnnFacts
from perf.measure.family import DRAWN_BYTES, FP32_BYTES, PROCESS_BYTES, SLOT_WEIGHT, Checked, Resources
from perf.measure.plan import Operator, Plan, Workload, variants_of
from perf.published import published_rows
from perf.rnn.reference import GATES, Sizes
from perf.rnn.shapes import REFERENCE, Shape, catalogue, check_cells, operator_of, sizes_of
from perf.rnn.verify import verify

FP64_BYTES = 8
# The name of a workload (`RnnCase.workload`).
WORKLOAD = re.compile(
    r"(?P<cell>\w+)-(?P<inputs>[1-9]\d*)-(?P<hidden>[1-9]\d*)"
    r"-l(?P<layers>[1-9]\d*)-n(?P<batch>[1-9]\d*)-t(?P<steps>[1-9]\d*)"
)


@dataclass(frozen=True)
class RnnCase:
    """One pytest item: a `cell` with `layers` at a `shape` [N, T, C, H] in one `variant`, as its `family` plans it."""

    cell: str
    shape: Shape
    layers: int
    variant: str
    family: "RnnFamily"

    @property
    def subject(self) -> str:
        """The network, without batch and steps, such as "lstm-512-512-l4"."""
        _, _, inputs, hidden = self.shape
        return f"{self.cell}-{inputs}-{hidden}-l{self.layers}"

    @property
    def workload(self) -> str:
        """The name of the workload, such as "lstm-512-512-l4-n32-t50"."""
        batch, steps, _, _ = self.shape
        return f"{self.subject}-n{batch}-t{steps}"

    @property
    def id(self) -> str:
        """The pytest id, such as "lstm-512-512-l4-n32-t50-mkl-fp32"."""
        return f"{self.workload}-{self.variant}"

    @property
    def roles(self) -> frozenset[str]:
        """The builds that it needs: its own and the reference's."""
        variants = catalogue().variants
        return frozenset({variants[self.variant].build, variants[REFERENCE].build})

    @property
    def sizes(self) -> Sizes:
        """The sizes of its network."""
        cell = catalogue().cells[self.cell]
        _, _, inputs, hidden = self.shape
        return Sizes(cell.mode, inputs, hidden, self.layers, cell.directions)

    @property
    def flops(self) -> int:
        """Floating-point operations of a pass."""
        batch, steps, _, _ = self.shape
        return self.sizes.flops(batch, steps)

    @property
    def weight(self) -> float:
        """The cost of its workload: 10^9 operations of a pass, plus SLOT_WEIGHT."""
        return self.flops / 1e9 + SLOT_WEIGHT


@dataclass(frozen=True)
class RnnFamily:
    """Fused recurrent operators. Parameters are random: the time of a pass does not depend on their values."""

    @property
    def name(self) -> str:
        """The folder of the family."""
        return "rnn"

    def cases(
        self, tier: str, cells: Sequence[str] = (), shapes: Sequence[Shape] = (), layers: Sequence[int] = ()
    ) -> list[RnnCase]:
        """Return every case of a tier, network by network. `cells`, `shapes` and numbers of `layers`, if any, replace
        the tier's own.
        """
        selected = catalogue().tiers[tier]
        return [
            RnnCase(cell, shape, count, variant, self)
            for cell in cells or selected.cells
            for count in layers or selected.layers
            for shape in sorted(shapes or selected.shapes, key=lambda shape: shape[2:])
            for variant in catalogue().variants
        ]

    def case_named(self, name: str) -> RnnCase | None:
        """Return the case of a name such as "lstm-512-512-l4-n1-t50-mkl-fp32"; None when it is not the name of one.

        Raises PerfError for a recurrent cell that does not exist.
        """
        for variant in catalogue().variants:
            parts = WORKLOAD.fullmatch(name.removesuffix(f"-{variant}"))
            if parts and name.endswith(f"-{variant}"):
                check_cells([parts["cell"]])
                batch, steps, inputs, hidden = (int(parts[size]) for size in ("batch", "steps", "inputs", "hidden"))
                return RnnCase(parts["cell"], (batch, steps, inputs, hidden), int(parts["layers"]), variant, self)
        return None

    def plan(self, subject: str, cases: Sequence[RnnCase], resources: Resources) -> Plan[Operator]:
        """Return the plan that measures the cases of one network, and the reference even if it is not selected."""
        program = operator_of(cases[0].sizes)
        wanted = {case.variant for case in cases} | {REFERENCE}
        variants = variants_of(catalogue().variants, wanted, resources.build, lambda _: program)
        workloads = tuple({case.workload: workload_of(case) for case in cases}.values())
        return Plan(subject, variants, workloads, REFERENCE, family=self.name)

    def memory_bytes(self, plan: Plan[Operator], resources: Resources) -> dict[str, int]:
        """Return the bytes of each workload.

        It is the larger of two: one worker and the equations in double precision in this process, or all instances of
        all variants. A worker holds the inputs, the outputs, and the gates of all steps of a layer.
        """
        workers = len(plan.variants) * len(resources.placements)
        needed = {}
        for workload in plan.workloads:
            sizes = sizes_of(plan.variants[0].program, workload.inputs["data"][2])
            steps, batch, _ = workload.inputs["data"]
            drawn = sum(map(math.prod, workload.inputs.values()))
            gates = steps * batch * sizes.hidden * (GATES[sizes.mode] + sizes.directions)
            worker = PROCESS_BYTES + DRAWN_BYTES * drawn + FP32_BYTES * gates
            reference = FP32_BYTES * drawn + FP64_BYTES * sizes.values_held(batch, steps)
            needed[workload.name] = max(reference + worker, workers * worker)
        return needed

    def check(self, plan: Plan[Operator], resources: Resources) -> Mapping[str, Checked[RnnCheck]]:
        """Compare every variant with the equations in plain numpy, and observe which kernels it ran."""
        return verify(plan, resources)

    def describe(self, case: RnnCase, check: RnnCheck) -> RnnFacts:
        """Return the case's row in Table 3, with the floating-point operations of a pass."""
        shape = f"[{', '.join(map(str, case.shape))}]"
        batch, steps, _, hidden = case.shape
        outputs = steps * batch * hidden * case.sizes.directions
        moved = FP32_BYTES * (outputs + sum(map(math.prod, case.sizes.shapes(batch, steps).values())))
        return RnnFacts(case.cell, shape, case.layers, case.flops, check, moved)

    def published(self, case: RnnCase) -> float | None:
        """Return Table 3's speedup; None for the reference, and for cases that are not in the table."""
        return table3().get((case.shape, case.layers)) if (case.cell, case.variant) == ("lstm", "mkl-fp32") else None


def workload_of(case: RnnCase) -> Workload:
    """Return a case's workload: its inputs are standard normal, and its parameters are scaled."""
    batch, steps, _, _ = case.shape
    sizes = case.sizes
    return Workload(case.workload, sizes.shapes(batch, steps), items=batch, weight=case.weight, scales=sizes.scales)


class Table3Row(msgspec.Struct, frozen=True):
    """A row of Table 3, of a fused LSTM.

    batch: the batch size.
    steps: the length of the sequences.
    input: the width of the input.
    hidden: the width of the hidden state.
    layers: how many layers there are.
    speedup_vs_native: the speedup over the native build.
    """

    batch: int
    steps: int
    input: int
    hidden: int
    layers: int
    speedup_vs_native: float


@cache
def table3() -> Mapping[tuple[Shape, int], float]:
    """Return the announcement's Table 3: a fused LSTM's speedup over native by shape [N, T, C, H] and layers."""
    return {
        ((row.batch, row.steps, row.input, row.hidden), row.layers): row.speedup_vs_native
        for row in published_rows("table3-rnn", Table3Row)
    }
