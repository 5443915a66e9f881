"""What chunks of work on several CPUs amount to together. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

# The quantile of clocks that stands for all.
HIGH = 0.9


@dataclass(frozen=True)
class Chunks:
    """Equal chunks of work on one CPU, one after the other.

    work: operations, or bytes moved, in a chunk.
    stamps_ns: when each started and ended, in ns of the monotonic clock, ascending.
    clocks_ghz: the clock after each chunk, in GHz.
    """

    work: float
    stamps_ns: Sequence[tuple[float, float]]
    clocks_ghz: Sequence[float]


def best_rate(cpus: Sequence[Chunks]) -> float:
    """Return the highest rate, in work a nanosecond, that all CPUs reached together at one time while all of them were
    working; 0 if there was no such time.

    A CPU's rate is that of its chunk in progress, and of its last chunk in the gap before the next. Interruptions can
    only lower a rate, so the highest is the closest to what the hardware does.
    """
    if not cpus or not all(cpu.stamps_ns for cpu in cpus):
        return 0.0
    first, last = max(cpu.stamps_ns[0][0] for cpu in cpus), min(cpu.stamps_ns[-1][1] for cpu in cpus)
    current = dict.fromkeys(range(len(cpus)), 0.0)
    best = 0.0
    changes = sorted(
        (start, number, cpu.work / (end - start)) for number, cpu in enumerate(cpus) for start, end in cpu.stamps_ns
    )
    for position, (start, number, rate) in enumerate(changes):
        current[number] = rate
        follows = changes[position + 1][0] if position + 1 < len(changes) else last
        if max(start, first) < min(follows, last):
            best = max(best, sum(current.values()))
    return best


def clock_ghz(cpus: Sequence[Chunks]) -> float | None:
    """Return the mean over CPUs of the clock that a tenth of each one's chunks exceed, in GHz; None without a chunk.

    Interruptions can only lower a reading. The highest can come from before AVX-512 lowered the clock.
    """
    sorted_clocks = [sorted(cpu.clocks_ghz) for cpu in cpus if cpu.clocks_ghz]
    clocks = [values[int(HIGH * (len(values) - 1))] for values in sorted_clocks]
    return sum(clocks) / len(clocks) if clocks else None
