"""A program whose files exist, and its plan."""

from pathlib import Path
from typing import Any

import pytest

from perf.measure.plan import Plan, Program
from tests.unit.measure.made_plans import inference, stored_program


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return stored_program(tmp_path / "networks" / "net-0123")


@pytest.fixture
def plan(program: Program) -> Plan[Any]:
    return inference(program)
