"""What the report page shows, as plain data. The page embeds it as JSON, next to its JSON Schema."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from perf.runs.explanation import Explanation

# The version of the embedded data. A change that a reader of the old ones cannot read gets the next number.
PAGE_SCHEMA = 2


class Interval(msgspec.Struct, frozen=True):
    """A figure with its 95 % interval; the ends are null when the error is unknown."""

    value: Annotated[float, Meta(description="the estimate")]
    low: Annotated[float | None, Meta(description="lower end of the 95 % interval")] = None
    high: Annotated[float | None, Meta(description="upper end of the 95 % interval")] = None

    def scaled(self, factor: float) -> "Interval":
        """Return it in another unit."""
        low, high = (None if end is None else end * factor for end in (self.low, self.high))
        return Interval(self.value * factor, low, high)


class Difference(msgspec.Struct, frozen=True):
    """A fact that differs from the baseline's."""

    name: Annotated[str, Meta(description="what differs")]
    then: Annotated[str, Meta(description="its value in the baseline")]
    now: Annotated[str, Meta(description="its value in this run")]


class Answers(msgspec.Struct, frozen=True):
    """What the checks of answers observed in a case; null where a check does not apply."""

    isa: Annotated[str | None, Meta(description="kernels that ran")] = None
    sqnr_db: Annotated[float | None, Meta(description="INT8 against FP32: signal-to-quantisation-noise ratio, dB")] = (
        None
    )
    top1_agreement: Annotated[float | None, Meta(description="INT8 against FP32: fraction with the same class")] = None
    fused: Annotated[int | None, Meta(description="operators that run as fused subgraphs")] = None
    quantized: Annotated[int | None, Meta(description="operators that run in INT8")] = None
    unfused: Annotated[int | None, Meta(description="operators that fusion could have included, but did not")] = None
    output_difference: Annotated[float | None, Meta(description="largest relative difference from the reference")] = (
        None
    )
    unjudged: Annotated[str | None, Meta(description="why the answers could not be judged")] = None


class Blocks(msgspec.Struct, frozen=True):
    """The blocks of one invocation, in the order of measurement."""

    confirmation: Annotated[bool, Meta(description="whether it confirmed the case, after screening")]
    counts: Annotated[bool, Meta(description="whether the invocation counts; disturbed ones do not")]
    values: Annotated[list[float | None], Meta(description="ratio, or latency in ms, of each block; null for none")]
    disturbed: Annotated[list[int], Meta(description="numbers of the disturbed blocks, from 1, which do not count")]


class Series(msgspec.Struct, frozen=True):
    """The samples of one ratio of a case, or its latencies in ms: one value for each undisturbed invocation, in the
    order of measurement.
    """

    name: Annotated[str, Meta(description="what the case is compared with")]
    typical: Annotated[list[float], Meta(description="ratio, or latency, of the typical block of each invocation")]
    fastest: Annotated[list[float], Meta(description="ratio of the fastest slots of each invocation")]
    then: Annotated[list[float], Meta(description="the baseline's typical ratios, by invocation")]
    blocks: Annotated[
        list[Blocks], Meta(description="all blocks by invocation, disturbed ones too; empty if not recorded")
    ] = []


class SinceAnchor(msgspec.Struct, frozen=True):
    """How far a case had moved from the anchor of its machine class when a run was stored."""

    run: Annotated[str, Meta(description="run that states it: this one, or its baseline")]
    since: Annotated[str, Meta(description="stored run that the sum of changes starts with")]
    change: Annotated[Interval | None, Meta(description="ratio then over that of the anchor; null if unknown")]
    unaccepted: Annotated[float | None, Meta(description="the part since a change was last accepted; null if unknown")]


class CaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A case: its speed, its verdict and its answers."""

    name: Annotated[str, Meta(description="name of the case")]
    family: Annotated[str, Meta(description="family: cnn, rnn or dist")]
    network: Annotated[str, Meta(description="network or recurrent cell")]
    size: Annotated[str, Meta(description="batch size, or shape")]
    variant: Annotated[str, Meta(description="build and precision, or number of ranks")]
    verdict: Annotated[str, Meta(description="verdict; reference, not judged, not run or vanished without one")]
    reason: Annotated[str, Meta(description="reason for the verdict")] = ""
    percent: Annotated[bool, Meta(description="whether its ratio is a scaling efficiency, shown in percent")] = False
    ratio: Annotated[Interval | None, Meta(description="speedup over the reference, or scaling efficiency")] = None
    typical: Annotated[float | None, Meta(description="typical ratio, where it lies outside the interval")] = None
    uncertain: Annotated[bool, Meta(description="whether it rests on few or disturbed invocations")] = False
    published: Annotated[float | None, Meta(description="the announcement's figure")] = None
    baseline: Annotated[float | None, Meta(description="the ratio in the baseline")] = None
    change: Annotated[Interval | None, Meta(description="ratio now over then; below 1 is slower")] = None
    change_over: Annotated[str, Meta(description="what the change is measured against")] = ""
    tolerance: Annotated[float | None, Meta(description="loss that raises no alarm, as a fraction")] = None
    smallest_loss: Annotated[float | None, Meta(description="smallest loss that 95 of 100 such runs detect")] = None
    cause: Annotated[str, Meta(description="build or machine: where the verdict puts the change")] = ""
    controls: Annotated[list[str], Meta(description="ratios and times that did not decide, for comparison")] = []
    decision: Annotated[str, Meta(description="what the verdict was reached from")] = ""
    evaluations: Annotated[str, Meta(description="screening and confirmations, and why measuring stopped")] = ""
    since_anchor: Annotated[SinceAnchor | None, Meta(description="drift since the anchor; null if not recorded")] = None
    accepted: Annotated[list[str], Meta(description="losses of the case that were accepted, with the reasons")] = []
    changes: Annotated[list[str], Meta(description="differences from the baseline's stack")] = []
    missing: Annotated[list[str], Meta(description="differences of the baseline arm from the baseline's stack")] = []
    answers: Annotated[Answers, Meta(description="what its checks of answers observed")] = Answers()
    answers_then: Annotated[
        list[Difference] | None,
        Meta(description="answers that differ from the baseline's; null if the baseline's are not recorded"),
    ] = None
    latency_ms: Annotated[float | None, Meta(description="median latency in ms")] = None
    latency_then_ms: Annotated[float | None, Meta(description="median latency in the baseline in ms")] = None
    throughput: Annotated[float | None, Meta(description="items per second, summed over instances")] = None
    invocations: Annotated[int | None, Meta(description="invocations that measured it")] = None
    blocks: Annotated[int | None, Meta(description="blocks that measured it")] = None
    blocks_disturbed: Annotated[int | None, Meta(description="blocks that were disturbed and do not count")] = None
    samples: Annotated[list[Series], Meta(description="samples by what the case is compared with")] = []
    latencies: Annotated[Series | None, Meta(description="latencies in ms by block; null if not recorded")] = None
    command: Annotated[str, Meta(description="command that measures the case alone")] = ""


class Worst(msgspec.Struct, frozen=True, kw_only=True):
    """One of the worst cases."""

    case: Annotated[str, Meta(description="name of the case")]
    verdict: Annotated[str, Meta(description="its verdict")]
    change: Annotated[str, Meta(description="its change with interval, as text")]
    change_over: Annotated[str, Meta(description="what the change is measured against")]
    tolerance: Annotated[float | None, Meta(description="loss that raises no alarm, as a fraction")]
    cause: Annotated[str, Meta(description="build or machine, as far as it is known")]
    reason: Annotated[str, Meta(description="reason for the verdict")]
    changes: Annotated[list[str], Meta(description="differences from the baseline's stack")]
    missing: Annotated[list[str], Meta(description="differences of the baseline arm from the baseline's stack")]
    answers: Annotated[list[Difference], Meta(description="answers that differ from the baseline's")]
    command: Annotated[str, Meta(description="command that reproduces it")]


class Curve(msgspec.Struct, frozen=True):
    """A row of marks, or a line, in a figure."""

    name: Annotated[str, Meta(description="what it shows")]
    style: Annotated[str, Meta(description="CSS class of its marks")]
    points: Annotated[dict[str, Interval], Meta(description="figures by category, or by number on the horizontal axis")]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One of the announcement's figures, drawn from this run."""

    number: Annotated[int, Meta(description="number of the figure in the announcement")]
    title: Annotated[str, Meta(description="what it shows")]
    unit: Annotated[str, Meta(description="what its figures are")]
    axis: Annotated[str, Meta(description="what its categories are")]
    lines: Annotated[bool, Meta(description="whether it is drawn as lines over a number")] = False
    curves: Annotated[list[Curve], Meta(description="what it shows, measured and published")] = []
    note: Annotated[str, Meta(description="what a reader must know, or why it is empty")] = ""


