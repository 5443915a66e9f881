"""--perf-train-rec from end to end, on small coloured images: reported, killed, and resumed."""

import os
import pickle
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from perf.builds import Build, process_environment
from perf.builds import run as run_program
from tests.support.inline import Finished
from tests.support.leftovers import left
from tests.support.session import Session, cache_of, run

EPOCHS = 2
GONE_S = 30.0


def pack(folder: Path, name: str, count: int, zoo: Build) -> Path:
    file = folder / f"{name}.rec"
    command = [str(zoo.python), "-m", "tests.integration.dist.pack_patterns", str(file), str(count)]
    finished = run_program(command, environment=process_environment(zoo, 1), timeout_s=60, subject=name)
    assert finished.code == 0, finished.stderr
    return file


@pytest.fixture(scope="module")
def records(builds: Mapping[str, Build], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("records")
    return {name: pack(folder, name, count, builds["zoo"]) for name, count in (("train", 8), ("val", 4))}


def options(records: Mapping[str, Path]) -> list[str]:
    return [
        *("perf/dist", "-m", "accuracy", "-k", "recipe", "--perf-model=mobilenet0.25", "--perf-batch=4"),
        *(f"--perf-train-epochs={EPOCHS}", f"--perf-train-rec={records['train']}"),
        f"--perf-imagenet-rec={records['val']}",
    ]


def checkpoint(folder: Path) -> Path | None:
    return next((cache_of(folder) / "checkpoints").glob("*.npz"), None)


Trained = tuple[Finished, Path]


def uninterrupted(folder: Path, records: Mapping[str, Path]) -> Trained:
    """A session that trains to the end, and its checkpoint."""
    finished = run(folder, *options(records))
    kept = checkpoint(folder)
    assert kept, finished.output
    return finished, kept


def killed_and_resumed(folder: Path, records: Mapping[str, Path]) -> Trained:
    """A session that is killed after its first checkpoint and run again, and its last checkpoint."""
    with Session(folder, *options(records)) as session:
        while checkpoint(folder) is None:
            assert session.process.poll() is None
            time.sleep(0.01)
    wait_until_gone(str(records["train"]))
    with Session(folder, *options(records)) as session:
        finished = session.finish()
    kept = checkpoint(folder)
    assert kept, finished.output
    return finished, kept


@pytest.fixture(scope="module")
def trained(records: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Trained]:
    """An uninterrupted training and one that was killed and resumed; at the same time, since neither is timed."""
    copies = shutil.copytree(records["train"].parent, tmp_path_factory.mktemp("copies"), dirs_exist_ok=True)
    copied = {name: copies / path.name for name, path in records.items()}
    with ThreadPoolExecutor(2) as pool:
        whole = pool.submit(uninterrupted, tmp_path_factory.mktemp("whole"), records)
        resumed = pool.submit(killed_and_resumed, tmp_path_factory.mktemp("resumed"), copied)
    return whole.result(), resumed.result()


@pytest.fixture(scope="module")
def whole(trained: tuple[Trained, Trained]) -> Trained:
    """The uninterrupted training."""
    return trained[0]


def test_a_session_reports_every_epoch_and_its_accuracy(whole: Trained) -> None:
    finished, _ = whole
    assert finished.code == 0, finished.output
    assert "1 passed" in finished.output
    for epoch in range(1, EPOCHS + 1):
        assert f"mobilenet0.25, epoch {epoch} of {EPOCHS}: top-1 " in finished.output
    assert "published: 0.7595 after 90 epochs" in finished.output
    assert "not judged" in finished.output
    page = Path(finished.part("accuracy by epoch: "))
    assert "2 ranks, held out" in page.read_text()


def test_a_killed_training_resumes_and_ends_with_the_same_weights(trained: tuple[Trained, Trained]) -> None:
    whole, (finished, kept) = trained
    assert finished.code == 0, finished.output
    begun = int(finished.part("mobilenet0.25: trained from epoch ", ";"))
    assert 1 < begun <= EPOCHS
    assert f"mobilenet0.25, epoch {begun - 1} of" not in finished.output
    ours, theirs = (dict(np.load(path)) for path in (kept, whole[1]))
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def wait_until_gone(token: str) -> None:
    """No rank outlives a session that was killed."""
    deadline = time.monotonic() + GONE_S
    while left(token):
        assert time.monotonic() < deadline, [psutil.Process(process.pid).cmdline() for process in left(token)]
        time.sleep(0.1)


class Runs:
    """Its pickle makes a folder when it is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_nothing_in_a_checkpoint_runs(records: Mapping[str, Path], whole: Trained, tmp_path: Path) -> None:
    """Momenta were kept as a pickle: whoever could write to the cache could run anything."""
    mark = tmp_path / "ran"
    states = np.frombuffer(pickle.dumps(Runs(mark)), dtype=np.uint8)
    folder = cache_of(tmp_path) / "checkpoints"
    folder.mkdir()
    with np.load(whole[1]) as arrays:
        np.savez(folder / whole[1].name, allow_pickle=False, **{**arrays, "states": states})
    finished = run(tmp_path, *options(records))
    assert finished.code == 0, finished.output
    assert not mark.exists()


def test_a_damaged_checkpoint_is_named_and_kept(records: Mapping[str, Path], whole: Trained, tmp_path: Path) -> None:
    content = whole[1].read_bytes()
    folder = cache_of(tmp_path) / "checkpoints"
    folder.mkdir()
    damaged = folder / whole[1].name
    damaged.write_bytes(content[: len(content) // 2])
    finished = run(tmp_path, *options(records))
    assert finished.code == 1
    assert f"the checkpoint {damaged} cannot be used" in finished.output
    assert "remove it to start over" in finished.output
    assert damaged.read_bytes() == content[: len(content) // 2]
