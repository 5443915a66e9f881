"""Which sessions' folders stay in the cache, and what the runs in them say of each case."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from perf.files import ROOT
from perf.judge.judgement import VerdictKind
from perf.measure.journal import Journal
from perf.plugin.storage import KEPT_SESSIONS, Storage, forget_old_sessions, judge_command, last_verdicts
from perf.runs.acceptance import Waiver
from perf.runs.baseline import BASELINES
from perf.runs.judges import NoBaseline
from perf.runs.verdict import Verdict
from tests.support.factories import MACHINE_CLASS, benchmark, document, gate, native

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


FP32 = "{}-mkl-fp32"


def keep(runs: Path, session: str, verdicts: dict[str, VerdictKind], day: int = 23, **context: Any) -> Path:
    """Keep the run of a session, which ended on this day, with these verdicts on mkl-fp32, by workload."""
    judged = [
        benchmark(name, verdict=msgspec.to_builtins(Verdict(FP32.format(name), kind, "why").record))
        for name, kind in verdicts.items()
    ]
    path = runs / session / "run.json"
    path.parent.mkdir(parents=True)
    ended = {"datetime": f"2026-11-{day}T15:00:00+00:00"}
    path.write_text(json.dumps(document(native("a-b1"), *judged, **context) | ended))
    return path


def test_the_last_verdict_on_each_case_counts(tmp_path: Path) -> None:
    keep(tmp_path, "1", {"a-b1": "inconclusive", "b-b1": "inconclusive"})
    keep(tmp_path, "2", {"a-b1": "ok"})
    assert last_verdicts(tmp_path, MACHINE_CLASS) == {"a-b1-mkl-fp32": "ok", "b-b1-mkl-fp32": "inconclusive"}


def test_a_session_that_was_resumed_after_a_later_one_has_the_last_word(tmp_path: Path) -> None:
    """Its folder is named after its beginning."""
    keep(tmp_path, "1", {"a-b1": "inconclusive"}, day=25)
    keep(tmp_path, "2", {"a-b1": "ok"}, day=24)
    assert last_verdicts(tmp_path, MACHINE_CLASS) == {"a-b1-mkl-fp32": "inconclusive"}


def test_what_was_left_out_of_a_run_is_invalid(tmp_path: Path) -> None:
    item = "perf/cnn/test_inference.py::test_inference[b-b1-mkl-int8]"
    keep(tmp_path, "1", {"a-b1": "ok"}, left_out={item: "wrong answers"})
    assert last_verdicts(tmp_path, MACHINE_CLASS) == {"a-b1-mkl-fp32": "ok", "b-b1-mkl-int8": "invalid"}


def test_unfinished_runs_those_of_other_classes_and_damaged_ones_do_not_count(tmp_path: Path) -> None:
    """A resumed session must select the cases that it selected before it was interrupted."""
    keep(tmp_path, "1", {"a-b1": "inconclusive"})
    keep(tmp_path, "2", {"a-b1": "ok"}, complete=False)
    keep(tmp_path, "3", {"a-b1": "ok"}, machine_class="other-2c")
    whole = keep(tmp_path, "4", {"a-b1": "ok"})
    whole.write_bytes(whole.read_bytes()[:-100])
    keep(tmp_path, "5", {})
    keep(tmp_path, "6", {"a-b1": "ok"}, day=99)
    assert last_verdicts(tmp_path, MACHINE_CLASS) == {"a-b1-mkl-fp32": "inconclusive"}
    assert last_verdicts(tmp_path / "none", MACHINE_CLASS) == {}


def test_the_command_that_judges_again_names_the_files_of_the_run_and_of_its_baseline(tmp_path: Path) -> None:
    judged_by = gate()
    storage = Storage(BASELINES / MACHINE_CLASS, None, "", Waiver())
    assert judge_command(storage, judged_by, tmp_path / "a b").endswith(
        f"run mxperf judge '{tmp_path}/a b/run.json' baselines/{MACHINE_CLASS}/{judged_by.name}"
    )
    elsewhere = tmp_path / "night.json"
    elsewhere.write_text("{}")
    named = Storage(tmp_path / "stored", None, str(elsewhere), Waiver())
    assert judge_command(named, judged_by, tmp_path).endswith(f" {tmp_path}/run.json {elsewhere}")
    assert judge_command(storage, NoBaseline("none"), tmp_path).endswith(f" mxperf judge {tmp_path}/run.json")
