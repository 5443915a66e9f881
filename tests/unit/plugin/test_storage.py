"""Which sessions' folders stay in the cache."""

import subprocess
import sys
from pathlib import Path

from perf.files import ROOT
from perf.measure.journal import Journal
from perf.plugin.storage import KEPT_SESSIONS, forget_old_sessions

HOLD = """
import sys
from pathlib import Path
from perf.measure.journal import Journal
journal = Journal(Path(sys.argv[1]), {})
print("held", flush=True)
sys.stdin.read()
"""


def test_a_running_session_outlives_all_newer_ones(tmp_path: Path) -> None:
    for number in range(KEPT_SESSIONS + 2):
        Journal(tmp_path / f"{number:02}", {}).close()
    command = [sys.executable, "-c", HOLD, str(tmp_path / "00")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "held\n"
        forget_old_sessions(tmp_path)
        running.communicate("")
    newest = [f"{number:02}" for number in range(2, KEPT_SESSIONS + 2)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00", *newest]
    forget_old_sessions(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == newest