class Roof(msgspec.Struct, frozen=True):
    """A peak of the machine: the flat part of the roofline."""

    name: Annotated[str, Meta(description="its arithmetic and its kernel")]
    style: Annotated[str, Meta(description="CSS class of its line")]
    gflop_per_s: Annotated[float, Meta(description="10^9 operations per second, of all instances")]


class RooflinePoint(msgspec.Struct, frozen=True):
    """A case in the roofline."""

    case: Annotated[str, Meta(description="name of the case")]
    style: Annotated[str, Meta(description="CSS class of its mark")]
    intensity: Annotated[float, Meta(description="operations for each byte of weights, inputs and outputs")]
    gflop_per_s: Annotated[float, Meta(description="10^9 operations per second, of all instances")]
    fraction: Annotated[float | None, Meta(description="fraction of its bound that it reached; null if unknown")]


class LayerBound(msgspec.Struct, frozen=True):
    """What a layer in FP32 takes at least."""

    name: Annotated[str, Meta(description="its name in the network")]
    intensity: Annotated[float, Meta(description="operations for each byte of weights, input and output")]
    arithmetic_ms: Annotated[float, Meta(description="its operations at the FP32 peak, in ms")]
    memory_ms: Annotated[float, Meta(description="its bytes at the memory's bandwidth if no cache holds any, in ms")]


class NetworkLayers(msgspec.Struct, frozen=True):
    """The layers of a network, at the largest batch of the run."""

    workload: Annotated[str, Meta(description="the network at this batch")]
    layers: Annotated[list[LayerBound], Meta(description="its convolutions and products, the longest first")]


class Roofline(msgspec.Struct, frozen=True):
    """What the machine allows, and what each case reaches of it."""

    roofs: Annotated[list[Roof], Meta(description="peaks of arithmetic by probe")]
    gb_per_s: Annotated[float, Meta(description="memory bandwidth by probe: 10^9 bytes per second, of all instances")]
    points: Annotated[list[RooflinePoint], Meta(description="cases")]
    layers: Annotated[list[NetworkLayers], Meta(description="layers by network; empty where they are not recorded")]
    lines: Annotated[list[str], Meta(description="the limits as text, and cases beyond them")]


