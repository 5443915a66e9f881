"""Training jobs among the records of a run: what the projection and the charts of training need of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from perf.facts import TrainingFacts
from perf.judge.projection import Projection, TrainingJob, project
from perf.runs.record import CaseRecord

# The family whose cases are training jobs.
TRAINING_FAMILY = "dist"


@dataclass(frozen=True)
class JobRecord:
    """The `record` of a training job, with its `facts`."""

    record: CaseRecord
    facts: TrainingFacts

    @property
    def job(self) -> TrainingJob:
        """What the projection needs of it."""
        check = self.facts.check
        link = check.link_gbit_per_s
        return TrainingJob(
            ranks=self.facts.ranks,
            step_s=self.record.latency_s,
            communication_fraction=check.communication_share,
            gradient_bytes=check.gradient_bytes,
            allreduce_s={int(size): time_s for size, time_s in check.allreduce_s.items()},
            link_bits_per_s=math.inf if link is None else link * 1e9,
        )


def job_records(records: Sequence[CaseRecord]) -> list[JobRecord]:
    """Return the training jobs among records, in their order."""
    return [
        JobRecord(record, cast("TrainingFacts", record.facts)) for record in records if record.family == TRAINING_FAMILY
    ]


def projections(records: Sequence[CaseRecord], instances: Sequence[int]) -> Mapping[str, Projection]:
    """Return the projection of each network, batch and build that was trained on one and on more ranks, by a label such
    as "resnet50_v1, batch 8, mkl".
    """
    groups: dict[str, dict[str, list[TrainingJob]]] = {}
    for entry in job_records(records):
        label = f"{entry.facts.network}, batch {entry.facts.batch}, {entry.facts.build}"
        groups.setdefault(label, {}).setdefault(entry.facts.check.place, []).append(entry.job)
    projected = {label: project(places, instances) for label, places in groups.items()}
    return {label: projection for label, projection in projected.items() if projection}
