"""History files: whole, immutable, named by their content, and merged as a union of files."""

import json
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perf.errors import PerfError
from perf.history.accepted import AcceptedLevels
from perf.history.findings import findings_of
from perf.history.nights import night_of, read_nights
from perf.history.schema import SIDE_BY_SIDE, digest, read_night, stack_digest
from perf.runs.schema import StoredRun
from tests.conftest import SmallDisk
from tests.support.factories import MACHINE_CLASS, TOLERANCES, as_run, as_stack, benchmark, document, native, sample
from tests.unit.history.made_history import CASE, fill, made_run, write_run


def test_a_file_holds_what_the_run_measured(tmp_path: Path) -> None:
    (path,) = fill(tmp_path / "h", [made_run(0, side_by_side=True, wheel="c")])
    night, run = read_night(path), as_run(made_run(0, side_by_side=True, wheel="c"))
    lines = {(line.case, line.over): line for line in night.comparisons}
    assert list(lines) == sorted(lines)
    assert len(lines) == night.header.comparisons == 6
    observed, line = run.cases[CASE].samples["native-fp32"].observed, lines[CASE, "native-fp32"]
    assert observed is not None
    assert line.log_ratio == pytest.approx(observed.log_ratio, abs=1e-6)
    assert (line.invocations, line.verdict) == (4, "ok")
    assert line.variance == pytest.approx(observed.variance, abs=1e-9)
    values = run.cases[CASE].side_by_side
    assert values is not None
    side_by_side = lines[CASE, SIDE_BY_SIDE]
    assert side_by_side.log_ratio == pytest.approx(sum(values.values) / 4, abs=1e-6)
    assert night.header.stack(side_by_side.stack).wheel == "c" * 64
    assert night.header.stack(side_by_side.over_stack).wheel == "b" * 64
    assert path.name == night.name == f"20261101T020000Z-{digest(path.read_bytes())}.jsonl"


def test_a_stack_is_what_runs_and_not_how_it_is_measured_or_named() -> None:
    plain = stack_digest(as_stack())
    assert stack_digest(as_stack(measuring="changed", requirement="./file.whl")) == plain
    assert stack_digest(as_stack(numpy="1.22.4")) != plain


def test_a_run_is_added_once_whatever_it_is_called(tmp_path: Path, folder: Path, history: Callable[..., int]) -> None:
    first, second = (write_run(tmp_path / name, made_run(0)) for name in ("a.json", "b.json"))
    assert history("add", first, second, "--folder", folder) == 0
    assert history("add", first, "--folder", folder) == 0
    assert len(list(folder.iterdir())) == 1


def test_what_was_not_measured_is_listed(tmp_path: Path) -> None:
    run = document(native(), benchmark(), native("a-b1"), benchmark("a-b1", samples={"native-fp32": sample([])}))
    night = night_of(write_run(tmp_path / "run.json", run))
    assert [line.case for line in night.comparisons] == [CASE]
    assert night.header.not_measured == {"a-b1-mkl-fp32 over native-fp32": "no undisturbed measurement"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"complete": False}, "is an unfinished run\nnext: finish it with --perf-resume"),
        ({"injected": {"mkl-fp32": 0.05}}, "was slowed down on purpose"),
        ({"schema": 1}, "has schema 1"),
    ],
)
def test_a_run_that_cannot_be_a_night_is_refused(
    tmp_path: Path, folder: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str],
    change: dict[str, Any], message: str,
) -> None:  # fmt: skip
    path = write_run(tmp_path / "run.json", made_run(0, **change))
    assert history("add", path, "--folder", folder) == 4
    assert capsys.readouterr().err.startswith(f"{path}: {message}")
    assert not folder.exists()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"benchmarks": []}', b"[1]", b"not JSON", b"\xff\xfe"])
def test_another_suites_file_is_refused(
    tmp_path: Path, folder: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    assert history("add", path, "--folder", folder) == 4
    error = capsys.readouterr().err
    assert error.startswith(f"{path}: ")
    assert "\nnext: " in error


def test_a_run_without_a_ratio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="holds no comparison"):
        night_of(write_run(tmp_path / "run.json", document(native())))


