"""What the probe asks of the process in which an instance's kernels run, and what that answers: a line of JSON each."""

import msgspec

# Operations or bytes of a chunk, which takes milliseconds: no CPU does more.
MOST_WORK = 1 << 60


class Turn(msgspec.Struct, frozen=True):
    """When a kernel runs.

    kernel: its name.
    start_s: seconds after the common start.
    duration_s: for how many seconds.
    """

    kernel: str
    start_s: float
    duration_s: float


class ProbeRequest(msgspec.Struct, frozen=True):
    """What one instance runs.

    cpus: its CPUs; each gets a thread.
    array_bytes: the memory that each thread walks, a multiple of 4096.
    turns: the kernels, in order.
    """

    cpus: tuple[int, ...]
    array_bytes: int
    turns: tuple[Turn, ...]


class ThreadReply(msgspec.Struct, frozen=True):
    """What a thread measured with one kernel.

    work: operations, or bytes moved, in a chunk.
    stamps_ns: when each chunk started and ended, in ns of the monotonic clock.
    clocks_ghz: the clock after each chunk, in GHz.
    """

    work: int
    stamps_ns: list[tuple[float, float]]
    clocks_ghz: list[float]

    def __post_init__(self) -> None:
        """Raise ValueError, which becomes an error of decoding, for chunks that no CPU can have run."""
        if not 0 < self.work <= MOST_WORK or not all(0 <= start < end for start, end in self.stamps_ns):
            raise ValueError("the times of its chunks are impossible")


class KernelReply(msgspec.Struct, frozen=True):
    """What an instance measured with one kernel.

    kernel: its name.
    threads: what each thread measured; empty if it did not run.
    problem: why it did not run.
    """

    kernel: str
    threads: list[ThreadReply]
    problem: str | None = None


# What the process writes once its memory is in place; it then waits for the start, in ns of the monotonic clock.
READY = "ready"
