"""An artificial load: one core is busy and idle in turn, each for a random time."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# A fixed seed, so that the phases are the same every time. Its starter kills it.
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
