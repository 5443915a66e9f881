"""Project the efficiency of training on many hosts from what it costs on a few ranks. Pure: no I/O, no other room.

The model. A step takes the compute time of the slowest rank, plus the part of the allreduce that the backward pass does
not hide. If the measured step is longer still, as on ranks that compete for cores, the remainder is assumed to be the
same on any number of ranks:

    step(n) = slowest + (1 - hidden) * allreduce(n, bytes) + rest
    efficiency(n) = step alone / step(n)

The allreduce is a ring: 2 (n - 1) messages one after the other, each of an n-th of the gradients,

    allreduce(n, bytes) = 2 (n - 1) latency + 2 (n - 1) / n * bytes * cost

(Patarasuk & Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", 2009). Latency in seconds and
cost in seconds per byte are fitted to measured allreduces. Over a network, the link's time per byte is added to the
hosts' own (Thakur, Rabenseifner & Gropp, "Optimization of collective communication operations in MPICH", 2005). The
ranks of one host are neighbours in the ring, so each link carries what one rank sends.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

# Rates of common links between hosts, to project for.
LINKS_BITS_PER_S = {"10 Gbit/s": 10e9, "100 Gbit/s": 100e9}


@dataclass(frozen=True)
class AllreduceCost:
    """One measured allreduce: the number of `ranks`, the `size_bytes` reduced, and the `time_s` it took."""

    ranks: int
    size_bytes: float
    time_s: float


@dataclass(frozen=True)
class Ring:
    """What the messages of a ring cost: `latency_s` each, and `cost_s_per_byte`."""

    latency_s: float
    cost_s_per_byte: float

    def allreduce_s(self, ranks: int, size_bytes: float) -> float:
        """Return the time of an allreduce of `size_bytes` over `ranks` ranks, in seconds; 0 for one rank."""
        steps = 2 * (ranks - 1)
        return steps * self.latency_s + steps / ranks * size_bytes * self.cost_s_per_byte

    def over_link(self, bits_per_s: float, instead_of_bits_per_s: float = math.inf) -> "Ring":
        """Return the ring for hosts that send over a link of `bits_per_s`. `instead_of_bits_per_s` is the link that the
        measured cost already includes; infinity if there was none.
        """
        own = max(0.0, self.cost_s_per_byte - 8 / instead_of_bits_per_s)
        return Ring(self.latency_s, own + 8 / bits_per_s)


def fit_ring(measured: Sequence[AllreduceCost]) -> Ring:
    """Return the ring that fits measured allreduces best, by the sum of squared relative errors. Raises ValueError for
    fewer than two sizes, or when one of them ran on a single rank.
    """
    # Two unknowns need two sizes, and one rank sends nothing.
    if len({cost.size_bytes for cost in measured}) < 2 or min(cost.ranks for cost in measured) < 2:  # noqa: PLR2004
        raise ValueError("a ring is fitted to two sizes and two ranks at least")
    ranks = np.array([cost.ranks for cost in measured], dtype=float)
    sizes = np.array([cost.size_bytes for cost in measured], dtype=float)
    times = np.array([cost.time_s for cost in measured])
    steps = 2 * (ranks - 1)
    columns = np.stack([steps, steps / ranks * sizes], axis=1)
    (latency_s, cost), _ = scipy.optimize.nnls(columns / times[:, None], np.ones(len(times)))
    return Ring(float(latency_s), float(cost))


@dataclass(frozen=True)
class MeasuredTraining:
    """A measured training step on two or more ranks. `alone_s` is a step on one rank, `slowest_s` the compute time of
    the slowest of `ranks` ranks, `step_s` a whole step of theirs; `gradient_bytes` are the bytes that they reduce.
    """

    alone_s: float
    slowest_s: float
    step_s: float
    ranks: int
    gradient_bytes: float

    def overlap(self, ring: Ring) -> "Overlap":
        """Return how much of the allreduce, at the cost of `ring`, overlapped with compute."""
        cost_s = ring.allreduce_s(self.ranks, self.gradient_bytes)
        exposed_s = max(0.0, self.step_s - self.slowest_s)
        return Overlap(1 - min(exposed_s, cost_s) / cost_s if cost_s else 1.0, max(0.0, exposed_s - cost_s))

    def efficiency(self, ring: Ring, ranks: int, overlap: "Overlap") -> float:
        """Return the predicted scaling efficiency on `ranks` ranks, as a fraction."""
        exposed_s = (1 - overlap.hidden_fraction) * ring.allreduce_s(ranks, self.gradient_bytes) + overlap.rest_s
        return self.alone_s / (self.slowest_s + exposed_s)


@dataclass(frozen=True)
class Overlap:
    """How communication and compute overlap: `hidden_fraction` of the allreduce (0 to 1) is hidden by the backward
    pass, and `rest_s` is by how much a step exceeds compute plus the whole allreduce.
    """

    hidden_fraction: float
    rest_s: float


@dataclass(frozen=True)
class TrainingJob:
    """What was measured of a training job on one number of `ranks`: a step takes `step_s`, of which
    `communication_fraction` is communication that compute does not hide; the ranks reduce `gradient_bytes` a step.
    `allreduce_s` holds the time of an allreduce by its bytes, `link_bits_per_s` the rate of the link between the hosts
    (infinity: no known link).
    """

    ranks: int
    step_s: float
    communication_fraction: float
    gradient_bytes: float
    allreduce_s: Mapping[int, float]
    link_bits_per_s: float = math.inf


@dataclass(frozen=True)
class Projection:
    """Projected efficiencies of a network's training, as fractions. `efficiency` holds them by link and number of
    instances. `checks` holds (measured, predicted) efficiencies where a job ran that the model was not fitted to, by
    ranks and place, such as "4 ranks, emulated hosts".
    """

    efficiency: Mapping[str, Mapping[int, float]]
    checks: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class _Place:
    """What the jobs of one place show: `training` on the fewest ranks above one, the `efficiency` by number of ranks,
    the `ring` fitted to their allreduces, and the link that it ran over.
    """

    training: MeasuredTraining
    efficiency: Mapping[int, float]
    ring: Ring
    link_bits_per_s: float


def project(places: Mapping[str, Sequence[TrainingJob]], instances: Sequence[int]) -> Projection | None:
    """Return the projection to these numbers of instances, from the jobs of one network by place; None when no place
    has a job on one rank and one on more.

    The first place is this host: up to its number of ranks no link is involved. The cost of messages between hosts is
    taken from the second place (emulated hosts) if there is one, else from this host.
    """
    known = {name: place for name, jobs in places.items() if (place := _fitted(jobs))}
    if not known:
        return None
    home, *remote = known.values()
    between = remote[0] if remote else home
    overlap = home.training.overlap(home.ring)

    def efficiency(ranks: int, link_bits_per_s: float) -> float:
        apart = between.ring.over_link(link_bits_per_s, between.link_bits_per_s)
        return home.training.efficiency(home.ring if ranks <= max(home.efficiency) else apart, ranks, overlap)

    checks = {
        f"{ranks} ranks, {name}": (measured, home.training.efficiency(place.ring, ranks, overlap))
        for name, place in known.items()
        for ranks, measured in place.efficiency.items()
        if place is not home or ranks != home.training.ranks
    }
    return Projection(
        {link: {n: efficiency(n, bits) for n in instances} for link, bits in LINKS_BITS_PER_S.items()}, checks
    )


def _fitted(jobs: Sequence[TrainingJob]) -> _Place | None:
    """Fit the model to the jobs of one place; None without a job on one rank and one on more."""
    alone = next((job for job in jobs if job.ranks == 1), None)
    several = sorted((job for job in jobs if job.ranks > 1), key=lambda job: job.ranks)
    if alone is None or not several:
        return None
    few = several[0]
    slowest_s = few.step_s * (1 - few.communication_fraction)
    costs = [AllreduceCost(job.ranks, size, time_s) for job in several for size, time_s in job.allreduce_s.items()]
    return _Place(
        MeasuredTraining(alone.step_s, slowest_s, few.step_s, few.ranks, few.gradient_bytes),
        {job.ranks: alone.step_s / job.step_s for job in several},
        fit_ring(costs),
        few.link_bits_per_s,
    )
