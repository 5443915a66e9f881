"""What lies (lying_numactl.sh) and spoiled processes must be found to do."""

import re
from collections.abc import Sequence
from functools import reduce

PERCENT = r"\d+\.\d %"
# Both proportions, in the order of the nodes, or all of it on the other node.
PAGES = (
    "at least 99 % of its anonymous memory must be on node {node}, but it is on "
    rf"(node {{other}}: 100\.0 %|node 0: {PERCENT}, node 1: {PERCENT})"
)
POLICY = r"(?P<n>\d+) of (?P=n) mappings have the memory policy {policy} instead of bind:{node}"
LAUNCH = "started on CPUs {cpus} instead of {own}"
THREADS = r"\d+ threads? \(first: \d+\) may run on CPUs {cpus}, not only on {own}"
NARROWED = r"started on CPUs {first} instead of {own}; the kernel narrows masks silently"

# What each kind of lie (lying_numactl.sh) must be found to do: each of these problems once, and no other.
LIES: dict[str, Sequence[str]] = {
    "honest": [],
    "nomem": [POLICY.replace("{policy}", "default")],
    "preferred": [POLICY.replace("{policy}", "prefer:{node}")],
    "interleave": [POLICY.replace("{policy}", "interleave:0-1"), PAGES],
    "swapmem": [POLICY.replace("{policy}", "bind:{other}"), PAGES],
    "swapcpu": [LAUNCH, THREADS],
    "swap": [LAUNCH, THREADS, POLICY.replace("{policy}", "bind:{other}"), PAGES],
    "nocpu": [LAUNCH.replace("{cpus}", "0-3"), THREADS.replace("{cpus}", "0-3")],
    "narrow": [NARROWED],
    "migrate": [PAGES],
}
# What happens to a process of instance 1 after an honest launch.
SPOILS: dict[str, str] = {
    "thread": r"1 thread \(first: \d+\) may run on CPUs 0-3, not only on 2-3",
    "pages": PAGES,
    "moved": PAGES,
}
RANKS = (["honest", "nomem", "swap", "wholenode"], ["preferred", "honest", "swapmem", "migrate"])
# Ranks have one core each. Intel's OpenMP binds threads to the first CPU of a mask that is too wide. Nothing exact is
# known of "nocpu": where the memory of a rank is depends on where it ran.
LIES_TO_RANKS = {
    **{kind: LIES[kind] for kind in ("honest", "nomem", "preferred", "swapmem", "swap", "migrate")},
    "wholenode": [
        LAUNCH.replace("{cpus}", "{node_cpus}"),
        THREADS.replace("{cpus}", "{node_first}"),
        THREADS.replace("{cpus}", "{node_cpus}"),
    ],
}
# Those that no rank meets: importing MXNet takes half a minute there. Workers without MXNet meet all of them.
LIES_TO_MXNET = tuple(kind for kind in LIES if kind == "honest" or kind not in LIES_TO_RANKS)
NODE_CPUS = ("0-1", "2-3")


def check(problems: Sequence[str], expected: Sequence[str], who: str, node: int, own: str, cpus: str) -> None:
    """Each pattern must fit exactly one problem. `own`: the CPUs of the placement. `cpus`: those of a swapped one."""
    facts = {
        "{node}": str(node),
        "{other}": str(1 - node),
        "{own}": own,
        "{cpus}": cpus,
        "{first}": own[0],
        "{node_cpus}": NODE_CPUS[node],
        "{node_first}": NODE_CPUS[node][0],
    }
    assert len(problems) == len(expected), problems
    for template in expected:
        pattern = re.escape(who) + reduce(lambda text, fact: text.replace(*fact), facts.items(), template)
        assert sum(re.fullmatch(pattern, problem) is not None for problem in problems) == 1, (pattern, problems)
