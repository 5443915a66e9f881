"""The command on a history in a folder of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.history.made_history import mxperf


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs `mxperf history` and returns the exit code."""
    return mxperf(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a machine class's history, which does not exist yet."""
    return tmp_path / "history" / "made-2c-1n-avx2"
