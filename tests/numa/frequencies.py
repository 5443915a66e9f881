"""A firmware table that gives the guest's CPUs frequencies to choose from: emulated CPUs have none.

The kernel's own driver (acpi-cpufreq) reads the table, and writes the chosen state to a port that nothing else uses.
"""

from collections.abc import Sequence

# In MHz, the fastest first.
FREQUENCIES_MHZ = (3000, 2000, 1000)
# The scratch register of the first serial port: it keeps what is written to it.
PORT = 0x3FF
IO_SPACE = 1


def table(cpus: int) -> bytes:
    """Return the body of an SSDT with the performance states of the guest's CPUs (ACPI 6.5, 8.4.5 and 20.2)."""
    return b"".join(_scope(cpu) for cpu in range(cpus))


def _scope(cpu: int) -> bytes:
    """Return `Scope (\\_SB.CPUS.C00x)`, which is what QEMU calls a CPU, with its registers and its states."""
    states = [_package([_number(value) for value in _state(*state)]) for state in enumerate(FREQUENCIES_MHZ)]
    names = _named(b"_PCT", _package([_register(), _register()])) + _named(b"_PSS", _package(states))
    return b"\x10" + _sized(b"\\\x2f\x03_SB_CPUS" + f"C{cpu:03X}".encode() + names)


def _state(number: int, megahertz: int) -> tuple[int, ...]:
    """Return frequency, power in mW, latencies in us, and what is written and read for the state."""
    return megahertz, megahertz, 10, 10, number, number


def _named(name: bytes, value: bytes) -> bytes:
    return b"\x08" + name + value


def _package(elements: Sequence[bytes]) -> bytes:
    return b"\x12" + _sized(bytes([len(elements)]) + b"".join(elements))


def _register() -> bytes:
    """Return a buffer with the descriptor of an 8-bit register at the port, and its end tag."""
    descriptor = b"\x82\x0c\x00" + bytes([IO_SPACE, 8, 0, 1]) + PORT.to_bytes(8, "little") + b"\x79\x00"
    return b"\x11" + _sized(b"\x0a" + bytes([len(descriptor)]) + descriptor)


def _number(value: int) -> bytes:
    return b"\x0c" + value.to_bytes(4, "little")


def _sized(content: bytes) -> bytes:
    """Return a content behind its length, which counts its own one or two bytes."""
    if len(content) + 1 < 1 << 6:
        return bytes([len(content) + 1]) + content
    length = len(content) + 2
    return bytes([0x40 | length & 0xF, length >> 4]) + content
