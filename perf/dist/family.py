"""The family of training jobs: the same work per rank on more and more ranks, and the scaling efficiency of each."""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import msgspec

from perf.dist.data import JobEffort, Place, load
from perf.dist.launch.cluster import layout_of
from perf.dist.launch.job import default_variables
from perf.dist.program import TrainingProgram
from perf.dist.rank_group import JobStart
from perf.dist.step_breakdown import breakdown_of
from perf.errors import PerfError, WorkerError
from perf.facts import TrainingCheck, TrainingFacts
from perf.measure.family import DRAWN_BYTES, FP32_BYTES, PROCESS_BYTES, Checked, Resources
from perf.measure.plan import Plan, Variant, Workload
from perf.measure.results import Failure
from perf.measure.tiers import Effort, effort_of
from perf.measure.workers.worker_group import SEED
from perf.published import published_scaling

# Efficiency is relative to one rank.
REFERENCE = "r1"
# The side of training images in pixels: ImageNet's networks are made for it.
SIZE = 224
# Jobs take about this many times as long as their floating-point operations: they are launched for their check and
# for every invocation, and time whole steps. Only an estimate of remaining time depends on it.
WEIGHT = 10
# The rank counts on two emulated hosts: one rank, and one rank on each.
EMULATED_RANKS = (1, 2)
# The name of a case (`TrainingCase.id`).
CASE = re.compile(
    r"train-(?P<network>\S+)-b(?P<batch>[1-9]\d*)-(?P<build>native|mkl)(?P<place>-2hosts)?-r(?P<ranks>[1-9]\d*)"
)


@dataclass(frozen=True)
class TrainingCase:
    """One pytest item: a training job on a number of ranks. Its reference is the same job on one rank.

    `network`: of gluon's model zoo. `batch`: images per rank and step. `build`: "mkl" or "native". `place`: which hosts
    its ranks run on. `ranks`: how many there are. `family`: the family with its tier.
    """

    network: str
    batch: int
    build: str
    place: Place
    ranks: int
    family: "DistFamily"

    @property
    def subject(self) -> str:
        """Return what is trained, by which build and where, such as "train-resnet18_v1-b4-mkl"."""
        return f"train-{self.network}-b{self.batch}-{self.build}{'' if self.place == 'host' else '-2hosts'}"

    @property
    def workload(self) -> str:
        """Return its subject, which has one workload."""
        return self.subject

    @property
    def variant(self) -> str:
        """Return its number of ranks, such as "r2"."""
        return f"r{self.ranks}"

    @property
    def id(self) -> str:
        """Return the pytest id, such as "train-resnet18_v1-b4-mkl-r2"."""
        return f"{self.workload}-{self.variant}"

    @property
    def role(self) -> str:
        """Return the role of the build it needs."""
        return f"{self.build}-dist"

    @property
    def roles(self) -> frozenset[str]:
        """Return the roles of all builds it needs."""
        return frozenset({self.role})

    @property
    def weight(self) -> float:
        """Return how long its workload takes relative to other workloads, used only to estimate remaining time."""
        return load().networks[self.network].gflop_per_image * self.batch * WEIGHT


@dataclass(frozen=True)
class TrainingPlan(Plan[TrainingProgram]):
    """A plan of training jobs. `start` launches them, and `effort` says how hard they are measured."""

    start: JobStart
    effort: Effort


