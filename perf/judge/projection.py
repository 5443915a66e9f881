"""From what training costs on a few ranks to its efficiency on many hosts: a projection, no measurement. Pure.

The model. A step takes the compute time of the slowest rank, and of the allreduce what the backward pass does not hide.
Where it takes even longer, as on cores that compute at the same time, the rest is taken for the same on any number of
ranks:

    step(n) = slowest + (1 - hidden) * allreduce(n, bytes) + rest
    efficiency(n) = step alone / step(n)

The allreduce is a ring: 2 (n - 1) messages one after the other, each of an n-th of the gradients,

    allreduce(n, bytes) = 2 (n - 1) latency + 2 (n - 1) / n * bytes * cost

(Patarasuk & Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", 2009). Latency in seconds and
cost in seconds per byte are fitted to measured allreduces. Over a network, what a link needs for a byte is added to
what hosts need for it (Thakur, Rabenseifner & Gropp, "Optimization of collective communication operations in MPICH",
2005). With the ranks of a host next to each other in the ring, each link carries what one rank sends.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls


@dataclass(frozen=True)
class AllreduceCost:
    """One that was measured: over how many ranks, of how many bytes, and how many seconds it took."""

    ranks: int
    size_bytes: float
    time_s: float


@dataclass(frozen=True)
class Ring:
    """What a ring's messages cost: seconds each, and seconds per byte."""

    latency_s: float
    cost_s_per_byte: float

    def allreduce_s(self, ranks: int, size_bytes: float) -> float:
        """The time of an allreduce of `size_bytes` over `ranks` ranks, in seconds; 0 for one rank."""
        steps = 2 * (ranks - 1)
        return steps * self.latency_s + steps / ranks * size_bytes * self.cost_s_per_byte

    def over_link(self, bits_per_s: float, instead_of_bits_per_s: float = math.inf) -> "Ring":
        """The same where each host sends over a link of that speed, instead of one whose time is in the cost already
        (infinity: none).
        """
        own = max(0.0, self.cost_s_per_byte - 8 / instead_of_bits_per_s)
        return Ring(self.latency_s, own + 8 / bits_per_s)


def fit_ring(measured: Sequence[AllreduceCost]) -> Ring:
    """The ring that fits measured allreduces best, by the sum of squared relative errors. ValueError for fewer than two
    sizes, or one of a single rank.
    """
    if len({found.size_bytes for found in measured}) < 2 or min(found.ranks for found in measured) < 2:  # noqa: PLR2004
        raise ValueError("a ring is fitted to two sizes and two ranks at least")  # two unknowns, and no ring of one
    ranks = np.array([found.ranks for found in measured], dtype=float)
    sizes = np.array([found.size_bytes for found in measured], dtype=float)
    times = np.array([found.time_s for found in measured])
    steps = 2 * (ranks - 1)
    columns = np.stack([steps, steps / ranks * sizes], axis=1)
    (latency_s, cost), _ = nnls(columns / times[:, None], np.ones(len(times)))
    return Ring(float(latency_s), float(cost))


@dataclass(frozen=True)
class MeasuredTraining:
    """What was measured of a training step on two ranks or more, in seconds: alone on one rank, computing on the
    slowest of several, and a whole step of theirs; with how many bytes of gradients.
    """

    alone_s: float
    slowest_s: float
    step_s: float
    ranks: int
    gradient_bytes: float

    def overlap(self, ring: Ring) -> "Overlap":
        """How allreduces that cost what `ring` says went together with computing."""
        cost_s = ring.allreduce_s(self.ranks, self.gradient_bytes)
        exposed_s = max(0.0, self.step_s - self.slowest_s)
        return Overlap(1 - min(exposed_s, cost_s) / cost_s if cost_s else 1.0, max(0.0, exposed_s - cost_s))

    def efficiency(self, ring: Ring, ranks: int, overlap: "Overlap") -> float:
        """The share of `ranks` times one rank's pace that the model predicts."""
        exposed_s = (1 - overlap.hidden_share) * ring.allreduce_s(ranks, self.gradient_bytes) + overlap.rest_s
        return self.alone_s / (self.slowest_s + exposed_s)


@dataclass(frozen=True)
class Overlap:
    """Which share of the allreduce the backward pass hides, between 0 and 1, and the seconds by which a step is longer
    than by all of it.
    """

    hidden_share: float
    rest_s: float
