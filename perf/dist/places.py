"""Where ranks can run: on this host, on the hosts that the user names, or on two that are emulated here."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from perf.dist.data import Place
from perf.dist.emulated import check_possible, emulated, host_names, link_words
from perf.dist.job import Cluster, Seat
from perf.errors import PerfError
from perf.machine import Placement
from perf.measure.family import Resources
from perf.measure.hosts import OPTION


@dataclass(frozen=True)
class Seating:
    """Seats on the hosts of a cluster, which is there while `opened` is entered. `rooms` are the hosts' numbers of ranks;
    each host's ranks are placed like those of this one. `words` say where that is.
    """

    words: str
    opened: Callable[[], AbstractContextManager[Cluster]]
    rooms: tuple[tuple[str | None, int], ...]
    placements: tuple[Placement, ...]

    def seats(self, ranks: int) -> tuple[Seat, ...]:
        """The first so many seats, host by host. ValueError when there are not as many."""
        every = [Seat(host, placement) for host, room in self.rooms for placement in self.placements[:room]]
        if ranks > len(every):
            raise ValueError(f"{ranks} ranks do not fit {len(every)} seats")
        return tuple(every[:ranks])


def seating_of(place: Place, resources: Resources) -> Seating:
    """The seats at a place. UnavailableError where no hosts can be emulated; PerfError for a host with more ranks than
    this one has placements.
    """
    seats = resources.seats
    if place == "emulated":
        check_possible()
        # On one machine: so each emulated host gets a placement of its own.
        rooms = tuple((host, 1) for host in host_names())
        if len(seats) < len(rooms):
            raise PerfError("two hosts need two cores", subject=place, next_step="run it on a larger machine")
        return _Apart(f"two emulated hosts ({link_words()})", emulated, rooms, seats)
    if not resources.hosts:
        return Seating("this host", lambda: nullcontext(Cluster()), ((None, len(seats)),), seats)
    crowded = [host for host in resources.hosts if host.ranks > len(seats)]
    if crowded:
        what = f"{crowded[0].name} has {crowded[0].ranks} slots, and this host is divided into {len(seats)}"
        raise PerfError(what, subject=OPTION, next_step=f"add --perf-ranks={crowded[0].ranks}")
    names = tuple(host.name for host in resources.hosts)
    rooms = tuple((host.name, host.ranks) for host in resources.hosts)
    return Seating(f"{len(names)} hosts", lambda: nullcontext(Cluster(names)), rooms, seats)


class _Apart(Seating):
    """Emulated hosts share one machine's cores: each takes the next placement."""

    def seats(self, ranks: int) -> tuple[Seat, ...]:
        every = [Seat(host, placement) for (host, _), placement in zip(self.rooms, self.placements, strict=False)]
        if ranks > len(every):
            raise ValueError(f"{ranks} ranks do not fit {len(every)} seats")
        return tuple(every[:ranks])
