"""What a session imports before it measures: the parts of SciPy that load slowly wait until something is computed."""

import subprocess
import sys

from perf.files import ROOT

# SciPy imports these when they are first used, if a module says `import scipy` only.
SLOW = ("scipy.optimize", "scipy.stats")


def test_no_slow_part_of_scipy_is_imported_at_the_start() -> None:
    command = f"import sys, perf.plugin.hooks; print([name for name in {SLOW} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