class FalseAlarms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many runs in which nothing changed raised an alarm."""

    what: Annotated[str, Meta(description="which runs these were")]
    outcome: Annotated[str, Meta(description="runs with an alarm, of all of them")]


class Detected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often the gate detected a loss of one case, as fractions of runs."""

    case: Annotated[str, Meta(description="the slowed case")]
    loss_3: Annotated[float, Meta(description="fraction of runs that detected a loss of 3 %")]
    loss_5: Annotated[float, Meta(description="fraction of runs that detected a loss of 5 %")]


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The measured error rates of a machine class."""

    source: Annotated[str, Meta(description="document that holds the measurement")]
    measured: Annotated[str, Meta(description="when and how it was measured")]
    caution: Annotated[str, Meta(description="what limits these rates")]
    false_alarms: Annotated[list[FalseAlarms], Meta(description="runs in which nothing changed")]
    runs: Annotated[int, Meta(description="number of runs with each slower case and loss")]
    detected: Annotated[list[Detected], Meta(description="runs with one slower case")]


class Accepted(msgspec.Struct, frozen=True):
    """Losses that a user accepted when a run was stored."""

    run: Annotated[str, Meta(description="run that was stored")]
    reason: Annotated[str, Meta(description="the user's reason")]
    cases: Annotated[list[str], Meta(description="the cases, each with its verdict")]


class HistorySeries(msgspec.Struct, frozen=True, kw_only=True):
    """The last nights of one ratio of a case."""

    name: Annotated[str, Meta(description="name of the case")]
    over: Annotated[str, Meta(description="what it is compared with")]
    lost: Annotated[bool, Meta(description="whether it lost speed by more than its tolerance")]
    too_short: Annotated[bool, Meta(description="whether it has too few nights to show anything")]
    since: Annotated[str, Meta(description="level that its change refers to")]
    change: Annotated[Interval | None, Meta(description="level now over that level; null if it did not change")]
    changes: Annotated[list[str], Meta(description="its steps and its creep, with what changed then")]
    days: Annotated[list[str], Meta(description="when each night's run ended, in UTC")]
    ratios: Annotated[list[Interval], Meta(description="ratio of each night, with its 95 % interval")]
    failed: Annotated[list[bool], Meta(description="whether the case failed that night")]
    firsts: Annotated[list[str], Meta(description="first nights of its changes")]


class HistoryView(msgspec.Struct, frozen=True, kw_only=True):
    """What the history of the machine class shows."""

    problem: Annotated[str, Meta(description="why it could not be judged; empty if it was")] = ""
    coverage: Annotated[list[str], Meta(description="nights that it holds, and files that cannot be used")] = []
    warnings: Annotated[list[str], Meta(description="signs of an artefact in the last nights")] = []
    series: Annotated[list[HistorySeries], Meta(description="all series, losses first")] = []
    gone: Annotated[list[str], Meta(description="cases that the last night does not hold")] = []


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the page shows."""

    schema: Annotated[int, Meta(description="version of this structure")]
    run: Annotated[str, Meta(description="name of the run's file")]
    datetime: Annotated[str, Meta(description="when the run ended, ISO 8601")]
    machine_class: Annotated[str, Meta(description="machine class")]
    tier: Annotated[str, Meta(description="tier; empty if unknown")]
    compared: Annotated[str, Meta(description="what the run was compared with")]
    word: Annotated[str, Meta(description="the verdict on the run in one word")]
    counts: Annotated[dict[str, int], Meta(description="cases by verdict, those that were not run and vanished too")]
    worst: Annotated[list[Worst], Meta(description="the worst cases by significance")]
    warnings: Annotated[list[str], Meta(description="what makes this run say less than it seems to")]
    cases: Annotated[list[CaseRow], Meta(description="all cases")]
    figures: Annotated[list[Figure], Meta(description="the announcement's figures")]
    roofline: Annotated[Roofline | None, Meta(description="limits of the machine; null if they were not probed")]
    rates_text: Annotated[str, Meta(description="how often the gate is wrong on the class, as a sentence")]
    rates: Annotated[Rates | None, Meta(description="measured error rates of the class; null if there are none")]
    groups: Annotated[list[str], Meta(description="judgements on groups of cases of the same stack")]
    undecided: Annotated[list[str], Meta(description="undecided cases, and what would decide each")]
    wall_time_s: Annotated[dict[str, float], Meta(description="wall time by stage in seconds; empty if not recorded")]
    accepted: Annotated[list[Accepted], Meta(description="losses that were accepted")]
    origin: Annotated[list[str], Meta(description="sessions behind run and baseline, and their drift since the anchor")]
    environment: Annotated[
        list[Difference] | None,
        Meta(description="machine settings that differ from the baseline's; null without a baseline"),
    ]
    settings: Annotated[dict[str, Any], Meta(description="machine settings of this run")]
    history: Annotated[HistoryView | None, Meta(description="history of the class; null if it was not looked at")] = (
        None
    )
    explanations: Annotated[dict[str, Explanation], Meta(description="time of changed cases by operator")] = {}
