"""Two hosts on one machine: network namespaces with names of their own, joined by a link of limited rate.

Messages between ranks on them go through the kernel's TCP, as between real hosts.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psutil

from perf.dist.data import Link, load
from perf.dist.launch.job import Cluster
from perf.errors import PerfError, UnavailableError

# What the names of the suite's namespaces begin with, so that leftovers are recognised.
NAME = "mxperf"
# Reserved for tests (RFC 2544); nothing outside the two namespaces sees them.
ADDRESSES = ("198.18.0.1", "198.18.0.2")
ENTER = Path(__file__).with_name("enter.sh")
# `ip netns exec HOST` mounts the files in its subfolder HOST over those in /etc.
ETC = Path("/etc/netns")
SUBJECT = "two emulated hosts"
# Five times what the kernel needs at most to notice that a link is up.
LINK_UP_TIMEOUT_S = 5.0
# Short compared with the second that the kernel may need.
LINK_UP_POLL_S = 0.01
# The Debian package of each program that is needed.
PROGRAMS = {"ip": "iproute2", "tc": "iproute2", "unshare": "util-linux"}


def check_possible() -> None:
    """Raise UnavailableError, which names what is missing, where hosts cannot be emulated."""
    if os.geteuid():
        raise UnavailableError("only root can create network namespaces", subject=SUBJECT, next_step="run as root")
    missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
    if missing:
        what = f"programs of {' and '.join(missing)} are missing"
        next_step = f"apt-get install {' '.join(missing)}, then run again"
        raise UnavailableError(what, subject=SUBJECT, next_step=next_step)
    problem = _creation_problem()
    if problem:
        what = f"network namespaces cannot be created: {problem}"
        next_step = "run in a privileged container (docker run --privileged), or outside the container"
        raise UnavailableError(what, subject=SUBJECT, next_step=next_step)


def describe_link(link: Link | None = None) -> str:
    """Return rate and delay of the link between the hosts, such as "10 Gbit/s, 25us added"; None for that of jobs.toml.

    It also says what the kernel cannot emulate. Raises PerfError when that cannot be tried.
    """
    link = link or load().link
    try:
        delays = _can_delay()
    except OSError as error:
        next_step = "run again when the machine is less busy, or leave these cases out with -k 'not 2hosts'"
        raise PerfError(f"they cannot be created: {error}", subject=SUBJECT, next_step=next_step) from error
    delay = f"{link.delay} added" if delays else "no delay added: this kernel has no netem"
    return f"{link.gbit_per_s:g} Gbit/s, {delay}"


@contextmanager
def emulated(link: Link | None = None, pair: int = 0) -> Iterator[Cluster]:
    """Create two hosts, and remove them at the end of the context, killing every process on them.

    link: what joins them; None for that of jobs.toml. pair: as in `host_names`.

    Raises OSError when they cannot be created. When one cannot be removed, nothing is raised, so that results measured
    on it are not lost; it is removed before the next two are created.
    """
    hosts = host_names(pair)
    _remove_leftovers(hosts)
    try:
        _create(hosts, link or load().link)
        yield Cluster(hosts, _prefix(hosts[0]), _variables())
    finally:
        for host in hosts:
            with suppress(OSError):
                _remove(host)


def host_names(pair: int = 0) -> tuple[str, str]:
    """Return the names of a pair of this process's hosts, which are also those of their namespaces. Pairs that exist at
    the same time have different numbers.
    """
    first, second = (f"{NAME}-{os.getpid()}-{letter}{pair or ''}" for letter in "ab")
    return first, second


def cut(host: str) -> None:
    """Cut the link of a host. Raises OSError when there is no such host."""
    _ip("-n", host, "link", "set", "wire", "down")


def _create(hosts: tuple[str, str], link: Link) -> None:
    table = "".join(f"{address} {host}\n" for host, address in zip(hosts, ADDRESSES, strict=True))
    for host in hosts:
        _ip("netns", "add", host)
        (ETC / host).mkdir(parents=True, exist_ok=True)
        (ETC / host / "hosts").write_text(f"127.0.0.1 localhost\n{table}")
    _ip("link", "add", "wire", "netns", hosts[0], "type", "veth", "peer", "name", "wire", "netns", hosts[1])
    for host, address in zip(hosts, ADDRESSES, strict=True):
        _ip("-n", host, "address", "add", f"{address}/30", "dev", "wire")
        for device in ("lo", "wire"):
            _ip("-n", host, "link", "set", device, "up")
        rate = f"{link.gbit_per_s:g}gbit"
        _tc(host, "root", "handle", "1:", "tbf", "rate", rate, "burst", link.burst, "latency", link.queue)
        if _can_delay():
            _tc(host, "parent", "1:", "handle", "2:", "netem", "delay", link.delay)
    for host in hosts:
        _wait_until_link_is_up(host)


def _wait_until_link_is_up(host: str) -> None:
    """Wait until the kernel reports a host's link as up, which it checks once a second at most.

    libfabric ignores an interface that is down, and would use the loopback device instead. Raises OSError when the link
    stays down.
    """
    deadline_s = time.monotonic() + LINK_UP_TIMEOUT_S
    while "state UP" not in _ip("-n", host, "link", "show", "wire"):
        if time.monotonic() > deadline_s:
            raise OSError(f"the link of {host} did not come up within {LINK_UP_TIMEOUT_S:g} s")
        time.sleep(LINK_UP_POLL_S)


def _remove(host: str) -> None:
    if not Path("/run/netns", host).exists():
        return
    for pid in _ip("netns", "pids", host).split():
        with suppress(psutil.NoSuchProcess):
            psutil.Process(int(pid)).kill()
    _ip("netns", "delete", host)
    shutil.rmtree(ETC / host, ignore_errors=True)


def _remove_leftovers(hosts: tuple[str, str]) -> None:
    """Remove the hosts of killed sessions, and earlier ones of these names."""
    for path in Path("/run/netns").glob(f"{NAME}-*"):
        pid = int(path.name.split("-")[1])
        if path.name in hosts or not psutil.pid_exists(pid):
            _remove(path.name)


def _prefix(host: str) -> tuple[str, ...]:
    """Return the command prefix that runs a command on a host, with the host's name."""
    script = 'echo "$0" > /proc/sys/kernel/hostname; exec "$@"'
    return ("ip", "netns", "exec", host, "unshare", "--uts", "sh", "-c", script, host)


