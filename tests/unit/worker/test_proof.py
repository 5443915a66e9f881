"""What a process reads back about itself."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from perf.machine import parse_cpulist
from perf.worker.proof import cpus_of, peak_memory_bytes, proof_of_pinning, summarise_numa_maps

NUMA_MAPS = """\
00400000 default file=/usr/bin/python3.11 mapped=561 active=0 N0=561 kernelpagesize_kB=4
7f0000000000 bind:1 anon=10 dirty=10 active=0 N0=3 N1=7 kernelpagesize_kB=4
7f0000100000 bind:1 file=/lib/libc.so.6 anon=2 dirty=2 mapped=9 N0=9 kernelpagesize_kB=4
7f0000200000 bind:1 anon=2 dirty=2 N1=2 kernelpagesize_kB=2048
7f0000300000 local stack anon=1 N12=1
7f0000400000 bind:1
"""


def test_mappings_are_counted_by_policy_and_anonymous_memory_by_node() -> None:
    policies, anonymous_kb = summarise_numa_maps(NUMA_MAPS)
    assert policies == {"default": 1, "bind:1": 4, "local": 1}
    assert anonymous_kb == {"0": 3 * 4, "1": 7 * 4 + 2 * 2048, "12": 4}


def test_an_empty_numa_maps_has_no_mappings() -> None:
    assert summarise_numa_maps("") == ({}, {})


def test_this_process_proves_its_pinning() -> None:
    cpus = set(parse_cpulist(cpus_of("self")))
    assert cpus == os.sched_getaffinity(0)
    if not Path("/proc/self/numa_maps").exists():
        pytest.skip("this kernel has no numa_maps")
    proof = proof_of_pinning("0")
    assert proof["launch_cpus"] == "0"
    assert str(os.getpid()) in proof["thread_cpus"]
    assert cpus <= set(parse_cpulist(proof["online_cpus"]))
    assert sum(proof["anonymous_kb"].values()) > 1000, "Python alone has a megabyte"
    assert sum(proof["policies"].values()) > 10


def test_peak_memory_counts_what_was_freed() -> None:
    code = (
        "from perf.worker.proof import peak_memory_bytes; "
        "before = peak_memory_bytes(); bytearray(50_000_000); print(peak_memory_bytes() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 40_000_000 < int(done.stdout) < 60_000_000
    assert peak_memory_bytes() > 1_000_000


def test_threads_may_end_while_they_are_read() -> None:
    over = threading.Event()

    def short_lived() -> None:
        while not over.is_set():
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()

    busy = [threading.Thread(target=short_lived) for _ in range(4)]
    for thread in busy:
        thread.start()
    try:
        for _ in range(100):
            assert str(os.getpid()) in proof_of_pinning("0")["thread_cpus"]
    finally:
        over.set()
        for thread in busy:
            thread.join()
