"""Two hosts on one machine: network namespaces with names of their own, joined by a cable of limited speed.

What ranks on them say to each other goes through the kernel's TCP, as between real hosts.
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

NAME = "mxperf"
# Addresses that are reserved for tests (RFC 2544); nothing outside of the two namespaces sees them.
ADDRESSES = ("198.18.0.1", "198.18.0.2")
ENTER = Path(__file__).with_name("enter.sh")
# What `ip netns exec` puts over /etc for a namespace.
ETC = Path("/etc/netns")
SUBJECT = "two emulated hosts"
UP_S = 5.0
PROGRAMS = {"ip": "iproute2", "tc": "iproute2", "unshare": "util-linux"}


def check_possible() -> None:
    """Raises UnavailableError, saying what is missing, where there can be no emulated hosts."""
    if os.geteuid():
        raise UnavailableError("only root can make network namespaces", subject=SUBJECT, next_step="run it as root")
    missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
    if missing:
        step = f"apt-get install {' '.join(missing)}, then run again"
        raise UnavailableError(f"a program of {', '.join(missing)} is missing", subject=SUBJECT, next_step=step)
    problem = _trial()
    if problem:
        step = "run it in a container that may (docker run --privileged), or on the machine itself"
        raise UnavailableError(f"no network namespace can be made: {problem}", subject=SUBJECT, next_step=step)


def link_words() -> str:
    """The cable between the hosts, such as "10 Gbit/s, 25us added"; what the kernel cannot emulate is said.

    Raises PerfError when that cannot be tried.
    """
    link = load().link
    try:
        delays = _delays()
    except OSError as error:
        step = "run it again when the machine has less to do, or leave them out with -k 'not 2hosts'"
        raise PerfError(f"they cannot be made: {error}", subject=SUBJECT, next_step=step) from error
    delay = f"{link.delay} added" if delays else "no delay added: this kernel has no netem"
    return f"{link.gbit_per_s:g} Gbit/s, {delay}"


@contextmanager
def emulated() -> Iterator[Cluster]:
    """Two hosts, as long as the context lasts; whatever runs on them then is killed. OSError when they cannot be
    made. One that cannot be removed is removed before the next ones are made: what was measured on it counts.
    """
    hosts = host_names()
    _remove_leftovers()
    try:
        _make(hosts, load().link)
        yield Cluster(hosts, _prefix(hosts[0]), _variables())
    finally:
        for host in hosts:
            with suppress(OSError):
                _remove(host)


def host_names() -> tuple[str, str]:
    """The names of this process's hosts, which are those of their namespaces."""
    return f"{NAME}-{os.getpid()}-a", f"{NAME}-{os.getpid()}-b"


def cut(host: str) -> None:
    """Take the cable out of a host. OSError when there is none."""
    _ip("-n", host, "link", "set", "wire", "down")


def _make(hosts: tuple[str, str], link: Link) -> None:
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
        if _delays():
            _tc(host, "parent", "1:", "handle", "2:", "netem", "delay", link.delay)
    for host in hosts:
        _wait_until_up(host)


def _wait_until_up(host: str) -> None:
    """Wait until the kernel takes the cable for plugged in, which it looks at once a second at most: libfabric leaves
    out an interface that is not running, and finds the loopback device instead. OSError when it never is.
    """
    deadline_s = time.monotonic() + UP_S
    while "state UP" not in _ip("-n", host, "link", "show", "wire"):
        if time.monotonic() > deadline_s:
            raise OSError(f"the cable of {host} did not come up within {UP_S:g} s")
        time.sleep(UP_S / 500)


def _remove(host: str) -> None:
    if not Path("/run/netns", host).exists():
        return
    for pid in _ip("netns", "pids", host).split():
        with suppress(psutil.NoSuchProcess):
            psutil.Process(int(pid)).kill()
    _ip("netns", "delete", host)
    shutil.rmtree(ETC / host, ignore_errors=True)


def _remove_leftovers() -> None:
    """Remove the hosts of sessions that were killed, and earlier ones of this process."""
    for path in Path("/run/netns").glob(f"{NAME}-*"):
        pid = int(path.name.split("-")[1])
        if pid == os.getpid() or not psutil.pid_exists(pid):
            _remove(path.name)


def _prefix(host: str) -> tuple[str, ...]:
    named = 'echo "$0" > /proc/sys/kernel/hostname; exec "$@"'
    return ("ip", "netns", "exec", host, "unshare", "--uts", "sh", "-c", named, host)


def _variables() -> dict[str, str]:
    """For either MPI: how other hosts are entered, and TCP to talk to them."""
    return {
        "I_MPI_HYDRA_BOOTSTRAP": "ssh",
        "I_MPI_HYDRA_BOOTSTRAP_EXEC": str(ENTER),
        "I_MPI_FABRICS": "shm:ofi",
        "FI_PROVIDER": "tcp",
        # Here a question costs the kernel of one machine both ends' work, on the very cores that compute.
        "HOROVOD_CYCLE_TIME": "50",
        "OMPI_MCA_plm_rsh_agent": str(ENTER),
        "OMPI_MCA_btl": "self,vader,tcp",
    }


@cache
def _trial() -> str:
    """Why no namespace can be made; "" when it can."""
    try:
        _ip("netns", "add", f"{NAME}-{os.getpid()}-t")
        _remove(f"{NAME}-{os.getpid()}-t")
    except OSError as error:
        return str(error)
    return ""


@cache
def _delays() -> bool:
    """Whether this kernel can delay packets (sch_netem)."""
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


def _tc(host: str, *words: str) -> None:
    _run("tc", "-n", host, "qdisc", "add", "dev", "wire", *words)


def _ip(*words: str) -> str:
    return _run("ip", *words)


def _run(*command: str) -> str:
    finished = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if finished.returncode:
        raise OSError(f"{' '.join(command)}: {finished.stderr.strip()}")
    return finished.stdout
