"""How fast the CPUs run, and what may change that meanwhile."""

from perf.machine.state.model import Check, Judged, StateChange, state_limits
from perf.machine.state.source import NUMBER, Source, mixture

_PERFORMANCE = "performance"
_SET_GOVERNOR = "sudo cpupower frequency-set --governor performance"
_GUEST = "the kernel does not tell it, as in most virtual machines: the host decides"
_TURBO_FILES = {  # by driver: the file below /sys/devices/system/cpu, and what it holds when turbo is on and off
    "intel_pstate": ("intel_pstate/no_turbo", "0", "1"),
    "cpufreq": ("cpufreq/boost", "1", "0"),
}


def _read_thermal(source: Source) -> int | None:
    names = ("core_throttle_count", "package_throttle_count")
    counts = [source.per_cpu(f"thermal_throttle/{name}", NUMBER) for name in names]
    known = [int(count) for per_cpu in counts if per_cpu is not None for count in per_cpu]
    return sum(known) if None not in counts else None


def _judge_thermal(change: StateChange) -> Judged:
    times = f"{change.amount:.0f} event{'s' * (change.amount != 1)}"
    advice = "improve the cooling, or lower the frequency: `sudo cpupower frequency-set --max FREQUENCY`"
    return Judged(times, advice if change.amount else None)


def _read_governor(source: Source) -> str | None:
    governors = source.per_cpu("cpufreq/scaling_governor", "[a-z][a-z0-9_-]*")
    return mixture(governors) if governors else None


def _judge_governor(value: str) -> Judged:
    return Judged(value, None if value == _PERFORMANCE else _SET_GOVERNOR)


def _read_turbo(source: Source) -> str | None:
    for driver, (name, on, off) in _TURBO_FILES.items():
        text = source.sys(f"devices/system/cpu/{name}")
        if text is not None:
            return {on: f"on ({driver})", off: f"off ({driver})"}.get(text)
    return None


def _judge_turbo(value: str) -> Judged:
    for driver, (name, _, off) in _TURBO_FILES.items():
        if value == f"on ({driver})":
            return Judged(value, f"echo {off} | sudo tee /sys/devices/system/cpu/{name}")
    return Judged(value)


def _read_frequency(source: Source) -> str | None:
    """Slowest and fastest CPU in MHz, as "2600..3100"."""
    kilohertz = source.per_cpu("cpufreq/scaling_cur_freq", "[1-9][0-9]{0,9}")
    if kilohertz:
        megahertz = [int(text) / 1000 for text in kilohertz]
    else:
        megahertz = [float(text) for text in source.cpuinfo("cpu MHz", r"[1-9][0-9]{0,9}(\.[0-9]{1,9})?") or ()]
    return f"{min(megahertz):.0f}..{max(megahertz):.0f}" if megahertz else None


def _judge_frequency(value: str) -> Judged:
    slowest, fastest = (int(text) for text in value.split(".."))
    reading = f"{slowest} MHz" if slowest == fastest else f"{slowest} to {fastest} MHz"
    return Judged(reading, _SET_GOVERNOR if fastest - slowest > state_limits().frequency_spread * fastest else None)


THERMAL_THROTTLING = Check(
    name="thermal_throttling",
    kind="counter",
    explanation="A CPU that gets too hot slows down. Each CPU counts the events of its core and its package.",
    absent="the kernel does not count it, as in virtual machines and on CPUs other than Intel's",
    read=_read_thermal,
    judge=_judge_thermal,
)
GOVERNOR = Check(
    name="governor",
    kind="setting",
    explanation="Governors other than performance lower the frequency when a CPU idles, and raise it late.",
    absent=_GUEST,
    read=_read_governor,
    judge=_judge_governor,
)
TURBO = Check(
    name="turbo",
    kind="setting",
    explanation="With turbo on, the frequency depends on the temperature and on what other cores do.",
    absent=_GUEST,
    read=_read_turbo,
    judge=_judge_turbo,
)
FREQUENCY = Check(
    name="frequency",
    kind="moment",
    explanation="CPUs of unlike frequency wait for the slowest. A virtual machine may show only the nominal frequency.",
    absent=_GUEST,
    read=_read_frequency,
    judge=_judge_frequency,
)
