"""The machine and the builds, for benchmarks that drive the suite's engine themselves."""

import tempfile
from pathlib import Path

from perf.builds import provision
from perf.cache import cache_folder
from perf.machine import find_numactl, place_instances, ranks_per_host, read_topology
from perf.measure.engine import Conditions
from perf.measure.family import Resources
from perf.measure.journal import Journal
from perf.measure.tiers import Effort


def resources(*, dist: bool = False) -> Resources:
    """What a session would have with no option given; `dist`: with the build that trains, which is compiled once."""
    topology = read_topology()
    cache = cache_folder(None)
    roles = ("native", "mkl", "zoo", *(["mkl-dist"] if dist else []))
    builds = {role: provision(role, override=None, cache=cache, say=print) for role in roles}
    numactl = find_numactl(topology)
    return Resources(
        build=builds.__getitem__,
        placements=place_instances(topology, numactl=numactl),
        cores=topology.physical_cores,
        cache=cache,
        scratch=Path(tempfile.mkdtemp(prefix="mxnet-perf-")),
        timeout_s=300.0,
        say=print,
        rank_placements=place_instances(topology, instances=ranks_per_host(topology, None), numactl=numactl),
    )


def conditions_of(found: Resources, effort: Effort) -> Conditions:
    """Conditions for measuring with this effort, with a journal that nobody goes on with."""
    journal = Journal(Path(tempfile.mkdtemp(dir=found.scratch)), {})
    return Conditions(
        placements=found.placements,
        effort=effort,
        timeout_s=found.timeout_s,
        scratch=found.scratch,
        journal=journal,
    )
