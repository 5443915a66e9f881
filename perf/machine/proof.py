"""Did the instance run where it was placed? Pure checks of what a worker read back about itself.

The proof is a JSON object: `launch_cpus`, the Cpus_allowed_list of the worker's main thread at its start;
`thread_cpus`, the same for every thread when it is asked, by thread id; `online_cpus`, the CPUs of its host that are
online then; `policies`, how many mappings in numa_maps have each memory policy; `anonymous_kb`, how much anonymous
memory is on each node (only the proportions count). The last two are null when the kernel has no numa_maps (built
without NUMA).
"""

from collections.abc import Mapping
from typing import Any

from perf.machine.placement import Placement
from perf.machine.topology import format_cpulist, parse_cpulist
from perf.wording import counted

# Not 100: exec leaves no pages from before the binding, not even shared copy-on-write ones, but the kernel itself
# populates some pages of a process, and those may be on any node.
MIN_LOCAL_PERCENT = 99


def check_pinning(placement: Placement, proof: Mapping[str, Any]) -> list[str]:
    """Return why `proof` does not show that its worker ran as `placement` says; [] when it does.

    Missing or malformed evidence is a problem like any other, never an exception.
    """
    problems = _check_launch(placement, proof.get("launch_cpus"))
    problems += _check_threads(placement, proof.get("thread_cpus"))
    problems += _check_online(placement, proof.get("online_cpus"))
    policies, pages = proof.get("policies"), proof.get("anonymous_kb")
    no_numa = policies is None and pages is None and {"policies", "anonymous_kb"} <= proof.keys()
    # Such a kernel has one memory and nothing to bind; where numactl works the kernel has numa_maps.
    if not (no_numa and placement.method == "affinity"):
        problems += _check_policies(placement, policies) + _check_pages(placement, pages)
    return [f"instance {placement.instance}: {problem}" for problem in problems]


def _check_launch(placement: Placement, launch_cpus: object) -> list[str]:
    cpus = _parse(launch_cpus)
    if cpus is None:
        return [f"sent no readable launch_cpus: {launch_cpus!r}"]
    if cpus != set(placement.cpus):
        wanted = format_cpulist(placement.cpus)
        # numactl and sched_setaffinity report success for a mask that a cpuset cuts down.
        why = "; the kernel narrows masks silently" if cpus < set(placement.cpus) else ""
        return [f"started on CPUs {format_cpulist(cpus) or 'none'} instead of {wanted}{why}"]
    return []


def _check_threads(placement: Placement, thread_cpus: object) -> list[str]:
    if not isinstance(thread_cpus, Mapping) or not thread_cpus:
        return [f"sent no thread_cpus: {thread_cpus!r}"]
    strays: dict[str, list[str]] = {}
    for thread, listed in thread_cpus.items():
        cpus = _parse(listed)
        # A part of the placement is fine: KMP_AFFINITY binds each thread to one CPU of the mask.
        if not cpus or not cpus <= set(placement.cpus):
            strays.setdefault(str(listed), []).append(str(thread))
    return [
        f"{counted(len(threads), 'thread')} (first: {threads[0]}) may run on CPUs {listed or 'none'}, "
        f"not only on {format_cpulist(placement.cpus)}"
        for listed, threads in strays.items()
    ]


def _check_online(placement: Placement, online_cpus: object) -> list[str]:
    cpus = _parse(online_cpus)
    if cpus is None:
        return [f"sent no readable online_cpus: {online_cpus!r}"]
    # The kernel moves threads away from a CPU that goes offline, and leaves their masks as they are.
    offline = set(placement.cpus) - cpus
    if not offline:
        return []
    return [f"{counted(len(offline), 'CPU')} of its placement went offline: {format_cpulist(offline)}"]


def _check_policies(placement: Placement, policies: object) -> list[str]:
    counts = _counts(policies)
    if not counts:
        return [f"sent no policies: {policies!r}"]
    wanted = f"bind:{placement.node}" if placement.method == "numactl" else "default"
    # OpenBLAS (mxnet's and numpy's) sets "local" for its own buffers with mbind, whatever the process's policy is; on
    # pinned CPUs that is this node's memory, which the count of pages proves.
    counts.pop("local", None)
    return [
        f"{count} of {counted(sum(counts.values()), 'mapping')} {'has' if count == 1 else 'have'} the memory policy "
        f"{policy} instead of {wanted}"
        for policy, count in counts.items()
        if policy != wanted
    ]


def _check_pages(placement: Placement, pages: object) -> list[str]:
    counts = _counts(pages)
    total = sum(counts.values())
    if not total:
        return [f"sent no anonymous_kb: {pages!r}"]
    local = counts.get(str(placement.node), 0)
    if 100 * local < MIN_LOCAL_PERCENT * total:
        distribution = ", ".join(f"node {node}: {100 * count / total:.1f} %" for node, count in sorted(counts.items()))
        return [
            f"at least {MIN_LOCAL_PERCENT} % of its anonymous memory must be on node {placement.node}, "
            f"but it is on {distribution}"
        ]
    return []


def _parse(listed: object) -> set[int] | None:
    try:
        return set(parse_cpulist(listed)) if isinstance(listed, str) else None
    except ValueError:
        return None


def _counts(value: object) -> dict[str, int]:
    """Return the value if it maps names to counts, else {}."""
    if not isinstance(value, Mapping) or not all(isinstance(count, int) and count >= 0 for count in value.values()):
        return {}
    return {str(name): count for name, count in value.items()}
