"""When a launcher gives its ranks up. A script writes what ranks would; it is launched, watched and ended for real."""

from pathlib import Path

import msgspec
import pytest

from perf.builds import Mpi
from perf.dist.data import Timeouts, load
from perf.dist.launch.job import Cluster, Job, RankPlacement
from perf.dist.launch.running import run_job
from perf.errors import WorkerError
from perf.plugin.options import TIMEOUT_S
from tests.support.fakes import PLACEMENTS, build

# Between two looks at the messages, so that tests are short.
POLL_S = 0.02
PAUSE_S = 0.4
# Half of a pause, and longer than any test.
SHORT_S, LONG_S = 0.2, 60.0
# It writes to $out.0 and $out.1, as the launcher's -outfile-pattern says.
HEAD = '#!/bin/sh\nwhile [ "$1" != -outfile-pattern ]; do shift; done\nout="${2%.%r}"\n'
STARTED = """echo '{"rank": 0}' >> "$out.0"; echo '{"rank": 1}' >> "$out.1"\n"""
ALIVE = """echo '{"alive": 0}' >> "$out.0"; echo '{"alive": 0}' >> "$out.1"\n"""
RESULTS = """echo '{"result": {"is": 0}}' >> "$out.0"; echo '{"result": {"is": 1}}' >> "$out.1"\n"""
PAUSE = f"sleep {PAUSE_S}\n"


@pytest.fixture(autouse=True)
def short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perf.dist.launch.running.POLL_S", POLL_S)


def job(folder: Path, script: str, timeouts: Timeouts) -> Job:
    mpi = Mpi("intel", "2021.18.1", folder, bundled=False)
    mpi.launcher.parent.mkdir()
    mpi.launcher.write_text(HEAD + script)
    mpi.launcher.chmod(0o755)
    return Job(
        build=build("mkl-dist", mkldnn=True, mpi=mpi),
        cluster=Cluster(),
        rank_placements=(RankPlacement(None, PLACEMENTS[0]),) * 2,
        program="none",
        arguments={},
        deadline_s=LONG_S,
        timeouts=timeouts,
    )


def limits(*, start_s: float, silence_s: float) -> Timeouts:
    return msgspec.structs.replace(load().timeouts, start_s=start_s, silence_s=silence_s, exit_s=0.1)


@pytest.mark.parametrize("before", [PAUSE, ALIVE + PAUSE], ids=["before the first word", "while importing"])
def test_a_rank_that_starts_slowly_is_not_dead(tmp_path: Path, before: str) -> None:
    patient = limits(start_s=LONG_S, silence_s=SHORT_S)
    assert run_job(job(tmp_path, before + STARTED + RESULTS, patient), tmp_path) == [{"is": 0}, {"is": 1}]


@pytest.mark.parametrize("before", ["", ALIVE], ids=["silent", "then silent"])
def test_a_rank_that_does_not_start_is_named_as_that(tmp_path: Path, before: str) -> None:
    script = f"{before}exec sleep 5\n"
    with pytest.raises(WorkerError, match=r"^rank 0 of 2 on this host had not started, and sent nothing for \d+ s; "):
        run_job(job(tmp_path, script, limits(start_s=SHORT_S, silence_s=LONG_S)), tmp_path)


def test_a_rank_that_falls_silent_after_its_start_is_dead(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"^rank 0 of 2 on this host sent nothing for \d+ s: it is stopped or cut"):
        run_job(job(tmp_path, STARTED + "exec sleep 5\n", limits(start_s=LONG_S, silence_s=SHORT_S)), tmp_path)


def test_a_longer_timeout_extends_the_limits_in_proportion() -> None:
    timeouts = load().timeouts
    assert timeouts.for_timeout_s == TIMEOUT_S, "the default of --perf-timeout"
    assert timeouts.extended(TIMEOUT_S) == timeouts
    assert timeouts.extended(TIMEOUT_S / 10) == timeouts, "a shorter one is the deadline of the job"
    longer = timeouts.extended(3 * TIMEOUT_S)
    assert (longer.start_s, longer.silence_s) == (3 * timeouts.start_s, 3 * timeouts.silence_s)
    assert longer.first_step_s == 3 * timeouts.first_step_s
    assert longer.exit_s == timeouts.exit_s