@dataclass(frozen=True)
class DistFamily:
    """Synchronous data-parallel training with Horovod, on random images of ImageNet's shape.

    `tier`: decides what is trained and how hard it is measured. `invocations`: the least number of jobs of each rank
    count, None for the tier's own.
    """

    tier: str
    invocations: int | None = None

    @property
    def name(self) -> str:
        """Return the family's folder."""
        return "dist"

    def cases(
        self, ranks: Sequence[int], networks: Sequence[str] = (), batches: Sequence[int] = ()
    ) -> list[TrainingCase]:
        """Return every case of the tier on these rank counts.

        `networks` and `batches`, if any, replace the tier's own; networks that cannot be trained are left out.
        """
        tier = load().tiers[self.tier]
        chosen = [name for name in networks if name in load().networks] if networks else tier.networks
        return [
            TrainingCase(network, batch, build, place, count, self)
            for network in chosen
            for batch in batches or tier.batches
            for build in tier.builds
            for place in tier.places
            for count in (EMULATED_RANKS if place == "emulated" else ranks)
        ]

    def case_named(self, name: str) -> TrainingCase | None:
        """Return the case of a name such as "train-resnet18_v1-b1-mkl-r2"; None when it is not the name of one.

        Raises PerfError for a network that cannot be trained.
        """
        parts = CASE.fullmatch(name)
        if parts is None:
            return None
        if parts["network"] not in load().networks:
            step = f"choose one of {', '.join(load().networks)}"
            raise PerfError(f"{parts['network']} cannot be trained", subject=name, next_step=step)
        ranks = int(parts["ranks"])
        if parts["place"] and ranks > EMULATED_RANKS[-1]:
            return None
        place: Place = "emulated" if parts["place"] else "host"
        return TrainingCase(parts["network"], int(parts["batch"]), parts["build"], place, ranks, self)

    def plan(self, subject: str, cases: Sequence[TrainingCase], resources: Resources) -> TrainingPlan:
        """Return the plan for the rank counts of one subject. One rank is measured even when it is not selected.

        Raises UnavailableError where hosts cannot be emulated, and PerfError when the build cannot be provided.
        """
        case = cases[0]
        layout = layout_of(case.place, resources)
        build = resources.build(case.role)
        arguments = {
            "network": case.network,
            "batch": case.batch,
            "seed": SEED,
            "optimizer": load().optimizer,
            "schedule": msgspec.to_builtins(load().schedule),
            "examples": load().recipe.examples,
        }
        variables = default_variables(build.mpi) if build.mpi else {}
        counts = sorted({case.ranks for case in cases} | {1})
        variants = [
            Variant(
                f"r{count}",
                build,
                TrainingProgram(f"{case.network}/b{case.batch}", count, arguments, variables),
                over=() if count == 1 else (REFERENCE,),
            )
            for count in counts
        ]
        shape = {"data": (case.batch, 3, SIZE, SIZE)}
        workload = Workload(case.workload, shape, items=case.batch, weight=case.weight * len(counts))
        effort = load().efforts[self.tier]
        return TrainingPlan(
            subject,
            tuple(variants),
            (workload,),
            REFERENCE,
            JobStart(layout, effort),
            _effort(self.tier, effort, self.invocations or effort.invocations),
            family=self.name,
        )

    def memory_bytes(self, plan: TrainingPlan, resources: Resources) -> dict[str, int]:
        """Return the memory that all ranks of all jobs need together, since they take turns.

        It is that of parameters, their gradients and momentum, the outputs that the backward pass needs, and images.
        {} with a hosts file, because the memory of other hosts is unknown.
        """
        if resources.hosts_file:
            return {}
        programs = [variant.program for variant in plan.variants]
        return {
            workload.name: sum(program.ranks * _rank_bytes(program, workload) for program in programs)
            for workload in plan.workloads
        }

    def check(self, plan: TrainingPlan, resources: Resources) -> Mapping[str, Checked[TrainingCheck]]:
        """Run one job of every rank count. Its ranks must end with the same weights, and run where they were placed; it
        also yields the breakdown of a step and the cost of an allreduce.
        """
        return {variant.name: _check(variant, plan, resources) for variant in plan.variants}

    def describe(self, case: TrainingCase, check: TrainingCheck) -> TrainingFacts:
        """Return what names the case in the table of training jobs, with what its check observed."""
        return TrainingFacts(case.network, case.batch, case.build, case.ranks, check)

    def published(self, case: TrainingCase) -> float | None:
        """Return the announcement's efficiency (Table 1) for as many instances, between 0 and 1; None for one instance,
        and where the table has no row.
        """
        return published_scaling().get(case.ranks) if case.build == "mkl" else None


def _rank_bytes(program: TrainingProgram, workload: Workload) -> int:
    network = load().networks[program.arguments["network"]]
    values = 1e6 * (3 * network.million_parameters + network.million_outputs_per_image * workload.items)
    return int(PROCESS_BYTES + FP32_BYTES * values + DRAWN_BYTES * math.prod(workload.inputs["data"]))


def _check(variant: Variant[TrainingProgram], plan: TrainingPlan, resources: Resources) -> Checked[TrainingCheck]:
    start = plan.start
    try:
        with closing(start(variant, (), resources.scratch, timeout_s=resources.timeout_s)) as group:
            group.prepare(plan.workloads[0])
            group.warm_up(plan.effort)
            breakdown = breakdown_of(group.step_parts())
            results = group.results()
            sizes, repeats = load().allreduce.sizes_bytes, load().allreduce.repeats
            cost = group.allreduce_ns(sizes, repeats=repeats) if len(results) > 1 else {}
    except WorkerError as error:
        return Checked(Failure(f"while the job was checked: {error.what}", error.last_lines), None)
    mpi = variant.build.mpi
    return Checked(
        None,
        TrainingCheck(
            place=start.layout.description,
            link_gbit_per_s=start.layout.link_gbit_per_s,
            gradient_bytes=results[0]["gradient_bytes"],
            profiled_step_s=breakdown.step_s,
            compute_s=breakdown.compute_s,
            slowest_compute_s=breakdown.slowest_s,
            communication_share=breakdown.communication_share,
            waiting_share=breakdown.waiting_share,
            timeline_s=dict(breakdown.timeline_s),
            allreduce_s={str(size): ns / 1e9 for size, ns in cost.items()},
            mpi=mpi.label if mpi else None,
        ),
    )


def _effort(tier: str, effort: JobEffort, invocations: int) -> Effort:
    """Return a tier's effort for jobs. An invocation is a fresh job of each rank count."""
    return replace(
        effort_of(tier),
        min_invocations=invocations,
        max_invocations=invocations + 1,
        block_budget_s=effort.block_budget_s,
        slot_s=effort.slot_s,
        slot_passes=effort.slot_steps,
    )
