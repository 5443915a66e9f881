"""All instances of one variant: started, warmed up and timed together."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from perf.errors import WorkerError
from perf.machine import Placement, check_pinning
from perf.measure.plan import Loadable, Variant, Workload
from perf.measure.results import Slot, WarmUp
from perf.measure.tiers import Effort
from perf.measure.workers.instance import Instance, Reply
from perf.measure.workers.replies import (
    Counted,
    Done,
    Enough,
    Freed,
    GraphNode,
    Loaded,
    Passes,
    Profiled,
    Proof,
    Ready,
    WarmedUp,
)
from perf.measure.workers.turns import Processes

# Several instances start at the same moment, this far ahead, so that the request has reached all of them. A slot takes
# about 30 ms: a longer lead would cost more than it gains. An instance that is late starts at once.
LEAD_NS = 4_000_000
# A pass counts when at least this fraction of it ran while all instances of the variant were running.
OVERLAP = 0.99
# With several instances, a slot has at least this many passes of each: they neither start nor end a pass at the same
# moment, so that one pass of a slot may not count.
PASSES_TOGETHER = 2
# How often a slot is timed until each instance has a pass that counts: something may hold one up for a whole pass.
SLOT_ATTEMPTS = 3
# Of the inputs' random values; any fixed number would do.
SEED = 20190713


class WorkerGroup:
    """The instances of a variant: one worker process for each placement.

    Any method may raise WorkerError; the group can then only be closed.
    """

    def __init__(
        self,
        variant: Variant[Loadable],
        placements: Sequence[Placement],
        scratch: Path,
        *,
        timeout_s: float,
        variables: Mapping[str, str] | None = None,
        folder: Path = Path("/"),
    ) -> None:
        self.variant = variant
        self._exits = ExitStack()
        self._instances: list[Instance] = []
        self._loaded = False
        try:
            for placement in placements:
                log = scratch / f"{variant.name}-{placement.instance}.log"
                instance = Instance(
                    variant.build, placement, log, timeout_s=timeout_s, variables=variables, folder=folder
                )
                self._instances.append(self._exits.enter_context(instance))
        except BaseException:
            self._exits.close()
            raise

    @property
    def pids(self) -> list[int]:
        """Return the instances' process ids."""
        return [instance.pid for instance in self._instances]

    @property
    def log_text(self) -> str:
        """Return what the first instance has written so far."""
        return self._instances[0].log_text

    def close(self) -> None:
        """End all instances and everything that they started."""
        self._exits.close()

    def hold(self) -> None:
        """Stop all instances, and return once all their threads have stopped."""
        Processes(self.pids).hold()

    def release(self) -> None:
        """Let all instances run again."""
        Processes(self.pids).release()

    def load(self) -> tuple[GraphNode, ...]:
        """Wait until the instances have started, let them load the variant's program, and return its operators as they
        run.
        """
        for instance in self._instances:
            instance.receive(Ready)
        do, arguments = self.variant.program.load_request(self.variant.build.facts.release)
        replies = self._ask_all(Loaded, do, **arguments, extra_work=self.variant.extra_work)
        self._loaded = True
        return replies[0].operators

    def cost(self, workload: Workload) -> Counted:
        """Return what one pass over the workload's inputs costs, as the program's symbol shows it."""
        return self._ask_all(Counted, "cost", inputs=workload.inputs)[0]

    def prepare(self, workload: Workload) -> None:
        """Load the program, unless it is loaded already, and bind it to the workload's inputs."""
        if not self._loaded:
            self.load()
        self.bind(workload)

    def bind(self, workload: Workload, arrays: Path | None = None) -> None:
        """Bind the program to the workload's inputs: the same seeded values in every variant and instance, or the
        arrays in an .npz file.
        """
        path = str(arrays) if arrays else None
        self._ask_all(Done, "bind", inputs=workload.inputs, scales=workload.scales, seed=SEED, arrays=path)

    def finish(self) -> int:
        """Free the binding; return the instances' peak memory since it was bound, summed, in bytes.

        Raises WorkerError when an instance does not run where it was placed: a CPU may have been taken away meanwhile.
        """
        self._prove_pinning()
        return sum(reply.peak_memory_bytes for reply in self._ask_all(Freed, "unbind"))

    def warm_up(self, effort: Effort) -> WarmUp:
        """Run untimed passes on all instances at once until their pace is steady, then check where they run.

        Raises WorkerError when an instance does not run where it was placed.
        """
        replies = self._ask_all(WarmedUp, "warm_up", limit_ns=int(effort.warm_up_s * 1e9))
        slowest = max(replies, key=lambda reply: sum(reply.durations_ns))
        self._prove_pinning()
        return WarmUp(len(slowest.durations_ns), sum(slowest.durations_ns), all(reply.steady for reply in replies))

    def _prove_pinning(self) -> None:
        problems = [
            problem
            for instance, proof in zip(self._instances, self._ask_all(Proof, "prove"), strict=True)
            for problem in check_pinning(instance.placement, msgspec.to_builtins(proof))
        ]
        if problems:
            raise WorkerError("pinning failed: " + "; ".join(problems), "")

    def save_outputs(self, path: Path) -> None:
        """Let the first instance run one pass and write its outputs to an .npz file."""
        self._instances[0].ask(Done, "save_outputs", path=str(path))

    def save_layers(self, path: Path) -> None:
        """Let the first instance run one pass and write every operator's output to an .npz file, by name."""
        self._instances[0].ask(Done, "save_layers", path=str(path))

    def save_isolated_layers(self, path: Path, layer_inputs: Path) -> None:
        """Let the first instance run every operator alone, with the outputs of earlier operators from `layer_inputs`,
        and write its output to `path`. Both are .npz files with arrays by the operator's name.
        """
        self._instances[0].ask(Done, "save_isolated_layers", path=str(path), layer_inputs=str(layer_inputs))

    def save_parameters(self, path: Path) -> None:
        """Let the first instance write the program's parameters to an .npz file, by name."""
        self._instances[0].ask(Done, "save_parameters", path=str(path))

    def profile(self, passes: int, folder: Path) -> Profiled:
        """Let the first instance run passes under MXNet's profiler, which writes into the folder."""
        return self._instances[0].ask(Profiled, "profile", passes=passes, folder=str(folder))

    def mark(self, passes: int) -> None:
        """Let the first instance run passes that mark in MKL-DNN's trace where each operator ends."""
        self._instances[0].ask(Done, "mark", passes=passes)

    def run(self, effort: Effort) -> Slot:
        """Time one slot: start all instances at once, and count the passes that ran while all of them were running. It
        is timed again when an instance has none.
        """
        for _ in range(SLOT_ATTEMPTS):
            slot = self._timed(effort)
            if all(slot.instances_ns):
                return slot
        message = f"one instance had no pass while all other instances were running, in {SLOT_ATTEMPTS} slots"
        raise WorkerError(message, "")

    def _timed(self, effort: Effort) -> Slot:
        together = len(self._instances) > 1
        request = {
            "do": "run",
            "start_at_ns": time.monotonic_ns() + LEAD_NS if together else 0,
            "min_passes": max(effort.slot_passes, PASSES_TOGETHER) if together else effort.slot_passes,
            "min_duration_ns": int(effort.slot_s * 1e9),
            "hold": together,
        }
        for instance in self._instances:
            instance.send(request)
        if together:
            for instance in self._instances:
                instance.receive(Enough)
            for instance in self._instances:
                instance.send({"do": "stop"})
        replies = [instance.receive(Passes) for instance in self._instances]
        counted = overlapping([reply.passes_ns for reply in replies])
        lost = [reply.lost_share for reply in replies if reply.lost_share is not None]
        return Slot(counted, max(lost, default=None))

    def _ask_all(self, reply: type[Reply], do: str, **arguments: object) -> list[Reply]:
        for instance in self._instances:
            instance.send({"do": do, **arguments})
        return [instance.receive(reply) for instance in self._instances]


def overlapping(passes: Sequence[Sequence[tuple[int, int]]]) -> tuple[tuple[int, ...], ...]:
    """Return the durations in ns of the passes that ran while all instances were running, by instance.

    `passes` holds (start, end) in ns on one clock, a sequence for each instance. The window reaches from the latest
    first start to the earliest last end; a pass counts when at least `OVERLAP` of it lies inside.
    """
    opens = max(instance[0][0] for instance in passes)
    closes = min(instance[-1][1] for instance in passes)
    return tuple(
        tuple(end - start for start, end in instance if min(end, closes) - max(start, opens) >= OVERLAP * (end - start))
        for instance in passes
    )
