"""Where ranks can run: on this host, on the hosts that the user names, or on two that are emulated here."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from perf.dist.data import Place, load
from perf.dist.launch.emulated import check_possible, emulated, host_names, link_words
from perf.dist.launch.hosts import OPTION, Host, read_hosts
from perf.dist.launch.job import Cluster, RankPlacement
from perf.errors import PerfError
from perf.machine import Placement
from perf.measure.family import Resources


@dataclass(frozen=True)
class ClusterLayout:
    """Seats on the hosts of a cluster, host by host; the cluster is there while `opened` is entered. `words` say where
    that is; `link_gbit_per_s` is the speed of the link between the hosts, where it is known.
    """

    words: str
    opened: Callable[[], AbstractContextManager[Cluster]]
    every: tuple[RankPlacement, ...]
    link_gbit_per_s: float | None = None

    def rank_placements(self, ranks: int) -> tuple[RankPlacement, ...]:
        """The first so many seats. ValueError when there are not as many."""
        if ranks > len(self.every):
            raise ValueError(f"{ranks} ranks do not fit {len(self.every)} seats")
        return self.every[:ranks]


def layout_of(place: Place, resources: Resources) -> ClusterLayout:
    """The seats at a place; those of each host are placed like those of this one. UnavailableError where no hosts can
    be emulated; PerfError for a host with more ranks than this one has placements.
    """
    placements = resources.rank_placements
    if place == "emulated":
        return _emulated(placements)
    hosts = read_hosts(resources.hosts_file, len(placements)) if resources.hosts_file else ()
    return _hosts(hosts, placements)


def shared(opened: Callable[[], AbstractContextManager[Cluster]]) -> Callable[[], AbstractContextManager[Cluster]]:
    """A cluster that several jobs enter at the same time: it is opened for the first and closed after the last."""
    users = 0
    stack = ExitStack()
    cluster = Cluster()

    @contextmanager
    def entered() -> Iterator[Cluster]:
        nonlocal users, cluster
        if not users:
            cluster = stack.enter_context(opened())
        users += 1
        try:
            yield cluster
        finally:
            users -= 1
            if not users:
                stack.close()

    return entered


def _emulated(placements: Sequence[Placement]) -> ClusterLayout:
    check_possible()
    hosts = host_names()
    if len(placements) < len(hosts):
        raise PerfError("two hosts need two cores", subject="emulated hosts", next_step="run it on a larger machine")
    # They share one machine's cores, so each takes the next placement.
    every = tuple(
        RankPlacement(host, placement, called=f"emulated host {number}")
        for number, (host, placement) in enumerate(zip(hosts, placements, strict=False))
    )
    return ClusterLayout(f"two emulated hosts ({link_words()})", shared(emulated), every, load().link.gbit_per_s)


def _hosts(hosts: Sequence[Host], placements: Sequence[Placement]) -> ClusterLayout:
    if not hosts:
        return ClusterLayout(
            "this host", lambda: nullcontext(Cluster()), tuple(RankPlacement(None, where) for where in placements)
        )
    for host in hosts:
        if host.ranks > len(placements):
            what = f"{host.name} has {host.ranks} slots, and this host is divided into {len(placements)}"
            raise PerfError(what, subject=OPTION, next_step=f"add --perf-ranks={host.ranks}")
    names = tuple(host.name for host in hosts)
    every = tuple(RankPlacement(host.name, placement) for host in hosts for placement in placements[: host.ranks])
    return ClusterLayout(f"{len(names)} hosts", lambda: nullcontext(Cluster(names)), every)
