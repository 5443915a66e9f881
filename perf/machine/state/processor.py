"""Properties of the CPU and the kernel that an update or a setting changes."""

import re

from perf.machine.state.model import Assessment, Check
from perf.machine.state.source import Source, mixture

_REVISION = "0x[0-9a-f]{1,16}"


def _read_microcode(source: Source) -> str | None:
    revisions = source.cpuinfo("microcode", _REVISION) or source.per_cpu("microcode/version", _REVISION)
    return mixture(revisions) if revisions else None


def _assess_microcode(value: str) -> Assessment:
    mixed = " on " in value  # see perf.machine.state.source.mixture
    return Assessment(value, "restart the machine, so that every CPU loads the same microcode" if mixed else None)


def _read_smt(source: Source) -> str | None:
    text = source.sys("devices/system/cpu/smt/control")
    return text if text in {"on", "off", "forceoff", "notsupported", "notimplemented"} else None


def _read_kernel(source: Source) -> str | None:
    text = source.proc("sys/kernel/osrelease")
    return text if text is not None and re.fullmatch(r"[0-9]+\.[!-~]+", text) else None


MICROCODE = Check("microcode", _read_microcode, _assess_microcode)
SMT = Check("smt", _read_smt, Assessment)
KERNEL = Check("kernel", _read_kernel, Assessment)