def _variables() -> dict[str, str]:
    """Return the variables with which either MPI enters the other host, and communicates by TCP."""
    return {
        "I_MPI_HYDRA_BOOTSTRAP": "ssh",
        "I_MPI_HYDRA_BOOTSTRAP_EXEC": str(ENTER),
        "I_MPI_FABRICS": "shm:ofi",
        "FI_PROVIDER": "tcp",
        "OMPI_MCA_plm_rsh_agent": str(ENTER),
        "OMPI_MCA_btl": "self,vader,tcp",
    }


@cache
def _creation_problem() -> str:
    """Return why a namespace cannot be created; "" when it can."""
    try:
        _ip("netns", "add", f"{NAME}-{os.getpid()}-t")
        _remove(f"{NAME}-{os.getpid()}-t")
    except OSError as error:
        return str(error)
    return ""


@cache
def _can_delay() -> bool:
    """Return whether this kernel can delay packets (sch_netem). Raises OSError when that cannot be tried."""
    host = f"{NAME}-{os.getpid()}-t"
    _ip("netns", "add", host)
    try:
        _ip("-n", host, "link", "set", "lo", "up")
        _run("tc", "-n", host, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1us")
    except OSError:
        return False
    finally:
        _remove(host)
    return True


def _tc(host: str, *arguments: str) -> None:
    _run("tc", "-n", host, "qdisc", "add", "dev", "wire", *arguments)


def _ip(*arguments: str) -> str:
    return _run("ip", *arguments)


def _run(*command: str) -> str:
    """Return the output of a command. Raises OSError, with what it printed, when it fails."""
    finished = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if finished.returncode:
        raise OSError(f"{' '.join(command)}: {finished.stderr.strip()}")
    return finished.stdout
