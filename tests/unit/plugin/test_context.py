"""What two parts of one session must agree in."""

from typing import Any
from unittest.mock import Mock

import pytest

from perf.measure.tiers import effort_of
from perf.plugin import context as room
from perf.plugin.context import journal_conditions
from perf.runs.schema import SCHEMA, RunContext
from tests.support.fakes import build


def conditions(settings: dict[str, Any] | None = None) -> dict[str, Any]:
    context = RunContext(
        schema=SCHEMA,
        machine_class="made",
        host_id="host",
        settings=settings or {"governor": "performance"},
        left_out={},
        injected={},
        complete=False,
    )
    options = Mock(words=Mock(return_value=[]))
    return journal_conditions(context, options, {"native": build()}, [], effort_of("smoke"), None)


def test_settings_of_the_machine_are_conditions() -> None:
    assert conditions() == conditions()
    assert conditions() != conditions({"governor": "powersave"})


@pytest.mark.parametrize("code", ["deciding_code", "measuring_code"])
def test_code_is_a_condition(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    before = conditions()
    monkeypatch.setattr(room, code, lambda: "another")
    assert conditions() != before
