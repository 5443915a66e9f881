"""Other work on the machine, made on purpose: one core burns for a random time, rests for a random time, and so on."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Killed by its starter; the same phases every time.
_PROGRAM = """
import random, time
draw = random.Random(1)
while True:
    until = time.monotonic() + draw.uniform(0.05, 1.5)
    while time.monotonic() < until:
        pass
    time.sleep(draw.uniform(0.05, 1.5))
"""


@contextmanager
def on_off_load() -> Iterator[None]:
    """Load one core on and off, 0.05 s to 1.5 s each, while the context lasts."""
    with subprocess.Popen([sys.executable, "-c", _PROGRAM]) as loader:
        try:
            yield
        finally:
            loader.kill()
