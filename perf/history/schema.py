"""The format of a history file: lines of JSON, the first about the run, then one for each comparison of a case.

The name of a file is the time when its run ended and the start of its content's sha256, such as
20261126T151553Z-0f3a9c51d2e4.jsonl. So no two runs have the same file, git merges folders without a conflict, and a
file that was changed or cut off does not fit its name.
"""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from perf.errors import PerfError
from perf.files import decoded, read_bytes
from perf.judge.judgement import VerdictKind
from perf.runs.schema import CLASS, MOST_LOG_RATIO, Value
from perf.runs.tolerances import ToleranceEntry
from perf.stack import Stack, identity
from perf.wording import uv

# The version of the format. A change that old code cannot read gets the next number.
SCHEMA = 1
# What the first line of every history file says.
FORMAT = "mxnet-perf history"
# What a comparison is over when it was measured side by side with the baseline's stack.
SIDE_BY_SIDE = "side-by-side"
SUFFIX = ".jsonl"
NAME = re.compile(r"(\d{8}T\d{6}Z)-([0-9a-f]{12})\.jsonl")
# Digits of a sha256 that are kept: two of ten million stacks are alike with a chance of one in ten million.
_DIGITS = 12


class Comparison(msgspec.Struct, frozen=True):
    """One comparison of a case: a log ratio with its error."""

    case: Annotated[str, Meta(description="name of the case")]
    over: Annotated[str, Meta(description="reference variant; or `side-by-side`: over the baseline's stack")]
    family: Annotated[str, Meta(description="family: cnn, rnn or dist")]
    verdict: Annotated[VerdictKind | None, Meta(description="verdict on the case; null if it was not judged")]
    log_ratio: Annotated[
        float, Meta(description="log(reference latency / latency); side by side, the trimmed mean of its invocations")
    ]
    variance: Annotated[
        float,
        Meta(
            description="variance of the log ratio of one invocation, 0 if unknown; side by side, the number of "
            "invocations times the squared standard error of their trimmed mean"
        ),
    ]
    invocations: Annotated[int, Meta(description="number of undisturbed invocations")]
    stack: Annotated[str, Meta(description="digest of the case's stack")]
    over_stack: Annotated[str, Meta(description="digest of the stack that it is compared with")]
    over_latency_s: Annotated[
        float | None,
        Meta(description="latency of the reference in this run, in seconds; null side by side, or if it is not known"),
    ] = None


class RunHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: everything that is not about one comparison."""

    format: Annotated[str, Meta(description="always `mxnet-perf history`")] = FORMAT
    schema: Annotated[int, Meta(description="version of the format")] = SCHEMA
    machine_class: Annotated[str, Meta(description="machine class")]
    ended: Annotated[datetime, Meta(description="when the run ended, in UTC")]
    run: Annotated[str, Meta(description="digest of what the run measured; two files with the same one are one run")]
    host_id: Annotated[str | None, Meta(description="identifies the machine")]
    commit: Annotated[str | None, Meta(description="commit of the suite")]
    settings: Annotated[dict[str, Value], Meta(description="settings of the machine")]
    tolerances: Annotated[
        dict[str, ToleranceEntry], Meta(description="tolerances that items were marked with, by case")
    ] = {}
    not_measured: Annotated[dict[str, str], Meta(description="items and comparisons without a figure, with the reason")]
    references: Annotated[list[str], Meta(description="measured cases without a comparison, such as references")]
    fields: Annotated[dict[str, list[Any]], Meta(description="distinct values of each field of the stacks")]
    stacks: Annotated[dict[str, list[int]], Meta(description="stacks by digest: the place of each field's value")]
    comparisons: Annotated[int, Meta(description="number of lines that follow")]

    def stack(self, digest: str) -> Stack:
        """Return the stack with this digest. Raises KeyError for an unknown one, and what `msgspec.convert` raises."""
        values = {name: self.fields[name][place] for name, place in zip(self.fields, self.stacks[digest], strict=True)}
        return msgspec.convert(values, Stack)


class NightFile(msgspec.Struct, frozen=True):
    """A history file: its `header` and its `comparisons`, sorted by case and reference."""

    header: RunHeader
    comparisons: tuple[Comparison, ...]

    @property
    def cases(self) -> set[str]:
        """The names of all cases that were measured."""
        return {*self.header.references, *(line.case for line in self.comparisons)}

    @property
    def name(self) -> str:
        """The name of the file."""
        return f"{self.header.ended:%Y%m%dT%H%M%SZ}-{digest(self.content)}{SUFFIX}"

    @property
    def content(self) -> bytes:
        """The lines of the file."""
        lines = (self.header, *self.comparisons)
        return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


class _Version(msgspec.Struct):
    """What is read of a file first: another schema may differ in everything else."""

    format: str = ""
    schema: int = 0


def add_command() -> str:
    """Return the command that adds a run to the history."""
    return f"{uv()} run mxperf history add RUN.json"


def digest(content: bytes) -> str:
    """Return the start of the sha256 of some content."""
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def stack_digest(stack: Stack) -> str:
    """Return the digest of what makes a stack the same as another one (`perf.stack.identity`)."""
    return digest(msgspec.json.encode(identity(stack), order="sorted"))


def columns_of(stacks: Mapping[str, Stack]) -> tuple[dict[str, list[Any]], dict[str, list[int]]]:
    """Return `RunHeader.fields` and `RunHeader.stacks`: most stacks of a run differ in a few fields only."""
    fields: dict[str, list[Any]] = {name: [] for name in Stack.__struct_fields__}
    places: dict[str, list[int]] = {}
    for name, stack in sorted(stacks.items()):
        places[name] = []
        for field, values in fields.items():
            value = msgspec.to_builtins(getattr(stack, field))
            if value not in values:
                values.append(value)
            places[name].append(values.index(value))
    return fields, places


def read_night(path: Path) -> NightFile:
    """Return the content of a history file. Raises PerfError, naming the file and what to do next, unless it is a whole
    file of this schema with possible figures, and its content is what its name says.
    """
    step = f"restore it with git, or remove it and add its run again: {add_command()}"
    content = read_bytes(path, next_step=step)
    first, *lines = content.split(b"\n")
    if not content.strip():
        raise PerfError("is empty", subject=str(path), next_step=step)
    version = decoded(first, _Version, path, next_step=step)
    if version.format != FORMAT:
        raise PerfError("is not a history file of this suite", subject=str(path), next_step=step)
    if version.schema != SCHEMA:
        message = f"has schema {version.schema}, but this version of the suite reads schema {SCHEMA}"
        other = f"use the version of the suite that wrote it, or add its run again: {add_command()}"
        raise PerfError(message, subject=str(path), next_step=other)
    header = decoded(first, RunHeader, path, next_step=step)
    if not content.endswith(b"\n") or len(lines) - 1 != header.comparisons:
        message = f"is cut off: {max(0, len(lines) - 1)} of {header.comparisons} comparisons are there"
        raise PerfError(message, subject=str(path), next_step=step)
    named = NAME.fullmatch(path.name)
    if named is None or named[2] != digest(content):
        message = f"was changed: the name of this content ends with {digest(content)}{SUFFIX}"
        raise PerfError(message, subject=str(path), next_step=step)
    comparisons = tuple(decoded(line, Comparison, path, next_step=step) for line in lines[:-1])
    night = NightFile(header, comparisons)
    for problem in _impossible(night):
        raise PerfError(problem, subject=str(path), next_step=step)
    return night


def _unreadable(header: RunHeader) -> Iterator[str]:
    """Yield the tolerances and the stacks of a first line that cannot be."""
    for name, entry in header.tolerances.items():
        if not entry.possible:
            yield f"contains an impossible tolerance of {name}: {entry.text}"
    for name in header.stacks:
        try:
            header.stack(name)
        except (LookupError, ValueError):
            yield f"holds a stack that cannot be read: {name}"


def _impossible(night: NightFile) -> Iterator[str]:
    """Yield what cannot have been measured, and references to what the file does not hold."""
    header = night.header
    if not CLASS.fullmatch(header.machine_class):
        yield f"has an invalid machine class: {header.machine_class!r}"
    if header.ended.tzinfo is None:
        yield "does not say in which time zone its run ended"
    yield from _unreadable(header)
    seen: set[tuple[str, str]] = set()
    for line in night.comparisons:
        where = f"{line.case} over {line.over}"
        if abs(line.log_ratio) >= MOST_LOG_RATIO or not 0 <= line.variance < math.inf or line.invocations < 1:
            yield f"contains an impossible ratio of {where}"
        if line.over_latency_s is not None and not 0 < line.over_latency_s < math.inf:
            yield f"contains an impossible latency of {where}"
        if not {line.stack, line.over_stack} <= header.stacks.keys():
            yield f"does not hold the stacks of {where}"
        if (line.case, line.over) in seen:
            yield f"contains {where} twice"
        seen.add((line.case, line.over))
