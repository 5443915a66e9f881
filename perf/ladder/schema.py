"""A measured ladder as it is stored: `ladder.json`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from perf.ladder.data import Direction
from perf.ladder.programs import Kind

# The version of the structure. A change that readers of older files cannot read gets the next number.
SCHEMA = 1

CellStatus = Literal["measured", "same stack", "not available"]
# What the ladder says of a public report.
Seen = Literal["seen", "opposite", "not seen", "not measured"]


class StoredRung(msgspec.Struct, frozen=True, kw_only=True):
    """A release of the ladder."""

    release: Annotated[str, Meta(description="its number, or the name of a candidate's file")]
    requirement: Annotated[str, Meta(description="what installs its wheel")]
    wheel: Annotated[str | None, Meta(description="content of its wheel, a sha256; null if not installed")]
    version: Annotated[str | None, Meta(description="version that the wheel reports; null if not installed")]


class StoredWorkload(msgspec.Struct, frozen=True):
    """A workload of the ladder."""

    name: Annotated[str, Meta(description="its name")]
    kind: Annotated[Kind, Meta(description="what it is")]


class StoredCell(msgspec.Struct, frozen=True, kw_only=True):
    """A workload in a release."""

    release: Annotated[str, Meta(description="the release")]
    workload: Annotated[str, Meta(description="the workload")]
    status: Annotated[CellStatus, Meta(description="whether it was measured")]
    reason: Annotated[str, Meta(description="why it was not; for the same stack, the release that runs it too")] = ""
    values: Annotated[
        list[float],
        Meta(description="log(anchor latency / latency) of each undisturbed invocation; none for the anchor"),
    ] = []
    control: Annotated[
        list[float], Meta(description="log(control latency / anchor latency) of each undisturbed invocation")
    ] = []
    speed: Annotated[float | None, Meta(description="speed over the anchor's; null if not measured")] = None
    low: Annotated[float | None, Meta(description="lower end of its 95 % interval; null if unknown")] = None
    high: Annotated[float | None, Meta(description="upper end of its 95 % interval; null if unknown")] = None
    latency_s: Annotated[float | None, Meta(description="median latency in seconds; null if not measured")] = None
    disturbed: Annotated[int, Meta(description="invocations that were disturbed and do not count")] = 0
    is_anchor: Annotated[bool, Meta(description="whether it runs the anchor's own stack")] = False
    kernels: Annotated[
        dict[str, int] | None, Meta(description="kernels of MKL-DNN and how often a pass ran each; null if not traced")
    ] = None


class StoredStep(msgspec.Struct, frozen=True, kw_only=True):
    """The change of a workload from one release to the next one that has it."""

    before: Annotated[str, Meta(description="the earlier release")]
    after: Annotated[str, Meta(description="the later release")]
    workload: Annotated[str, Meta(description="the workload")]
    change: Annotated[float | None, Meta(description="speed after over before; below 1 is slower; null if unknown")]
    low: Annotated[float | None, Meta(description="lower end of its 95 % interval; null if unknown")] = None
    high: Annotated[float | None, Meta(description="upper end of its 95 % interval; null if unknown")] = None
    p_value: Annotated[
        float | None, Meta(description="Holm's adjusted p-value over the whole ladder; null if unknown")
    ] = None
    significant: Annotated[bool, Meta(description="whether it is significant over the whole ladder")] = False
    reason: Annotated[str, Meta(description="why there is no figure, or why there can be no change")] = ""


class StoredReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a public report said of a step, and whether the ladder shows it in a workload."""

    before: Annotated[str, Meta(description="the earlier release")]
    after: Annotated[str, Meta(description="the later release")]
    workload: Annotated[str, Meta(description="the workload; empty if the ladder has none for it")]
    direction: Annotated[Direction, Meta(description="what it said")]
    statement: Annotated[str, Meta(description="what it said, in a sentence")]
    source: Annotated[str, Meta(description="its address")]
    seen: Annotated[Seen, Meta(description="whether the ladder shows it")]
    change: Annotated[float | None, Meta(description="speed after over before; null if unknown")] = None
    low: Annotated[float | None, Meta(description="lower end of its 95 % interval; null if unknown")] = None
    high: Annotated[float | None, Meta(description="upper end of its 95 % interval; null if unknown")] = None


class StoredLadder(msgspec.Struct, frozen=True, kw_only=True):
    """A measured ladder."""

    schema: Annotated[int, Meta(description="version of this structure")]
    datetime: Annotated[str, Meta(description="when it was written, ISO 8601")]
    machine_class: Annotated[str, Meta(description="machine class")]
    cpu: Annotated[str, Meta(description="model of the CPU")]
    placement: Annotated[list[str], Meta(description="where each instance ran")]
    tier: Annotated[str, Meta(description="tier of the ladder")]
    anchor: Annotated[str, Meta(description="requirement of the anchor")]
    control: Annotated[str, Meta(description="requirement of the control")]
    rungs: Annotated[list[StoredRung], Meta(description="releases, the oldest first")]
    workloads: Annotated[list[StoredWorkload], Meta(description="workloads")]
    cells: Annotated[list[StoredCell], Meta(description="each workload in each release")]
    steps: Annotated[list[StoredStep], Meta(description="changes from release to release")]
    reports: Annotated[list[StoredReport], Meta(description="public reports, compared")]
    wall_time_s: Annotated[dict[str, float], Meta(description="seconds by stage of the last command")]
