"""A night's plan: candidates are checked, arguments are read by no shell, and the summary says what is guarded."""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from perf.cli import main
from tests.support.inline import run_inline

HEX = hashlib.sha256(b"a wheel").hexdigest()
NAME = "mxnet_mkl-1.6.0-py2.py3-none-any.whl"
ADDRESS = f"https://example.org/{NAME}#sha256={HEX}"
# The smallest archive: its directory, without entries.
WHEEL = b"PK\5\6" + bytes(18)
Plan = Callable[..., int]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Runs `mxperf night -o night` in a folder of its own, and returns the exit code."""
    monkeypatch.chdir(tmp_path)

    def run(*options: str) -> int:
        monkeypatch.setattr(sys, "argv", ["mxperf", "night", "-o", "night", *options])
        with pytest.raises(SystemExit) as caught:
            main.main()
        assert isinstance(caught.value.code, int)
        return caught.value.code

    return run


def test_a_scheduled_night_measures_the_locked_wheels_and_says_so(
    tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan("--tier", "nightly", "--shards", "1", "--builds", "", "--wheels", "", "--roles", "") == 0
    assert capsys.readouterr().out == 'shards=["1/1"]\n'
    assert (tmp_path / "night" / "arguments.txt").read_text() == "--perf-tier=nightly\n"
    summary = (tmp_path / "night" / "night.md").read_text()
    assert "guards the machine, the lock and the suite only" in summary


def test_candidates_stand_in_the_arguments_and_in_the_summary(
    tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan("--shards", "2", "--builds", f"native=mxnet==1.5.1  mkl={ADDRESS}") == 0
    assert json.loads(capsys.readouterr().out.removeprefix("shards=")) == ["1/2", "2/2"]
    assert (tmp_path / "night" / "arguments.txt").read_text().splitlines() == [
        "--perf-tier=nightly",
        "--perf-build=native=mxnet==1.5.1",
        f"--perf-build=mkl={ADDRESS}",
    ]
    summary = (tmp_path / "night" / "night.md").read_text()
    assert f"    mkl: {ADDRESS}\n" in summary
    assert "guards" not in summary


def test_the_wheel_of_an_artifact_goes_with_the_plan(tmp_path: Path, plan: Plan) -> None:
    wheel = tmp_path / "candidate" / "dist" / NAME
    wheel.parent.mkdir(parents=True)
    wheel.write_bytes(WHEEL)
    assert plan("--wheels", "candidate", "--roles", "mkl mkl-dist") == 0
    assert (tmp_path / "night" / "wheels" / "1" / NAME).read_bytes() == WHEEL
    arguments = (tmp_path / "night" / "arguments.txt").read_text().splitlines()
    assert arguments[1:] == [f"--perf-build={role}=night/wheels/1/{NAME}" for role in ("mkl", "mkl-dist")]


def test_two_wheels_of_one_name_do_not_replace_each_other(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two builds of one release from source have one name."""
    monkeypatch.setenv("HOME", str(tmp_path))
    contents = {"new": WHEEL, "old": WHEEL[:-2] + b"\1\0" + b"x"}  # an archive with a comment
    for folder, content in contents.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / NAME).write_bytes(content)
    assert plan("--builds", f"mkl=new/{NAME} zoo=~/old/{NAME} mkl-dist=new/{NAME}") == 0
    arguments = (tmp_path / "night" / "arguments.txt").read_text().splitlines()[1:]
    wheels = dict(argument.removeprefix("--perf-build=").split("=", 1) for argument in arguments)
    assert {role: (tmp_path / wheel).read_bytes() for role, wheel in wheels.items()} == {
        "mkl": contents["new"],
        "zoo": contents["old"],
        "mkl-dist": contents["new"],
    }
    assert len(list((tmp_path / "night").rglob(NAME))) == 2


@pytest.mark.parametrize("line_break", ["\n", "\u2028"])
def test_a_path_of_several_lines_is_refused(
    tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str], line_break: str
) -> None:
    """Its second line would be an argument of its own, such as one that lets no case fail."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / f"x{line_break}--perf-advisory{line_break}{NAME}").write_bytes(WHEEL)
    assert plan("--wheels", "one", "--roles", "mkl") == 4
    assert "holds a line break, and pytest reads an argument from each line\nnext: " in capsys.readouterr().err
    assert not (tmp_path / "night" / "arguments.txt").exists()


REFUSED = {
    ("--builds", "gpu=mxnet"): "there is no build 'gpu'",
    ("--builds", "mkl"): "no requirement or wheel file is named",
    ("--builds", f"mkl=https://example.org/{NAME}"): "a wheel at an address needs its sha256",
    ("--builds", "mkl=./gone.whl"): "the wheel cannot be read",
    ("--builds", "mkl=a mkl=b"): "the build mkl is named twice",
    ("--wheels", "empty", "--roles", "mkl"): "empty: holds no wheel",
    ("--wheels", "two", "--roles", "mkl"): "two: holds 2 wheels",
    ("--roles", "mkl mkl-dist"): "mkl mkl-dist: there is no wheel for these roles",
    ("--wheels", "one"): "no role is named for the wheel",
    ("--builds", "mkl=mxnet-mkl==1.6.0", "--wheels", "one", "--roles", "mkl"): "the build mkl is named twice",
}


@pytest.mark.parametrize("options", REFUSED)
def test_a_candidate_that_no_session_would_take_ends_the_night_at_once(
    tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    for folder, names in {"empty": (), "one": (NAME,), "two": (NAME, f"x{NAME}")}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(WHEEL)
    assert plan(*options) == 4
    output = capsys.readouterr()
    assert REFUSED[options] in output.err
    assert output.out == ""
    assert not (tmp_path / "night").exists()


@pytest.mark.parametrize("content", [b"", WHEEL[:-1], b"a wheel"], ids=["empty", "cut", "other"])
@pytest.mark.parametrize(
    "options",
    [("--wheels", "candidate", "--roles", "mkl"), ("--builds", f"mkl=candidate/{NAME}")],
    ids=["folder", "file"],
)
def test_a_file_that_is_not_a_wheel_ends_the_night_at_once(
    tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str], content: bytes, options: tuple[str, ...]
) -> None:
    (tmp_path / "candidate").mkdir()
    (tmp_path / "candidate" / NAME).write_bytes(content)
    assert plan(*options) == 4
    assert f"candidate/{NAME}: the file is empty, cut or no wheel" in capsys.readouterr().err
    assert not (tmp_path / "night").exists()


def test_pytest_reads_the_arguments(tmp_path: Path, plan: Plan) -> None:
    assert plan("--tier", "smoke", "--builds", "mkl=mxnet-mkl==1.5.1;$(touch${IFS}pwned)`x`") in {0, 4}
    assert plan("--tier", "smoke", "--builds", f"mkl={ADDRESS}") == 0
    arguments = tmp_path / "night" / "arguments.txt"
    finished = run_inline(tmp_path / "cache", "--collect-only", "-q", "perf/cnn", f"@{arguments}", "--perf-shard=1/2")
    assert finished.code == 0, finished.output
    assert "cifar_resnet20_v1-b1-mkl-int8" in finished.output


def test_a_folder_that_cannot_be_written_to_is_an_error(
    tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "night").write_text("a file")
    assert plan() == 4
    assert capsys.readouterr().err.startswith("night: cannot be written: File exists")
