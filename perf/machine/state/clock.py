"""How fast the CPUs run, and what may change their speed during a measurement."""

from perf.machine.state.model import Assessment, Check, StateChange, exceeds
from perf.machine.state.source import NUMBER, Source, mixture
from perf.wording import counted

_PERFORMANCE = "performance"
_SET_GOVERNOR = "sudo cpupower frequency-set --governor performance"
_KILOHERTZ = "[1-9][0-9]{0,9}"
# By driver: the file below /sys/devices/system/cpu, and its content when turbo is on and off.
_TURBO_FILES = {
    "intel_pstate": ("intel_pstate/no_turbo", "0", "1"),
    "cpufreq": ("cpufreq/boost", "1", "0"),
}


def _read_thermal(source: Source) -> int | None:
    names = ("core_throttle_count", "package_throttle_count")
    counts = [source.per_cpu(f"thermal_throttle/{name}", NUMBER) for name in names]
    known = [int(count) for per_cpu in counts if per_cpu is not None for count in per_cpu]
    return sum(known) if None not in counts else None


def _assess_thermal(change: StateChange) -> Assessment:
    events = counted(round(change.amount), "event")
    advice = "improve the cooling, or lower the frequency: `sudo cpupower frequency-set --max FREQUENCY`"
    return Assessment(events, advice if change.amount else None)


def _read_governor(source: Source) -> str | None:
    governors = source.per_cpu("cpufreq/scaling_governor", "[a-z][a-z0-9_-]*")
    return mixture(governors) if governors else None


def _assess_governor(value: str) -> Assessment:
    return Assessment(value, None if value == _PERFORMANCE else _SET_GOVERNOR)


def _read_turbo(source: Source) -> str | None:
    for driver, (name, on, off) in _TURBO_FILES.items():
        text = source.sys(f"devices/system/cpu/{name}")
        if text is not None:
            return {on: f"on ({driver})", off: f"off ({driver})"}.get(text)
    return None


def _assess_turbo(value: str) -> Assessment:
    for driver, (name, _, off) in _TURBO_FILES.items():
        if value == f"on ({driver})":
            return Assessment(value, f"echo {off} | sudo tee /sys/devices/system/cpu/{name}")
    return Assessment(value)


def _read_frequency(source: Source) -> str | None:
    """Return the frequencies of the slowest and the fastest CPU in MHz, as "2600..3100"."""
    kilohertz = source.per_cpu("cpufreq/scaling_cur_freq", _KILOHERTZ)
    if kilohertz:
        megahertz = [int(text) / 1000 for text in kilohertz]
    else:
        megahertz = [float(text) for text in source.cpuinfo("cpu MHz", r"[1-9][0-9]{0,9}(\.[0-9]{1,9})?") or ()]
    return f"{min(megahertz):.0f}..{max(megahertz):.0f}" if megahertz else None


def _assess_frequency(value: str) -> Assessment:
    slowest, fastest = (int(text) for text in value.split(".."))
    reading = f"{slowest} MHz" if slowest == fastest else f"{slowest} to {fastest} MHz"
    return Assessment(reading, _SET_GOVERNOR if exceeds("frequency", (fastest - slowest) / fastest) else None)


def _read_frequency_limit(source: Source) -> str | None:
    """Return the highest frequency that CPUs may have, where it is below the highest that they can have: "2000 of 3000
    MHz"; "none" without such a limit.
    """
    allowed = source.per_cpu("cpufreq/scaling_max_freq", _KILOHERTZ)
    possible = source.per_cpu("cpufreq/cpuinfo_max_freq", _KILOHERTZ)
    if allowed is None or possible is None:
        return None
    pairs = [(int(now) // 1000, int(most) // 1000) for now, most in zip(allowed, possible, strict=True)]
    return mixture([f"{now} of {most} MHz" if now < most else "none" for now, most in pairs])


THERMAL_THROTTLING = Check("thermal_throttling", _read_thermal, _assess_thermal)
GOVERNOR = Check("governor", _read_governor, _assess_governor)
TURBO = Check("turbo", _read_turbo, _assess_turbo)
FREQUENCY = Check("frequency", _read_frequency, _assess_frequency)
FREQUENCY_LIMIT = Check("frequency_limit", _read_frequency_limit, Assessment)
