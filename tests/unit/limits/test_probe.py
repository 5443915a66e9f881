"""The pure parts of the probe: sizes of arrays, the timetable, what replies amount to, and what is doubtful."""

from itertools import pairwise
from typing import Any

import pytest

from perf.limits.cpu import Cpu, core_of
from perf.limits.kernels import kernels
from perf.limits.probe import MOST_ARRAY_BYTES, PAGE, array_bytes, doubts, limit_of, physical_cores, timetable
from perf.limits.request import KernelReply, ThreadReply
from perf.limits.result import KernelLimit, MachineLimits, best_of
from perf.machine import Node, Topology

ZEN3 = Cpu("AuthenticAMD", frozenset({"avx2", "fma"}), core_of("AuthenticAMD", "25.1.1"))
FMA = kernels()["fp32_avx2"]


def reply(work: int, clock: float = 3.0, kernel: str = "fp32_avx2") -> KernelReply:
    return KernelReply(kernel, [ThreadReply(work, [(0.0, 1.0), (1.0, 2.0)], [clock, clock])])


def limit(rate: float, theoretical: float | None = None, kernel: str = "fp32_avx2", **other: Any) -> KernelLimit:
    kind = kernels()[kernel].kind
    return KernelLimit(kernel, kind, rate, 3.0, theoretical, not kernels()[kernel].unused_by_mxnet_150, **other)


@pytest.mark.parametrize("cache", [None, 1 << 20, 32 << 20, 300 << 20])
@pytest.mark.parametrize("cpus", [1, 2, 48])
def test_arrays_exceed_the_cache_within_bounds(cache: int | None, cpus: int) -> None:
    size = array_bytes(cache, 1 << 40, cpus)
    assert size % (2 * PAGE) == 0
    assert size * cpus <= MOST_ARRAY_BYTES
    assert size * cpus > 1.7 * (cache or 0)


def test_arrays_leave_memory_free() -> None:
    assert array_bytes(32 << 20, 64 << 20, 2) * 2 <= 16 << 20


def test_siblings_are_one_core() -> None:
    topology = Topology((Node(0, (0, 1, 2, 3), ((0, 2), (1, 3))),))
    assert physical_cores(topology, [0, 1]) == 2
    assert physical_cores(topology, [0, 1, 2]) == 2
    assert physical_cores(topology, [1]) == 1


def test_turns_do_not_overlap() -> None:
    turns = timetable(list(kernels().values()))
    assert all(a.start_s + a.duration_s < b.start_s for a, b in pairwise(turns))
    assert turns[-1].start_s + turns[-1].duration_s < 3


def test_a_limit_is_that_of_the_best_turn_of_all_instances() -> None:
    measured = limit_of(FMA, [[reply(40), reply(48)], [reply(40), reply(48)]], ZEN3, 2, 2)
    assert measured == KernelLimit("fp32_avx2", "fp32", 96.0, 3.0, 192.0)
    assert measured is not None
    assert measured.fraction == 0.5


def test_an_instance_that_ended_early_leaves_no_limit() -> None:
    assert limit_of(FMA, [[reply(40)], []], ZEN3, 2, 2) is None
    late = KernelReply("fp32_avx2", [ThreadReply(40, [(5.0, 6.0)], [3.0])])
    assert limit_of(FMA, [[reply(40)], [late]], ZEN3, 2, 2) is None
    assert limit_of(FMA, [[reply(40)], [KernelReply("fp32_avx2", [], "refused")]], ZEN3, 2, 2) is None


def test_an_unknown_core_has_no_theoretical_peak() -> None:
    measured = limit_of(FMA, [[reply(40)]], Cpu("", frozenset(), None), 1, 1)
    assert measured is not None
    assert measured.theoretical is None


@pytest.mark.parametrize(("rate", "doubtful"), [(84, True), (86, False), (100, False), (120, True)])
def test_a_rate_far_from_the_theoretical_peak_is_doubtful(rate: float, doubtful: bool) -> None:
    assert bool(doubts([limit(rate, 100.0)], ZEN3, None, 0)) is doubtful


def test_arrays_that_a_cache_holds_are_doubtful() -> None:
    memory = limit(20, kernel="copy")
    assert doubts([memory], ZEN3, 300 << 20, 512 << 20) != []
    assert doubts([memory], ZEN3, 32 << 20, 96 << 20) == []


def test_several_probes_keep_the_best_of_each_kernel_and_all_problems() -> None:
    early = MachineLimits(kernels=[limit(90), limit(30, kernel="copy")], problems=["a"], elapsed_s=1.5)
    late = MachineLimits(kernels=[limit(100), limit(20, kernel="copy")], problems=["a", "b"], elapsed_s=1.5)
    best = best_of([early, late])
    assert best is not None
    assert {k.kernel: k.rate for k in best.kernels} == {"fp32_avx2": 100, "copy": 30}
    assert (best.problems, best.elapsed_s) == (["a", "b"], 3.0)
    assert best_of([]) is None


def test_amx_is_stated_apart_from_the_int8_limit() -> None:
    limits = MachineLimits(kernels=[limit(400, kernel="int8_avx512_vnni"), limit(3000, kernel="int8_amx")])
    assert limits.int8 is not None
    assert limits.int8_unused is not None
    assert (limits.int8.rate, limits.int8_unused.rate) == (400, 3000)
