"""Sessions in which something real goes wrong."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from perf.wording import uv
from tests.support.inline import Finished
from tests.support.session import RECURRENT, Session

pytestmark = pytest.mark.alone
KILLED = "test_inference[cifar_resnet20_v1-b1-mkl-fp32]"
STOPPED = "test_inference[cifar_resnet20_v1-b4-mkl-int8]"


@pytest.fixture
def heard() -> Iterator[None]:
    """SIGINT and SIGHUP are not ignored: what a script or nohup starts inherits that, and would not be interrupted."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler), signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in zip((signal.SIGINT, signal.SIGHUP), before, strict=True):
        signal.signal(number, handler)


def report_of(finished: Finished, case: str) -> str:
    """What a session says about a case under the heading of its failure."""
    heading = re.search(rf"^_+ .*{re.escape(case)} _+$", finished.output, re.MULTILINE)
    assert heading, finished.output
    return re.split(r"^(?:_{3,} |=+ performance =)", finished.output[heading.end() :], maxsplit=1, flags=re.MULTILINE)[
        0
    ]


def test_a_killed_worker_is_reported_with_its_last_lines_and_a_command(wounded: Finished) -> None:
    report = report_of(wounded, KILLED)
    assert "cifar_resnet20_v1-b1 mkl-fp32: while " in report
    assert "the worker was ended by SIGKILL" in report
    assert "build_subgraph.cc" in report, "its last lines"
    alone = report.partition("alone: ")[2]
    item = f"perf/cnn/test_inference.py::{KILLED}"
    assert alone.startswith(f"{uv()} run pytest '{item}' --perf-tier=smoke --perf-timeout=6")


def test_a_worker_that_hangs_is_reported_after_the_timeout(wounded: Finished) -> None:
    report = report_of(wounded, STOPPED)
    assert "cifar_resnet20_v1-b4 mkl-int8: while " in report
    assert "the worker did not answer within 6 s and was killed" in report
    assert f"alone: {uv()} run pytest 'perf/cnn/test_inference.py::{STOPPED}' --perf-tier=smoke" in report


def test_the_other_cases_pass(wounded: Finished) -> None:
    assert wounded.code == 1
    assert "4 passed" in wounded.output
    assert "Traceback" not in wounded.output


@pytest.mark.usefixtures("heard")
def test_an_interrupted_run_is_no_baseline_and_leaves_no_worker(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    options = (
        f"--benchmark-storage=file://{kept}",
        "--benchmark-save=half",
        f"--benchmark-json={tmp_path / 'half.json'}",
    )
    with Session(tmp_path, *RECURRENT, "-kmkl", *options, "--perf-invocations=2") as session:
        session.wait_for("invocation 2")
        session.worker("mkl-fp32")
        session.process.send_signal(signal.SIGINT)
        finished = session.finish()
        assert not session.workers()
    assert finished.code == 2
    assert "KeyboardInterrupt" in finished.output
    assert "Traceback" not in finished.output
    assert not list(kept.rglob("*.json"))
    assert not list(tmp_path.glob("mxnet-perf-*"))
