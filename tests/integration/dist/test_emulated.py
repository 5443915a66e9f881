"""Two hosts on one machine: their names, their link, and that nothing of them is left."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from perf.dist.data import load
from perf.dist.launch import emulated as emulated_room
from perf.dist.launch.cluster import layout_of
from perf.dist.launch.emulated import ENTER, ETC, NAME, describe_link, emulated, host_names
from perf.errors import PerfError
from perf.machine import Placement
from perf.measure.family import Resources

pytestmark = pytest.mark.usefixtures("two_hosts")
SAY = "import socket, sys; print(socket.gethostname(), socket.gethostbyname(sys.argv[1]))"


def inside(host: str, *command: str) -> list[str]:
    return [str(ENTER), "-q", host, *command]


def test_placements_are_described_the_same_in_every_session(
    resources: Resources, two_rank_placements: Sequence[Placement]
) -> None:
    """The hosts' own names contain the process id, and stacks that contain it would differ in every session."""
    rank_placements = layout_of(
        "emulated", replace(resources, rank_placements=tuple(two_rank_placements))
    ).rank_placements
    assert [rank_placement.describe().partition(",")[0] for rank_placement in rank_placements] == [
        "emulated host 0",
        "emulated host 1",
    ]
    assert [rank_placement.host for rank_placement in rank_placements] == list(host_names())


def test_hosts_that_cannot_be_tried_are_an_error_of_their_own_cases() -> None:
    name = f"{NAME}-{os.getpid()}-t"
    subprocess.check_call(["ip", "netns", "add", name])  # the name that the trial needs is taken
    emulated_room._can_delay.cache_clear()
    try:
        with pytest.raises(PerfError, match="two emulated hosts: they cannot be created: ip netns add"):
            describe_link()
    finally:
        subprocess.check_call(["ip", "netns", "delete", name])
    assert describe_link()


def test_hosts_that_cannot_be_removed_lose_nothing_that_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(host: str) -> None:
        raise OSError(f"{host} is busy")

    with monkeypatch.context() as busy, emulated():
        busy.setattr(emulated_room, "_remove", refuse)
    with emulated() as cluster:
        assert Path("/run/netns", cluster.hosts[0]).exists(), "created again, in place of what was left"


def test_each_has_its_name_and_knows_the_other() -> None:
    with emulated() as cluster:
        for host, other in (cluster.hosts, reversed(cluster.hosts)):
            names = subprocess.check_output(inside(host, "python3", "-c", f"'{SAY}'", other), text=True).split()
            assert names[0] == host
            assert names[1].startswith("198.18.0.")
        launched = subprocess.check_output([*cluster.prefix, "uname", "-n"], text=True).strip()
        assert launched == cluster.hosts[0]
    assert os.uname().nodename not in cluster.hosts


def test_the_link_has_the_rate_of_jobs_toml() -> None:
    with emulated() as cluster:
        for host in cluster.hosts:
            shown = subprocess.check_output(["tc", "-n", host, "qdisc", "show", "dev", "wire"], text=True)
            assert f"rate {load().link.gbit_per_s:g}Gbit" in shown


def test_the_link_is_up_at_once() -> None:
    """The kernel checks links once a second at most, so one that is created right after another is not up yet."""
    for _ in range(4):
        with emulated() as cluster:
            for host in cluster.hosts:
                shown = subprocess.check_output(["ip", "-n", host, "link", "show", "wire"], text=True)
                assert "state UP" in shown


def test_nothing_is_left_of_them() -> None:
    with emulated() as cluster:
        running = subprocess.Popen(inside(cluster.hosts[1], "sleep", "1000"))
    assert running.wait(10) != 0
    assert not [path for host in cluster.hosts for path in (Path("/run/netns", host), ETC / host) if path.exists()]


def test_hosts_of_a_killed_session_are_removed() -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    assert not psutil.pid_exists(dead.pid)
    left = f"{NAME}-{dead.pid}-a"
    subprocess.check_call(["ip", "netns", "add", left])
    with emulated():
        assert not Path("/run/netns", left).exists()
