"""Makes the builds in the user's cache, so that tests find them: in an empty cache they take two minutes."""

import subprocess
import sys
from contextlib import suppress

from perf.builds import provision
from perf.cache import cache_folder
from perf.errors import PerfError
from perf.files import ROOT

ROLES = ("native", "mkl", "zoo", "mkl-dist")


# A process that leaves another one behind, with nothing of its own, and prints that one's id.
DETACH = """
import subprocess, sys
quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
print(subprocess.Popen([sys.executable, "-m", "tests.integration.ahead"], start_new_session=True, **quiet).pid)
"""


def begin() -> int:
    """Begin to make them in a process that is not a child of this one, since tests count their children. Return its
    process id, which is also its group's.
    """
    begun = subprocess.run([sys.executable, "-c", DETACH], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return int(begun.stdout)


def make() -> None:
    """Make them, one after the other; a test that needs one meets its error itself."""
    for role in ROLES:
        with suppress(PerfError):
            provision(role, override=None, cache=cache_folder(None), say=lambda _: None)


if __name__ == "__main__":
    make()
