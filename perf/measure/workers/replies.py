"""The replies of workers (perf.worker.graph), as they are decoded."""

import msgspec

from perf.measure.results import lost_share


class Ready(msgspec.Struct):
    """The worker has started.

    pid: its process id.
    """

    pid: int


class GraphNode(msgspec.Struct, frozen=True):
    """An operator of a network, as it runs.

    name: its name in the network.
    op: MXNet's name of the operator.
    quantized: whether it computes in INT8.
    inside: the operators that fusion put inside it, each as (op, name), in order.
    """

    name: str
    op: str
    quantized: bool
    inside: tuple[tuple[str, str], ...]


class Loaded(msgspec.Struct):
    """The program is loaded.

    operators: its operators, in the order in which they run.
    """

    operators: tuple[GraphNode, ...]


class CountedLayer(msgspec.Struct):
    """The cost of a layer in a pass.

    name: its name.
    multiply_adds: its multiply-adds.
    weights: the number of its weights.
    inputs: the number of values that it reads besides.
    outputs: the number of values that it writes.
    """

    name: str
    multiply_adds: int
    weights: int
    inputs: int
    outputs: int


class Counted(msgspec.Struct):
    """The cost of a pass, as perf.worker.count sees it.

    layers: its convolutions and fully-connected layers, in the order in which they run.
    weight_values: the number of values in its parameters.
    io_values: the number of values in its inputs and outputs.
    """

    layers: list[CountedLayer]
    weight_values: int
    io_values: int


class Done(msgspec.Struct):
    """The request is done; there is nothing to report."""


class WarmedUp(msgspec.Struct):
    """The warm-up is over.

    durations_ns: the durations of its passes in ns.
    steady: whether the pace was steady at the end.
    """

    durations_ns: list[int]
    steady: bool


class Proof(msgspec.Struct):
    """Where the worker runs; perf.machine.proof checks it.

    launch_cpus: the CPUs that the main thread was allowed at its start, such as "0-3".
    thread_cpus: the CPUs that each thread is allowed, by thread id.
    online_cpus: the CPUs of its host that are online.
    policies: how many mappings have each memory policy; None when the kernel has no numa_maps.
    anonymous_kb: the anonymous memory on each node, by node, in kB; None when the kernel has no numa_maps.
    """

    launch_cpus: str
    thread_cpus: dict[str, str]
    online_cpus: str
    policies: dict[str, int] | None
    anonymous_kb: dict[str, int] | None


class Enough(msgspec.Struct):
    """The worker has enough passes, and continues as load for the other instances.

    enough: always true.
    """

    enough: bool


class Passes(msgspec.Struct):
    """Timed passes.

    passes_ns: start and end of each, in ns on a clock that all processes share.
    held_up_ns: how long other programs held up the worker, or it was stopped; None where the kernel does not count it.
    stolen_ns: how long the hypervisor did; None where the kernel does not count that.
    """

    passes_ns: list[tuple[int, int]]
    held_up_ns: int | None
    stolen_ns: int | None

    def __post_init__(self) -> None:
        """Raise ValueError, which becomes an error of decoding, for passes that cannot have been timed."""
        if not self.passes_ns or not all(0 <= start < end for start, end in self.passes_ns):
            raise ValueError("the times of its passes are impossible")

    @property
    def lost_share(self) -> float | None:
        """Return the fraction of these passes' time that other programs took (perf.measure.results)."""
        return lost_share(self.held_up_ns, self.stolen_ns, self.passes_ns[-1][1] - self.passes_ns[0][0])


class Profiled(msgspec.Struct):
    """What MXNet's profiler saw of some passes.

    operators: the names of the operators, in the order in which they ran.
    passes_ns: the durations of plain passes, without the profiler, in ns.
    overhead_ns: the time of each plain pass in which no operator ran, in ns; of as many passes, under the profiler.
    operators_ns: the durations of the operators in each pass in which they ran one by one, in ns.
    """

    operators: list[str]
    passes_ns: list[int]
    overhead_ns: list[int]
    operators_ns: list[list[int]]


class Freed(msgspec.Struct):
    """The binding is freed.

    peak_memory_bytes: the process's peak memory since it was bound.
    """

    peak_memory_bytes: int
