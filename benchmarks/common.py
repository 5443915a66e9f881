"""What benchmarks that call the suite's engine directly have in common: the machine, the builds, the conditions."""

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
    """Return what a session without options has. With `dist`, this includes the build for training, which is compiled
    the first time.
    """
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


def conditions_of(available: Resources, effort: Effort) -> Conditions:
    """Return conditions for measuring with this effort. The journal is a new one, which is never resumed."""
    journal = Journal(Path(tempfile.mkdtemp(dir=available.scratch)), {})
    return Conditions(
        placements=available.placements,
        effort=effort,
        timeout_s=available.timeout_s,
        scratch=available.scratch,
        journal=journal,
    )