SPOILED = {
    "cut off in a line": (lambda content: content[:-40], "is cut off: 2 of 3"),
    "cut off after a line": (lambda content: b"\n".join(content.split(b"\n")[:-2]) + b"\n", "is cut off: 2 of 3"),
    "cut off in the first line": (lambda content: content[:90], "is damaged"),
    "empty": (lambda _: b"", "is empty"),
    "blank": (lambda _: b"\n\n", "is empty"),
    "another schema": (lambda content: content.replace(b'"schema":1', b'"schema":7'), "has schema 7"),
    "changed": (lambda content: content.replace(b'"invocations":4', b'"invocations":5'), "was changed"),
    "another suite": (lambda _: b'{"benchmarks": [], "version": "5.3.1"}', "is not a history file"),
    "a conflict": (lambda content: b"<<<<<<< HEAD\n" + content, "is damaged"),
    "binary": (lambda _: b"\x00\xff" * 200, "is damaged"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOILED.values(), ids=SPOILED)
def test_a_file_that_cannot_be_used_is_named_and_the_rest_is_used(
    folder: Path,
    history: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[bytes], bytes],
    message: str,
) -> None:
    paths = fill(folder, [made_run(night) for night in range(5)])
    paths[2].write_bytes(spoil(paths[2].read_bytes()))
    assert history("check", "--folder", folder) == 0
    out = capsys.readouterr().out
    assert "4 runs from 2026-11-01 to 2026-11-05" in out
    assert "1 file could not be used:" in out
    assert f"{paths[2]}: {message}" in out
    assert "next: restore it with git, or" in out or "next: use the version of the suite" in out
    assert history("check", "--strict", "--folder", folder) == 3


IMPOSSIBLE = {
    "an endless ratio": ('"log_ratio":1.6', '"log_ratio":99', "impossible ratio"),
    "no invocation": ('"invocations":4', '"invocations":0', "impossible ratio"),
    "an unknown stack": ('"over_stack":"', '"over_stack":"0', "does not hold the stacks"),
    "a class that cannot be a name": (f'"machine_class":"{MACHINE_CLASS}"', '"machine_class":"../x"', "machine class"),
    "no time zone": ('02:00:00Z"', '02:00:00"', "time zone"),
    "a stack without a wheel": ('"wheel":[', '"wheels":[', "stack that cannot be read"),
}


