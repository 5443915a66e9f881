"""What two parts of one session must agree in."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.measure.tiers import effort_of
from perf.plugin import context as room
from perf.plugin.context import deselected_of, journal_conditions, session_name
from perf.plugin.options import Options
from perf.runs.schema import SCHEMA, RunContext
from tests.support.factories import as_run, benchmark, document, native
from tests.support.fakes import build


def conditions(settings: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    context = RunContext(
        schema=SCHEMA,
        machine_class="made",
        host_id="host",
        settings=settings or {"governor": "performance"},
        left_out={},
        injected={},
        complete=False,
    )
    return journal_conditions(context, Options(**options), {"native": build()}, [], effort_of("smoke"), None)


def test_settings_of_the_machine_are_conditions() -> None:
    assert conditions() == conditions()
    assert conditions() != conditions({"governor": "powersave"})


@pytest.mark.parametrize("code", ["deciding_code", "measuring_code"])
def test_code_is_a_condition(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    before = conditions()
    monkeypatch.setattr(room, code, lambda: "another")
    assert conditions() != before


def test_options_that_change_what_is_measured_are_conditions() -> None:
    assert conditions(threads=2)["--perf-threads"] == "2"
    assert conditions()["--perf-threads"] == "not set"
    assert conditions(strict=True) == conditions()


def test_a_session_is_named_by_its_start_and_its_process() -> None:
    assert session_name([], 1_795_795_200, 7) == "20261127T160000Z-7"


@given(st.lists(st.tuples(st.integers(0, 2**32), st.integers(1, 2**22)), max_size=8))
def test_names_sort_as_sessions_began_wherever_the_clock_is_set(began: list[tuple[int, int]]) -> None:
    names: list[str] = []
    for now_s, process in began:
        names.append(session_name(names, now_s, process))
    assert names == sorted(names)
    assert len({*names}) == len(names)


@pytest.mark.parametrize("name", ["99999999T999999Z-1", "notes", "20261127T160000Z"])
def test_a_folder_of_another_name_decides_nothing(name: str) -> None:
    assert session_name([name], 1_795_795_200, 7) == "20261127T160000Z-7"


def made_case(family: str, name: str) -> Any:
    return SimpleNamespace(family=SimpleNamespace(name=family), id=name)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["resnet18_v1-b1-native-fp32", "resnet18_v1-b1-mkl-fp32", "train-mkl-fp32"]),
        (
            {"batches": (2,)},
            ["resnet18_v1-b1-native-fp32", "resnet18_v1-b1-mkl-fp32", "vgg16-b1-mkl-fp32", "train-mkl-fp32"],
        ),
    ],
    ids=["tier", "batch"],
)
def test_what_a_command_does_not_ask_for_is_known(options: dict[str, Any], expected: list[str]) -> None:
    """Not that of a network which the tier lost: it was neither collected nor replaced by an option."""
    training = benchmark("train", family="dist")
    entries = [native("resnet18_v1-b1"), *map(benchmark, ("resnet18_v1-b1", "resnet50_v1-b1", "vgg16-b1")), training]
    names = ("resnet18_v1-b1-native-fp32", "resnet18_v1-b1-mkl-fp32", "resnet50_v1-b1-mkl-fp32")
    collected = [made_case("cnn", name) for name in names]
    run = as_run(document(*entries))
    assert list(deselected_of(run, Options(**options), collected, {names[2]})) == expected
    assert deselected_of(None, Options(**options), collected, {names[2]}) == ()
