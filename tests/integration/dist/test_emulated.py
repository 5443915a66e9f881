"""Two hosts on one machine: names, cable, and that nothing of them is left."""

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
from perf.dist.launch.emulated import ENTER, ETC, NAME, emulated, host_names, link_words
from perf.errors import PerfError
from perf.machine import Placement
from perf.measure.family import Resources

pytestmark = pytest.mark.usefixtures("two_hosts")
SAY = "import socket, sys; print(socket.gethostname(), socket.gethostbyname(sys.argv[1]))"


def inside(host: str, *command: str) -> list[str]:
    return [str(ENTER), "-q", host, *command]


def test_rank_placements_have_the_same_names_in_every_session(
    resources: Resources, two_rank_placements: Sequence[Placement]
) -> None:
    """Their own names hold the process: a stack that did would never be the same again."""
    rank_placements = layout_of("emulated", replace(resources, rank_placements=tuple(two_rank_placements))).every
    assert [rank_placement.words.partition(",")[0] for rank_placement in rank_placements] == [
        "emulated host 0",
        "emulated host 1",
    ]
    assert [rank_placement.host for rank_placement in rank_placements] == list(host_names())


def test_hosts_that_cannot_be_tried_are_an_error() -> None:
    name = f"{NAME}-{os.getpid()}-t"
    subprocess.check_call(["ip", "netns", "add", name])  # the name that it would be tried with is taken
    emulated_room._delays.cache_clear()
    try:
        with pytest.raises(PerfError, match="two emulated hosts: they cannot be made: ip netns add"):
            link_words()
    finally:
        subprocess.check_call(["ip", "netns", "delete", name])
    assert link_words()


def test_hosts_that_cannot_be_removed_raise_no_error_and_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(host: str) -> None:
        raise OSError(f"{host} is busy")

    with monkeypatch.context() as busy, emulated():
        busy.setattr(emulated_room, "_remove", refuse)
    with emulated() as cluster:
        assert Path("/run/netns", cluster.hosts[0]).exists(), "made once more, in the place of what was left"


def test_each_host_has_its_name_and_knows_the_other_one() -> None:
    with emulated() as cluster:
        for host, other in (cluster.hosts, reversed(cluster.hosts)):
            said = subprocess.check_output(inside(host, "python3", "-c", f"'{SAY}'", other), text=True).split()
            assert said[0] == host
            assert said[1].startswith("198.18.0.")
        launched = subprocess.check_output([*cluster.prefix, "uname", "-n"], text=True).strip()
        assert launched == cluster.hosts[0]
    assert os.uname().nodename not in cluster.hosts


def test_the_cable_has_the_configured_speed() -> None:
    with emulated() as cluster:
        for host in cluster.hosts:
            shown = subprocess.check_output(["tc", "-n", host, "qdisc", "show", "dev", "wire"], text=True)
            assert f"rate {load().link.gbit_per_s:g}Gbit" in shown


def test_the_cable_is_up_as_soon_as_hosts_are_there() -> None:
    """The kernel looks at cables once a second at most: what is made right after another needs waiting for."""
    for _ in range(4):
        with emulated() as cluster:
            for host in cluster.hosts:
                shown = subprocess.check_output(["ip", "-n", host, "link", "show", "wire"], text=True)
                assert "state UP" in shown


def test_nothing_is_left_of_the_hosts() -> None:
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
