"""The detector against ruptures and Apache Otava, each in an environment of its own, on made series.

ruptures gets a penalty and Otava a p-value; neither corrects for many series and many nights. So they may see what this
detector leaves to noise, and the places of clear steps must agree.
"""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from perf.history.accepted import AcceptedLevels
from perf.history.findings import findings_of
from perf.history.nights import read_nights
from perf.history.otava import CONFIGURATION, otava_files
from perf.judge.regression import Observed
from perf.judge.steps import NIGHT_ERROR, find_changes
from perf.judge.variance_prior import VariancePrior
from tests.support.factories import TOLERANCES
from tests.unit.history.made_history import fill, made_run

pytestmark = pytest.mark.slow
SD, NIGHTS = 0.01, 40
RUPTURES, OTAVA = "ruptures==1.1.10", "apache-otava==0.8.0"
# PELT (Killick et al., 2012) with the penalty of the BIC, in units of the variance.
PELT = """
import json, math, sys
import numpy, ruptures
sd, every = json.load(sys.stdin)
for values in every:
    signal = numpy.array(values).reshape(-1, 1) / sd
    model = ruptures.Pelt(model="l2", min_size=2, jump=1).fit(signal)
    print(json.dumps(model.predict(pen=3 * math.log(len(values)))[:-1]))
"""


def run_with(package: str, *command: str, entered: str = "", **variables: str) -> str:
    """Return what a command prints in an environment that has a package. Skips when it cannot be installed."""
    prefix = ("uv", "run", "--isolated", "--no-project", "--with", package)
    environment = {**os.environ, **variables}
    trial = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False, env=environment)
    if trial.returncode:
        pytest.skip(f"{package} cannot be installed: {trial.stderr.strip().splitlines()[-1:]}")
    done = subprocess.run(
        [*prefix, *command], input=entered, capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout


def made_series(seed: int, by: float, first: int) -> list[float]:
    noise = np.random.default_rng(seed).normal(0, SD, NIGHTS)
    return [float(value) + (by if night >= first else 0.0) for night, value in enumerate(noise)]


def places(values: Sequence[float]) -> list[int]:
    scale = VariancePrior(1.0, 10.0)
    changes = find_changes(Observed.of(values, [SD**2] * len(values)), scale, NIGHT_ERROR / 168)
    return [point.first for point in changes.points]


def test_clear_steps_are_where_ruptures_sees_them() -> None:
    steps = {seed: (8 + seed % 26, -0.06 if seed % 2 else 0.06) for seed in range(30)}
    every = [made_series(seed, by, first) for seed, (first, by) in steps.items()]
    lines = run_with(RUPTURES, "python", "-c", PELT, entered=json.dumps([SD, every])).splitlines()
    seen = [json.loads(line) for line in lines]
    ours = [places(values) for values in every]
    assert len(seen) == len(ours) == 30
    assert [len(mine) for mine in ours] == [1] * 30
    # One night more or less where the first night of the step happens to lie in between.
    near = [any(abs(mine[0] - place) <= 1 for place in theirs) for mine, theirs in zip(ours, seen, strict=True)]
    assert sum(near) >= 29


def test_flat_series_raise_fewer_alarms_than_with_ruptures() -> None:
    every = [made_series(seed, 0.0, NIGHTS) for seed in range(300)]
    lines = run_with(RUPTURES, "python", "-c", PELT, entered=json.dumps([SD, every])).splitlines()
    seen = sum(bool(json.loads(line)) for line in lines)
    ours = sum(bool(places(values)) for values in every)
    assert ours == 0
    assert seen >= ours


def test_otava_reads_the_export_and_sees_the_same_step(tmp_path: Path) -> None:
    folder, output = tmp_path / "history" / "class", tmp_path / "otava"
    loss = {"resnet50_v1-b1": -0.3}
    fill(folder, [made_run(night, loss if night >= 14 else None) for night in range(28)])
    findings = findings_of(read_nights(folder), AcceptedLevels(), TOLERANCES)
    (lost,) = findings.lost
    output.mkdir()
    for path, content in otava_files([judged.series for judged in findings.judged], output).items():
        path.write_bytes(content)
    configuration = str(output / CONFIGURATION)
    tests = run_with(OTAVA, "otava", "list-tests", OTAVA_CONFIG=configuration)
    assert tests.split() == [f"{judged.series.case}.{judged.series.over}" for judged in findings.judged]
    since = ("--since", "2026-10-01", "--until", "2027-01-01")
    name = f"{lost.series.case}.{lost.series.over}"
    report = run_with(OTAVA, "otava", "analyze", name, *since, OTAVA_CONFIG=configuration)
    lines = report.splitlines()
    marked = [number for number, line in enumerate(lines) if re.search(r"-2\d\.\d%", line)]
    dated = [line[:10] for line in lines[marked[0] :] if re.match(r"\d{4}-", line)]
    assert dated[0] == f"{lost.dated[0].first:%Y-%m-%d}" == "2026-11-15"