@pytest.mark.parametrize(("before", "after", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_content_is_refused(tmp_path: Path, before: str, after: str, message: str) -> None:
    (path,) = fill(tmp_path / "h", [made_run(0)])
    assert before in path.read_text()
    content = path.read_text().replace(before, after).encode()
    spoiled = path.with_name(f"20261101T020000Z-{digest(content)}.jsonl")
    spoiled.write_bytes(content)
    with pytest.raises(PerfError, match=message):
        read_night(spoiled)


def test_files_that_do_not_belong_there_are_named(folder: Path) -> None:
    fill(folder, [made_run(0)])
    (folder / "README.md").write_text("Ours.")
    (folder / "run.json").write_text(json.dumps(made_run(1)))
    (folder / "pipe.jsonl").symlink_to("/dev/zero")
    nights = read_nights(folder)
    assert len(nights.files) == 1
    assert [str(problem).split(":")[0] for problem in nights.unusable] == [
        str(folder / "pipe.jsonl"),
        str(folder / "run.json"),
    ]


def test_what_cannot_be_listed_is_named(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.touch()
    with pytest.raises(PerfError, match="made-2c-1n-avx2: cannot be read as a folder: Not a directory\nnext: "):
        read_nights(folder)


def test_another_machine_class_is_named(folder: Path) -> None:
    ours = fill(folder, [made_run(0)])
    fill(folder.parent / "c5.metal", [made_run(1, machine_class="c5.metal")])
    for path in (folder.parent / "c5.metal").iterdir():
        shutil.copy(path, folder)
    nights = read_nights(folder, MACHINE_CLASS)
    assert len(nights.files) == len(ours)
    assert "belongs to machine class c5.metal" in str(nights.unusable[0])
    with pytest.raises(PerfError, match=f"several machine classes: c5.metal, {MACHINE_CLASS}"):
        read_nights(folder)


def test_a_run_of_another_class_does_not_get_into_a_history(
    tmp_path: Path, folder: Path, history: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (ours,) = fill(folder, [made_run(0)])
    foreign = write_run(tmp_path / "foreign.json", made_run(1, machine_class="c5.metal"))
    assert history("add", foreign, "--folder", folder) == 4
    assert f"is the history of {MACHINE_CLASS}, and the run is of c5.metal" in " ".join(capsys.readouterr().err.split())
    assert list(folder.iterdir()) == [ours]


def test_a_misplaced_file_does_not_stop_a_history(tmp_path: Path, folder: Path) -> None:
    fill(folder, [made_run(0)])
    (misplaced,) = fill(tmp_path / "c5.metal", [made_run(1, machine_class="c5.metal")])
    shutil.copy(misplaced, folder)
    assert len(fill(folder, [made_run(2)])) == 1
    assert len(read_nights(folder, MACHINE_CLASS).files) == 2


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_histories_that_diverged_are_merged_by_git_and_each_run_counts_once(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    folder = repository / "history" / MACHINE_CLASS
    fill(folder, [made_run(0)])
    git(repository, "init", "-b", "main")
    for branch, added in {"main": [], "left": [1, 2, 4], "right": [2, 3]}.items():
        git(repository, "checkout", "-B", branch, *(["main"] if branch != "main" else []))
        fill(folder, [made_run(night) for night in added])
        git(repository, "add", "-A")
        git(repository, "commit", "-m", branch)
    git(repository, "merge", "left")
    nights = read_nights(folder)
    assert [night.header.ended.day for night in nights.files] == [1, 2, 3, 4, 5]
    assert (nights.unusable, nights.repeated) == ((), ())


def test_two_files_of_one_run_count_once(folder: Path) -> None:
    fill(folder, [made_run(0)])
    judged_again = made_run(0)
    for entry in judged_again["benchmarks"]:
        entry["extra_info"]["verdict"] = {"kind": "drifted"}
    path = write_run(folder.parent / "run.json", judged_again)
    night = night_of(path)
    (folder / night.name).write_bytes(night.content)
    nights = read_nights(folder)
    assert len(list(folder.iterdir())) == 2
    assert len(nights.files) == len(nights.repeated) == 1


def test_a_full_disk_leaves_no_half_written_file(small_disk: SmallDisk, history: Callable[..., int]) -> None:
    disk, make_read_only = small_disk
    path = write_run(disk.parent / "run.json", made_run(0))
    make_read_only()
    assert history("add", path, "--folder", disk / "history") == 4
    assert list(disk.iterdir()) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, filled: Path, draw: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("shuffled")
    paths = sorted(filled.iterdir())
    draw.shuffle(paths)
    for path in paths:
        shutil.copy(path, folder)
    assert shown(folder) == shown(filled)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history with a step."""
    folder = tmp_path_factory.mktemp("history") / "class"
    fill(folder, [made_run(night, {"resnet50_v1-b1": -0.3 if night >= 12 else 0.0}) for night in range(16)])
    return folder


def shown(folder: Path) -> object:
    findings = findings_of(read_nights(folder), AcceptedLevels(), TOLERANCES)
    assert findings.lost
    return [(one.series.name, one.changes) for one in findings.judged]


def test_the_stored_runs_of_the_repository_can_be_added(tmp_path: Path) -> None:
    assert isinstance(as_run(document()), StoredRun)
    night = night_of(write_run(tmp_path / "run.json", document()))
    assert {line.over for line in night.comparisons} == {"native-fp32", "mkl-fp32"}
