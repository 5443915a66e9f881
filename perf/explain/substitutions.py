"""What replacing one thing at a time does to a speedup, next to the announcement's: rows, table, sentences. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from perf.judge.speedup import Estimate
from perf.limits.result import MARGIN
from perf.report.tables import TextTable


@dataclass(frozen=True)
class Row:
    """A case in one setting.

    replaced: what differs from the first row; "" in the first.
    native_ms: the latency of the reference's fastest slot, in ms.
    own_ms: that of the case.
    speedup: the speedup, from fastest slots.
    published: the announcement's speedup of the same case.
    native_of_limit: the part of the machine's peak that the reference reaches; None if the peak is unknown.
    own_of_limit: the same of the case.
    """

    replaced: str
    native_ms: float
    own_ms: float
    speedup: Estimate
    published: float
    native_of_limit: float | None
    own_of_limit: float | None


def factor_text(row: Row, first: Row) -> str:
    """Return the speedup of a row over that of the first, with its 95 % interval: the two errors are independent."""
    factor = row.speedup.speedup / first.speedup.speedup
    half = math.hypot(row.speedup.half_width, first.speedup.half_width)
    if not math.isfinite(half):
        return f"{factor:.2f}"
    return f"{factor:.2f} [{factor * math.exp(-half):.2f}, {factor * math.exp(half):.2f}]"


def table_of(rows: Sequence[Row], variant: str) -> TextTable:
    """Return the rows as a table; the first row is the setting that the rest is compared with."""
    names = [
        "Replaced",
        "native ms",
        f"{variant} ms",
        "Speedup [95 %]",
        "Of the first",
        "Published",
        "native of limit",
        f"{variant} of limit",
    ]
    cells = [
        [
            row.replaced or "nothing",
            f"{row.native_ms:.2f}",
            f"{row.own_ms:.2f}",
            _speedup_text(row.speedup),
            factor_text(row, rows[0]) if row.replaced else "-",
            f"{row.published:.2f}",
            _percent(row.native_of_limit),
            _percent(row.own_of_limit),
        ]
        for row in rows
    ]
    return TextTable("", names, cells, figures=False)


def sentences_of(rows: Sequence[Row], case: str, variant: str) -> list[str]:
    """Return what the rows say about the distance to the published figure, a sentence each."""
    first = rows[0]
    lines = [f"{case}: published {first.published:.2f}, here {_speedup_text(first.speedup)}; {_gap(first)}."]
    lines += [f"With {row.replaced} it is {_speedup_text(row.speedup)}; {_gap(row)}." for row in rows[1:]]
    if first.native_of_limit and first.own_of_limit:
        most = 1 / first.native_of_limit
        lines.append(
            f"native-fp32 reaches {_percent(first.native_of_limit)} of this machine's FP32 peak: no build can be more "
            f"than {most:.1f} times as fast in FP32. {variant} reaches {_percent(first.own_of_limit)} of its peak."
        )
    beyond = [row for row in rows if max(row.native_of_limit or 0.0, row.own_of_limit or 0.0) > 1 + MARGIN]
    lines += [f"{row.replaced or 'The first row'} exceeds the limit: its probe was disturbed." for row in beyond]
    lines.append("What no row replaces stays unexplained: the CPU with its instruction sets, cores, caches and memory.")
    return lines


def _gap(row: Row) -> str:
    """Return how far the published speedup is from a row's."""
    return f"the announcement's is {row.published / row.speedup.speedup:.2f} times that"


def _speedup_text(speedup: Estimate) -> str:
    interval = f" [{speedup.low:.2f}, {speedup.high:.2f}]" if speedup.low and speedup.high else ""
    return f"{speedup.speedup:.2f}{interval}"


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.0f} %"
