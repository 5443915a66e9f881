"""The folder of a bisection: what it refuses, what survives an interruption, and wheels on the command line."""

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from perf.bisection.state import (
    FILE,
    Bisection,
    Step,
    Wheel,
    add_step,
    begin,
    known_item,
    opened,
    read_bisection,
    read_steps,
    wheels_of,
)
from perf.cli.bisect import split_arguments
from perf.errors import PerfError
from tests.conftest import SmallDisk
from tests.support.wheels import wheel as made_wheel

BASE = Bisection(
    case="resnet18_v1-b1-mkl-fp32",
    item="perf/cnn/test_inference.py::test_inference[resnet18_v1-b1-mkl-fp32]",
    role="mkl",
    tier="quick",
    options=["--perf-threads=1"],
    machine_class="made-2c-1n-avx2",
    wheels=[Wheel("mxnet-mkl==1.5.0", "mxnet-mkl==1.5.0"), Wheel("./x.whl", "/a/x.whl", "b" * 64)],
)
STEP = Step(wheel=1, answer="undecided", reason="wrong answers", sessions=1, seconds=2.5)
WHEEL = "mxnet_mkl-1.5.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("case", "x-b1-mkl-fp32", "case: resnet18_v1-b1-mkl-fp32 there, x-b1-mkl-fp32 here"),
        ("role", "native", "role: mkl there, native here"),
        ("tier", "nightly", "tier: quick there, nightly here"),
        ("options", [], "options: --perf-threads=1 there, none here"),
        ("machine_class", "c5.metal", "machine class: made-2c-1n-avx2 there, c5.metal here"),
        (
            "wheels",
            [Wheel("mxnet-mkl==1.5.0", "mxnet-mkl==1.5.0"), Wheel("./x.whl", "/a/x.whl", "c" * 64)],
            "wheels: mxnet-mkl==1.5.0 x.whl (bbbbbbbbbbbb) there, mxnet-mkl==1.5.0 x.whl (cccccccccccc) here",
        ),
    ],
)
def test_another_bisection_is_refused_by_name(tmp_path: Path, field: str, value: object, message: str) -> None:
    begin(tmp_path, BASE)
    with pytest.raises(PerfError) as caught:
        begin(tmp_path, msgspec.structs.replace(BASE, **{field: value}))
    assert caught.value.what == f"holds another bisection: {message}"
    assert "--folder" in str(caught.value)
    assert read_bisection(tmp_path) == BASE


def test_the_same_wheel_in_another_folder_is_the_same_bisection(tmp_path: Path) -> None:
    begin(tmp_path, BASE)
    begin(
        tmp_path, msgspec.structs.replace(BASE, wheels=[BASE.wheels[0], Wheel("x.whl", "/elsewhere/x.whl", "b" * 64)])
    )


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": 1}', b"[]", b'{"version": 2}'])
def test_a_damaged_plan_or_one_of_another_version_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(PerfError, match=rf"{FILE}: (is damaged|has version 2)"):
        begin(tmp_path, BASE)


def test_the_item_of_the_same_case_is_known(tmp_path: Path) -> None:
    assert known_item(tmp_path, BASE.case, "quick", BASE.options) is None
    begin(tmp_path, BASE)
    for case in (BASE.case, BASE.item):
        assert known_item(tmp_path, case, "quick", BASE.options) == BASE.item
    assert known_item(tmp_path, "x-b1-mkl-fp32", "quick", BASE.options) is None
    assert known_item(tmp_path, BASE.case, "nightly", BASE.options) is None
    assert known_item(tmp_path, BASE.case, "quick", []) is None


def test_steps_keep_their_order(tmp_path: Path) -> None:
    bisection = msgspec.structs.replace(BASE, wheels=[Wheel(*[f"mxnet=={number}"] * 2) for number in range(20)])
    steps = [msgspec.structs.replace(STEP, wheel=number) for number in (19, 9, 4, 2, 3, *range(10, 17))]
    for step in steps:
        add_step(tmp_path, step)
    assert read_steps(tmp_path, bisection) == steps
    assert not list(tmp_path.glob(".step*")), "a half-written file"


def test_every_truncation_of_a_step_is_named(tmp_path: Path) -> None:
    add_step(tmp_path, STEP)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for length in range(len(whole) - 2):
        path.write_bytes(whole[:length])
        with pytest.raises(PerfError, match=r"step-001\.json: is damaged"):
            read_steps(tmp_path, BASE)


@pytest.mark.parametrize("numbers", [(0,), (2,), (-1,), (1, 1)])
def test_steps_that_are_not_of_this_list_are_refused(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    for number in numbers:
        add_step(tmp_path, msgspec.structs.replace(STEP, wheel=number))
    with pytest.raises(PerfError, match="no step of this bisection is about wheel"):
        read_steps(tmp_path, BASE)


def test_a_full_or_read_only_disk_is_a_message_and_leaves_no_half_written_step(small_disk: SmallDisk) -> None:
    folder, make_read_only = small_disk
    with opened(folder):
        begin(folder, BASE)
    filler = folder / "filler"
    with suppress(OSError):
        filler.write_bytes(bytes(30_000_000))
    with pytest.raises(PerfError, match="cannot be written to: No space left"):
        add_step(folder, STEP)
    assert read_steps(folder, BASE) == []
    filler.unlink()
    make_read_only()
    with pytest.raises(PerfError, match="cannot be written to: Read-only file system"), opened(folder / "new"):
        pass


def test_wheels_are_requirements_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made_wheel(tmp_path / WHEEL, {"mxnet/__init__.py": ""})
    monkeypatch.chdir(tmp_path)
    requirement, file = wheels_of("mkl", ["mxnet-mkl==1.5.0", f"./{WHEEL}"])
    assert requirement == Wheel("mxnet-mkl==1.5.0", "mxnet-mkl==1.5.0")
    assert (file.requirement, file.name) == (str(path), f"./{WHEEL}")
    assert file.sha256 is not None


@pytest.mark.parametrize(
    ("role", "requirements", "message"),
    [
        ("mkl", ["mxnet-mkl==1.5.0"], "fewer than two"),
        ("mkl", ["mxnet-mkl==1.5.0", "mxnet-mkl==1.5.1", "mxnet-mkl==1.5.0"], "mxnet-mkl==1.5.0: is named 2 times"),
        ("mlk", ["mxnet-mkl==1.5.0", "mxnet-mkl==1.5.1"], "there is no build 'mlk'"),
        ("mkl", ["mxnet-mkl==1.5.0", "perf/rnn"], "neither a requirement nor a .whl file"),
        ("mkl", ["mxnet-mkl==1.5.0", "./gone.whl"], "the wheel cannot be read: No such file"),
    ],
)
def test_wheels_that_cannot_be_compared_are_refused(role: str, requirements: list[str], message: str) -> None:
    with pytest.raises(PerfError, match=message):
        wheels_of(role, requirements)


def test_options_of_pytest_begin_at_the_first_dash() -> None:
    assert split_arguments(["a", "b", "--perf-batch=2", "-k", "x"]) == (["a", "b"], ["--perf-batch=2", "-k", "x"])
    assert split_arguments(["a", "b"]) == (["a", "b"], [])
