"""What CPU and kernel are, as far as an update or a setting changes it."""

import re

from perf.machine.state.model import Check, Judged
from perf.machine.state.source import Source, mixture

_REVISION = "0x[0-9a-f]{1,16}"


def _read_microcode(source: Source) -> str | None:
    revisions = source.cpuinfo("microcode", _REVISION) or source.per_cpu("microcode/version", _REVISION)
    return mixture(revisions) if revisions else None


def _judge_microcode(value: str) -> Judged:
    mixed = " on " in value
    return Judged(value, "restart the machine, so that every CPU loads the same microcode" if mixed else None)


def _read_smt(source: Source) -> str | None:
    text = source.sys("devices/system/cpu/smt/control")
    return text if text in {"on", "off", "forceoff", "notsupported", "notimplemented"} else None


def _read_kernel(source: Source) -> str | None:
    text = source.proc("sys/kernel/osrelease")
    return text if text is not None and re.fullmatch(r"[0-9]+\.[!-~]+", text) else None


MICROCODE = Check(
    name="microcode",
    kind="setting",
    explanation="Its updates change how fast instructions are. A hypervisor may show a made-up revision.",
    absent="the kernel does not tell it",
    read=_read_microcode,
    judge=_judge_microcode,
)
SMT = Check(
    name="smt",
    kind="setting",
    explanation="Whether cores run two threads. Either will do, but runs with and without it differ.",
    absent="the kernel does not tell it: it is older than 4.19, or built without it",
    read=_read_smt,
    judge=Judged,
)
KERNEL = Check(
    name="kernel",
    kind="setting",
    explanation="Its scheduler and its mitigations cost time; runs on unlike kernels differ.",
    absent="/proc/sys/kernel/osrelease cannot be read",
    read=_read_kernel,
    judge=Judged,
)
