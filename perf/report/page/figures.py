"""The announcement's Figures 1 to 6, from the cases of a run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from perf.facts import CnnFacts, RnnFacts, TrainingFacts
from perf.report.page.data import Curve, Figure, Interval
from perf.report.page.source import ReportedCase
from perf.runs.session.run import Accuracy
from perf.wording import counted

SPEEDUP = "speedup over native-fp32, log scale"
# The announcement's accuracies after 90 epochs on 16 nodes: all that it prints of Figure 6.
CONVERGED = "The announcement states a top-1 accuracy of 77.61 % in training and 75.95 % in validation after 90 epochs."
NOT_MEASURED = "No case of this figure was measured in this run."


@dataclass(frozen=True)
class _Mark:
    """A case in a figure: its `category`, its `variant`, its ratio and the announcement's."""

    category: str
    variant: str
    ratio: Interval | None
    published: float | None


def figures_of(
    cases: Sequence[ReportedCase], scaling: Mapping[int, float], accuracy: Mapping[str, Mapping[int, Accuracy]]
) -> list[Figure]:
    """Return the six figures. `scaling` is the announcement's efficiency, a fraction by number of instances; `accuracy`
    holds curves by title and number of ranks.
    """
    networks = [case for case in cases if isinstance(case.facts, CnnFacts)]
    recurrent = [case for case in cases if isinstance(case.facts, RnnFacts)]
    largest = _largest_batches(networks)
    throughput = [case for case in networks if 1 < _batch(case) == largest[case.subject]]
    latency = [case for case in networks if _batch(case) == 1]
    return [
        _speedups(1, "Inference throughput, image classification", "network at its largest batch of this run",
                  map(_network_mark, throughput)),
        _speedups(2, "Inference latency, image classification", "network at batch 1", map(_network_mark, latency)),
        _speedups(3, "Inference throughput, recurrent networks", "cell and shape [N, T, C, H], N above 1",
                  (_cell_mark(case) for case in recurrent if not _single(case))),
        _speedups(4, "Inference latency, recurrent networks", "cell and shape [1, T, C, H]",
                  (_cell_mark(case) for case in recurrent if _single(case))),
        _scaling([case for case in cases if isinstance(case.facts, TrainingFacts)], scaling),
        _accuracy(accuracy),
    ]  # fmt: skip


def _largest_batches(networks: Iterable[ReportedCase]) -> dict[str, int]:
    largest: dict[str, int] = {}
    for case in networks:
        largest[case.subject] = max(largest.get(case.subject, 0), _batch(case))
    return largest


def _batch(case: ReportedCase) -> int:
    return case.facts.batch if isinstance(case.facts, CnnFacts) else 0


def _single(case: ReportedCase) -> bool:
    return isinstance(case.facts, RnnFacts) and case.facts.shape.startswith("[1,")


def _network_mark(case: ReportedCase) -> _Mark:
    batch = _batch(case)
    return _Mark(f"{case.subject}, b{batch}" if batch > 1 else case.subject, case.variant, _ratio(case), case.published)


def _cell_mark(case: ReportedCase) -> _Mark:
    assert isinstance(case.facts, RnnFacts)
    facts = case.facts
    return _Mark(f"{facts.cell} {facts.shape} x{facts.layers}", case.variant, _ratio(case), case.published)


def _ratio(case: ReportedCase) -> Interval | None:
    estimate = case.speedup or case.efficiency
    return Interval(estimate.value, estimate.low, estimate.high) if estimate else None


def _speedups(number: int, title: str, axis: str, marks: Iterable[_Mark]) -> Figure:
    curves = []
    shown = [mark for mark in marks if mark.ratio is not None]
    for variant in sorted({mark.variant for mark in shown}):
        own = [mark for mark in shown if mark.variant == variant]
        precision = variant.rpartition("-")[2]
        measured = {mark.category: mark.ratio for mark in own if mark.ratio is not None}
        published = {mark.category: Interval(mark.published) for mark in own if mark.published is not None}
        curves.append(Curve(f"{variant}, measured", f"measured {precision}", measured))
        if published:
            curves.append(Curve(f"{variant}, published", f"published {precision}", published))
    note = "Published figures are those of a C5.24xlarge, at the same size." if curves else NOT_MEASURED
    return Figure(number=number, title=title, unit=SPEEDUP, axis=axis, curves=curves, note=note)


def _scaling(jobs: Sequence[ReportedCase], published: Mapping[int, float]) -> Figure:
    curves = []
    for number, workload in enumerate(dict.fromkeys(case.workload for case in jobs)):
        points = {
            str(case.facts.ranks): ratio.scaled(100)
            for case in jobs
            if case.workload == workload and isinstance(case.facts, TrainingFacts) and (ratio := _ratio(case))
        }
        if points:
            curves.append(Curve(f"{workload}, measured", f"measured line-{number % 4}", points))
    note = "Published: Table 1, ResNet-50 on Xeon Gold 6148. One rank is 100 % by definition."
    if curves:
        known = {str(count): Interval(100 * fraction) for count, fraction in published.items()}
        curves.append(Curve("published", "published", known))
    return Figure(
        number=5,
        title="Training on several instances",
        unit="scaling efficiency, %",
        axis="instances (ranks)",
        lines=True,
        curves=curves,
        note=note if curves else NOT_MEASURED,
    )


def _accuracy(accuracy: Mapping[str, Mapping[int, Accuracy]]) -> Figure:
    curves = []
    for title, trainings in accuracy.items():
        for number, (ranks, epochs) in enumerate(trainings.items()):
            for which, name, style in ((0, "training", "dashed"), (1, "held out", "solid")):
                points = {str(epoch + 1): Interval(100 * point[which]) for epoch, point in enumerate(epochs)}
                label = f"{title}, {counted(ranks, 'rank')}, {name}"
                curves.append(Curve(label, f"measured {style} line-{number % 4}", points))
    missing = "This run holds no curves: training for accuracy is part of the checks of answers (-m accuracy). "
    return Figure(
        number=6,
        title="Accuracy in training and held out",
        unit="top-1 accuracy, %",
        axis="epoch",
        lines=True,
        curves=curves,
        note=("" if curves else missing) + CONVERGED,
    )
