"""The family of training jobs: the same work per rank on more and more ranks, and what of its pace is kept."""

import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import msgspec

from perf.dist.data import JobEffort, Place, load
from perf.dist.launch.cluster import layout_of
from perf.dist.launch.job import settings_of
from perf.dist.rank_group import JobStart, TrainingJob
from perf.dist.step_breakdown import breakdown_of
from perf.errors import WorkerError
from perf.facts import TrainingCheck, TrainingFacts
from perf.measure.family import DRAWN_BYTES, FP32_BYTES, PROCESS_BYTES, Checked, Resources
from perf.measure.plan import Plan, Variant, Workload
from perf.measure.results import Failure
from perf.measure.tiers import Effort, effort_of
from perf.measure.workers.worker_group import SEED
from perf.published import published_scaling

REFERENCE = "r1"
# Of the images that a tier's network is trained on.
SIZE = 224


@dataclass(frozen=True)
class TrainingCase:
    """One pytest item: a training job on so many ranks. Its variant is the number of ranks, its reference one rank."""

    network: str
    batch: int
    build: str
    place: Place
    ranks: int
    family: "DistFamily"

    @property
    def subject(self) -> str:
        """What is trained, by which build and where, such as "train-resnet18_v1-b4-mkl"."""
        return f"train-{self.network}-b{self.batch}-{self.build}{'' if self.place == 'host' else '-2hosts'}"

    @property
    def workload(self) -> str:
        return self.subject

    @property
    def variant(self) -> str:
        return f"r{self.ranks}"

    @property
    def id(self) -> str:
        """The pytest id, such as "train-resnet18_v1-b4-mkl-r2"."""
        return f"{self.workload}-{self.variant}"

    @property
    def role(self) -> str:
        """The build it needs."""
        return f"{self.build}-dist"

    @property
    def roles(self) -> frozenset[str]:
        return frozenset({self.role})

    @property
    def weight(self) -> float:
        return load().networks[self.network] * self.batch * 10


@dataclass(frozen=True)
class TrainingPlan(Plan[TrainingJob]):
    """A plan of training jobs: where they run, and how hard they are measured."""

    start: JobStart
    effort: Effort


@dataclass(frozen=True)
class DistFamily:
    """Synchronous data-parallel training with Horovod, on random images of ImageNet's shape. `tier` decides what is
    trained and how hard it is measured; `invocations` is how many jobs of each rank count there are at least, if given.
    """

    tier: str
    invocations: int | None = None

    @property
    def name(self) -> str:
        return "dist"

    def cases(
        self, ranks: Sequence[int], networks: Sequence[str] = (), batches: Sequence[int] = ()
    ) -> list[TrainingCase]:
        """Every case of the tier on these rank counts; `networks` (those that can be trained) and `batches` replace the
        tier's own when given.
        """
        share = load().tiers[self.tier]
        chosen = [name for name in networks if name in load().networks] if networks else share.networks
        return [
            TrainingCase(network, batch, build, place, count, self)
            for network in chosen
            for batch in batches or share.batches
            for build in share.builds
            for place in share.places
            for count in ([1, 2] if place == "emulated" else ranks)
        ]

    def plan(self, subject: str, cases: Sequence[TrainingCase], resources: Resources) -> TrainingPlan:
        """The plan for the rank counts of one subject; one rank is measured even when it is not selected.

        UnavailableError when there can be no such hosts here, PerfError when the build cannot be had.
        """
        some = cases[0]
        layout = layout_of(some.place, resources)
        build = resources.build(some.role)
        task = {
            "network": some.network,
            "batch": some.batch,
            "seed": SEED,
            "optimizer": load().optimizer,
            "schedule": msgspec.to_builtins(load().schedule),
            "examples": load().recipe.examples,
        }
        settings = settings_of(build.mpi) if build.mpi else {}
        counts = sorted({case.ranks for case in cases} | {1})
        variants = [
            Variant(
                f"r{count}",
                build,
                TrainingJob(f"{some.network}/b{some.batch}", count, task, settings),
                over=() if count == 1 else (REFERENCE,),
            )
            for count in counts
        ]
        shape = {"data": (some.batch, 3, SIZE, SIZE)}
        workload = Workload(some.workload, shape, items=some.batch, weight=some.weight * len(counts))
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
        """Parameters, their gradients and momentum, the outputs that the backward pass needs, and the images, of all
        ranks of all jobs: these take turns. Nothing is known of other hosts' memory.
        """
        if resources.hosts_file:
            return {}
        jobs = [variant.program for variant in plan.variants]
        return {
            workload.name: sum(job.ranks * _rank_bytes(job, workload) for job in jobs) for workload in plan.workloads
        }

    def check(self, plan: TrainingPlan, resources: Resources) -> Mapping[str, Checked[TrainingCheck]]:
        """Run every rank count once: its weights must agree and its ranks sit where they were put. Then what a step is
        made of.
        """
        return {variant.name: _check(variant, plan, resources) for variant in plan.variants}

    def describe(self, case: TrainingCase, check: TrainingCheck) -> TrainingFacts:
        """Its row in the table of training jobs."""
        return TrainingFacts(case.network, case.batch, case.build, case.ranks, check)

    def published(self, case: TrainingCase) -> float | None:
        """Table 1's efficiency for as many instances, as a share; None for one, and for what it does not hold."""
        return published_scaling().get(case.ranks) if case.build == "mkl" else None


def _rank_bytes(job: TrainingJob, workload: Workload) -> int:
    kept = load().memory[job.task["network"]]
    values = 1e6 * (3 * kept.parameters + kept.outputs * workload.items)
    return int(PROCESS_BYTES + FP32_BYTES * values + DRAWN_BYTES * math.prod(workload.inputs["data"]))


def _check(variant: Variant[TrainingJob], plan: TrainingPlan, resources: Resources) -> Checked[TrainingCheck]:
    start = plan.start
    try:
        with closing(start(variant, (), resources.scratch, timeout_s=resources.timeout_s)) as group:
            group.prepare(plan.workloads[0])
            group.warm_up(plan.effort)
            profile = breakdown_of(group.profile())
            found = group.end()
            sizes, repeats = load().allreduce.sizes_bytes, load().allreduce.repeats
            cost = group.allreduce_ns(sizes, repeats=repeats) if found[1:] else {}
    except WorkerError as error:
        return Checked(Failure(f"in a first job: {error.what}", error.last_words), None)
    mpi = variant.build.mpi
    return Checked(
        None,
        TrainingCheck(
            place=start.layout.words,
            link_gbit_per_s=start.layout.link_gbit_per_s,
            gradient_bytes=found[0]["gradient_bytes"],
            profiled_step_s=profile.step_s,
            compute_s=profile.compute_s,
            slowest_compute_s=profile.slowest_s,
            communication_share=profile.communication_share,
            waiting_share=profile.waiting_share,
            timeline_s=dict(profile.timeline_s),
            allreduce_s={str(size): ns / 1e9 for size, ns in cost.items()},
            mpi=mpi.label if mpi else None,
        ),
    )


def _effort(tier: str, effort: JobEffort, invocations: int) -> Effort:
    """A tier's effort for jobs: a fresh one of each rank count makes an invocation."""
    return replace(
        effort_of(tier),
        min_invocations=invocations,
        max_invocations=invocations + 1,
        block_budget_s=effort.block_budget_s,
        slot_s=effort.slot_s,
        slot_passes=effort.steps,
    )
