"""The guest as the tests see it: started, asked, and shut down. Every wait has a timeout."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from perf.files import ROOT
from tests.numa.frequencies import table
from tests.numa.initramfs import write_initramfs
from tests.numa.packages import Unpacked

START = Path(__file__).with_name("start.sh")
# Emulated, since a device named kvm that opens need not work. The model has AVX2; what TCG lacks is switched off.
CPU = "Haswell-noTSX,-pcid,-x2apic,-tsc-deadline,-invpcid"
# Two nodes, each with two cores and half of the memory.
NODES = ((0, "0-1"), (1, "2-3"))
CPUS = 4
SMP = f"{CPUS},sockets=2,cores=2,threads=1"
NODE_MB = 3072
BOOT_TIMEOUT_S = 240.0
SHUTDOWN_TIMEOUT_S = 60.0
POLL_S = 0.05
# What the guest takes over from the host: where builds and networks are, and where the user's own cache is.
INHERITED = ("HOME", "MXNET_PERF_CACHE", "XDG_CACHE_HOME")

Value = TypeVar("Value")


class GuestError(Exception):
    """The guest did not boot, did not answer in time, or a function raised there."""


class Guest:
    """A running guest with two nodes. It sees all files of the host and changes none of them.

    `folder`: of the files that both exchange. As a context manager, it shuts down at the end. Raises GuestError when it
    does not boot.
    """

    def __init__(self, packages: Unpacked, folder: Path) -> None:
        self._folder = folder / "exchange"
        self._folder.mkdir()
        self._asked = 0
        self._console = folder / "console.log"
        initramfs = folder / "initramfs"
        write_initramfs(packages, initramfs)
        frequencies = folder / "frequencies.aml"
        frequencies.write_bytes(table(CPUS))
        (self._folder / "start.sh").write_bytes(START.read_bytes())
        (self._folder / "variables").write_text(_variables(packages))
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(
                _command(packages, initramfs, frequencies, self._folder),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LD_LIBRARY_PATH": packages.libraries},
            )
        try:
            self._wait_for(self._folder / "up", BOOT_TIMEOUT_S, "the guest's start")
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def call(self, function: Callable[..., Value], *, timeout_s: float = 300.0, **arguments: object) -> Value:
        """Call a function of `tests.numa.inside` in the guest, and return what it returns there (as JSON carries it).

        Raises GuestError when it raises, or takes longer than `timeout_s`.
        """
        return self.start(function, timeout_s=timeout_s, **arguments)()

    def start(self, function: Callable[..., Value], *, timeout_s: float, **arguments: object) -> Callable[[], Value]:
        """Let the guest call a function; return what waits for its result and returns it, as often as asked. Other
        calls may run meanwhile.
        """
        number, self._asked = self._asked, self._asked + 1
        self._ask(number, {"module": function.__module__, "function": function.__name__, "arguments": arguments})
        file = self._folder / f"{number}.reply"
        what = f"{function.__name__}({arguments})"

        def result() -> Value:
            self._wait_for(file, timeout_s, what)
            answer: dict[str, Any] = json.loads(file.read_bytes())
            if "error" in answer:
                printed = (self._folder / f"{number}.log").read_text(errors="replace")[-4000:]
                raise GuestError(f"{what}: {answer['error']}\n{printed}")
            value: Value = answer["value"]
            return value

        return result

    def shut_down(self) -> str:
        """Ask the guest to power off, and return what its console shows. Raises GuestError when it does not end."""
        self._ask(self._asked, {"function": None})
        try:
            code = self._process.wait(SHUTDOWN_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise GuestError(f"the guest did not shut down\n{self.console}") from None
        if code:
            raise GuestError(f"QEMU exited with code {code}\n{self.console}")
        return self.console

    @property
    def console(self) -> str:
        """Return what the guest's kernel and process 1 have printed."""
        return self._console.read_text(errors="replace")

    def kill(self) -> None:
        """End the guest at once, if it still runs. Nothing in it is worth saving."""
        self._process.kill()
        self._process.wait()

    def _ask(self, number: int, content: dict[str, Any]) -> None:
        part = self._folder / "part"
        part.write_text(json.dumps(content))
        part.rename(self._folder / f"{number}.request")

    def _wait_for(self, file: Path, timeout_s: float, what: str) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not file.exists():
            if self._process.poll() is not None:
                raise GuestError(f"{what}: the guest ended\n{self.console[-4000:]}")
            if time.monotonic() > deadline_s:
                raise GuestError(f"{what}: took longer than {timeout_s:g} s\n{self.console[-4000:]}")
            time.sleep(POLL_S)


def _variables(packages: Unpacked) -> str:
    variables = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "UV_OFFLINE": "1",
        **{name: os.environ[name] for name in INHERITED if name in os.environ},
    }
    exported = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    own = {"PACKAGES": str(packages.root), "PYTHON": sys.executable, "CHECKOUT": str(ROOT)}
    return "\n".join(exported + [f"{name}={shlex.quote(value)}" for name, value in own.items()]) + "\n"


def _command(packages: Unpacked, initramfs: Path, frequencies: Path, exchange: Path) -> list[str]:
    usr = packages.root / "usr"
    command = [f"{usr}/bin/qemu-system-x86_64", "-L", f"{usr}/share/qemu", "-L", f"{usr}/share/seabios"]
    command += ["-machine", "q35", "-accel", "tcg,thread=multi,tb-size=1024", "-cpu", CPU]
    command += ["-smp", SMP, "-m", f"{NODE_MB * len(NODES)}M"]
    for node, cpus in NODES:
        command += ["-object", f"memory-backend-ram,id=memory{node},size={NODE_MB}M"]
        command += ["-numa", f"node,nodeid={node},cpus={cpus},memdev=memory{node}"]
    command += ["-numa", "dist,src=0,dst=1,val=21"]
    command += ["-acpitable", f"sig=SSDT,rev=2,data={frequencies}"]
    command += ["-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"]
    command += ["-virtfs", f"local,path={exchange},mount_tag=exchange,security_model=none"]
    command += ["-kernel", str(packages.kernel), "-initrd", str(initramfs)]
    # panic=-1 and no-reboot: a kernel that panics ends QEMU. nomsi: QEMU itself once ended in msix_table_mmio_write.
    kernel = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr nowatchdog pci=nomsi"
    command += ["-append", kernel, "-no-reboot"]
    return [*command, "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-monitor", "none"]
