"""Where ranks can run: on this host, on the hosts that the user names, or on two hosts that are emulated here."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

import msgspec

from perf.dist.data import Place, load
from perf.dist.launch.emulated import check_possible, describe_link, emulated, host_names
from perf.dist.launch.hosts import OPTION, Host, read_hosts
from perf.dist.launch.job import Cluster, RankPlacement
from perf.errors import PerfError
from perf.machine import Placement
from perf.measure.family import Resources


@dataclass(frozen=True)
class ClusterLayout:
    """The hosts of a cluster and the placements of all ranks that fit on them.

    `description`: the hosts, such as "2 hosts". `open_cluster`: the cluster is ready while this context is entered.
    `rank_placements`: host by host. `link_gbit_per_s`: the rate of the link between the hosts, in 10^9 bits a second,
    None where it is unknown.
    """

    description: str
    open_cluster: Callable[[], AbstractContextManager[Cluster]]
    rank_placements: tuple[RankPlacement, ...]
    link_gbit_per_s: float | None = None

    def first(self, ranks: int) -> tuple[RankPlacement, ...]:
        """Return the placements of the first `ranks` ranks. Raises ValueError when there are fewer."""
        if ranks > len(self.rank_placements):
            raise ValueError(f"{ranks} ranks do not fit, only {len(self.rank_placements)} do")
        return self.rank_placements[:ranks]


def layout_of(place: Place, resources: Resources) -> ClusterLayout:
    """Return the layout of a place. Ranks of every host are placed like those of this one.

    Raises UnavailableError where hosts cannot be emulated, and PerfError when a host of the hosts file has more ranks
    than this one has placements.
    """
    placements = resources.rank_placements
    if place == "emulated":
        return _emulated_layout(placements, resources.link_gbit_per_s)
    hosts = read_hosts(resources.hosts_file, len(placements)) if resources.hosts_file else ()
    return _hosts_layout(hosts, placements)


def shared(
    open_cluster: Callable[[], AbstractContextManager[Cluster]],
) -> Callable[[], AbstractContextManager[Cluster]]:
    """Return a context that several jobs can enter at the same time.

    The cluster is opened for the first of them and closed after the last.
    """
    users = 0
    stack = ExitStack()
    cluster = Cluster()

    @contextmanager
    def entered() -> Iterator[Cluster]:
        nonlocal users, cluster
        if not users:
            cluster = stack.enter_context(open_cluster())
        users += 1
        try:
            yield cluster
        finally:
            users -= 1
            if not users:
                stack.close()

    return entered


def _emulated_layout(placements: Sequence[Placement], link_gbit_per_s: float | None) -> ClusterLayout:
    check_possible()
    link = load().link
    if link_gbit_per_s is not None:
        link = msgspec.structs.replace(link, gbit_per_s=link_gbit_per_s)
    # A link of another rate is used beside that of jobs.toml, so it joins hosts of its own.
    pair = int(link_gbit_per_s is not None)
    hosts = host_names(pair)
    if len(placements) < len(hosts):
        raise PerfError(
            "this machine has fewer than two cores, one for each host",
            subject="two emulated hosts",
            next_step="run them on a larger machine, or leave them out with -k 'not 2hosts'",
        )
    # The hosts divide one machine's cores between them, so each takes a different placement.
    rank_placements = tuple(
        RankPlacement(host, placement, alias=f"emulated host {number}")
        for number, (host, placement) in enumerate(zip(hosts, placements, strict=False))
    )
    description = f"two emulated hosts ({describe_link(link)})"
    return ClusterLayout(description, shared(lambda: emulated(link, pair)), rank_placements, link.gbit_per_s)


def _hosts_layout(hosts: Sequence[Host], placements: Sequence[Placement]) -> ClusterLayout:
    if not hosts:
        rank_placements = tuple(RankPlacement(None, placement) for placement in placements)
        return ClusterLayout("this host", lambda: nullcontext(Cluster()), rank_placements)
    for host in hosts:
        if host.ranks > len(placements):
            what = f"{host.name} has {host.ranks} slots, but this host is divided into {len(placements)}"
            raise PerfError(what, subject=OPTION, next_step=f"add --perf-ranks={host.ranks}")
    names = tuple(host.name for host in hosts)
    rank_placements = tuple(
        RankPlacement(host.name, placement) for host in hosts for placement in placements[: host.ranks]
    )
    description = f"{len(names)} host{'s' * (len(names) > 1)}"
    return ClusterLayout(description, lambda: nullcontext(Cluster(names)), rank_placements)
