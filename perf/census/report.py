"""The census as a table in Markdown and as JSON. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from perf.census.result import NetworkResult, Status
from perf.census.state import Header
from perf.report.github.markdown import code, escaped, table
from perf.wording import counted, uv

HEADINGS = (
    "Network", "Image", "Result", "FP32 difference", "INT8 SQNR", "same top-1", "FP32 speedup", "INT8 speedup",
)  # fmt: skip
# What each status means; the order is that of the summary.
MEANINGS: dict[Status, str] = {
    "agrees": "FP32 as in the native build, INT8 within what its quantisation steps allow",
    "defect": "a known defect of the wheel affects it (docs/known-defects.md)",
    "differs": "wrong or failed, and no known defect explains it",
    "not judged": "between right and wrong, or no formula is known",
    "not quantised": "right in FP32, and MXNet could not quantise it",
    "could not be prepared": "it did not run at all",
}
NONE = "-"


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """A census: its `header`, the `results` so far, and the networks that are `missing` from them."""

    header: Header
    results: list[NetworkResult]
    missing: list[str]


def census_of(header: Header, results: Sequence[NetworkResult]) -> Census:
    """Return a census with its networks in alphabetical order."""
    known = {result.network for result in results}
    missing = [name for name in header.networks if name not in known]
    return Census(header=header, results=sorted(results, key=lambda result: result.network), missing=missing)


def counts_text(results: Sequence[NetworkResult]) -> str:
    """Return how many networks have each status, such as "12 agrees, 3 defect"."""
    counts = Counter(result.status for result in results)
    return ", ".join(f"{counts[status]} {status}" for status in MEANINGS if counts[status]) or "none"


def markdown_of(census: Census) -> Iterator[str]:
    """Yield the lines of the page."""
    conditions = census.header.conditions
    total = len(census.results) + len(census.missing)
    yield from ("# Census of networks", "")
    yield f"{len(census.results)} of {counted(total, 'network')} examined: {counts_text(census.results)}."
    yield from ("", *(f"- {name}: {escaped(text)}" for name, text in conditions.items()), "")
    yield "Weights are synthetic, except for networks in a user's files. INT8 is judged by floors that follow from its"
    yield "quantisation steps. Speedups are quick figures over `native-fp32` at batch size 1: one set of processes, a"
    yield "few blocks, no interval. They show the order of magnitude only; `*` marks those that were disturbed."
    yield ""
    yield from (f"- **{status}**: {meaning}." for status, meaning in MEANINGS.items())
    yield ""
    for machine_class in sorted({result.machine_class for result in census.results}):
        own = [result for result in census.results if result.machine_class == machine_class]
        codes = sorted({result.code for result in own})
        by = f"code {', '.join(codes)}"
        yield from (f"## On {escaped(machine_class)}", "", f"{counted(len(own), 'network')}, {by}.", "")
        yield from (*table(HEADINGS, [_row(result) for result in own], figures=False), "")
    explained = [result for result in census.results if result.reason]
    if explained:
        yield from ("## Reasons", "")
        yield from (f"- {code(result.network)}: {escaped(result.reason)}{_layers(result)}" for result in explained)
        yield ""
    if census.missing:
        yield from ("## Not examined yet", "", ", ".join(map(code, census.missing)), "")
    yield from ("## Left out", "")
    reasons: dict[str, list[str]] = {}
    for name, reason in census.header.left_out.items():
        reasons.setdefault(reason, []).append(name)
    yield from (f"- {escaped(reason)}: {', '.join(map(code, names))}" for reason, names in sorted(reasons.items()))


def store_command(results: Sequence[NetworkResult]) -> str | None:
    """Return the command that stores the answers of GluonCV's networks that agree; None when there is none."""
    names = [result.network for result in results if result.status == "agrees" and not result.content]
    if not names:
        return None
    options = " ".join(f"--perf-model={name}" for name in names)
    return f"{uv()} run pytest perf/cnn/test_int8_accuracy.py -k 'naive or fusion' --perf-store-answers {options}"


def _row(result: NetworkResult) -> list[str]:
    status = f"defect {', '.join(result.defects)}" if result.status == "defect" else result.status
    top1 = NONE if result.top1_agreement is None else f"{result.top1_agreement:.0%}"
    return [
        code(result.network),
        "x".join(map(str, result.shape)) or NONE,
        escaped(status),
        NONE if result.fp32_difference is None else f"{result.fp32_difference:.1e}",
        NONE if result.sqnr_db is None else f"{result.sqnr_db:.1f} dB",
        top1,
        *(_speedup(result, name) for name in ("mkl-fp32", "mkl-int8")),
    ]


def _speedup(result: NetworkResult, variant: str) -> str:
    if variant not in result.speedups:
        return NONE
    return f"{result.speedups[variant]:.1f}" + r"\*" * result.disturbed


def _layers(result: NetworkResult) -> str:
    if not result.layers:
        return ""
    texts = (
        f"{code(layer.name)} {layer.sqnr_db:.1f} dB"
        + ("" if layer.expected_db is None else f" (expected {layer.expected_db:.1f} dB)")
        for layer in result.layers
    )
    return f". Weakest layers: {', '.join(texts)}"
