"""What two parts of one session must agree in."""

from typing import Any

import pytest

from perf.measure.tiers import effort_of
from perf.plugin import context as room
from perf.plugin.context import journal_conditions
from perf.plugin.options import Options
from perf.runs.schema import SCHEMA, RunContext
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
