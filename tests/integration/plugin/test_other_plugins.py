"""Other plugins in a session of a user: their warnings are not errors, and xdist is refused."""

from pathlib import Path

import pytest

from tests.support.session import SMOKE, run
from tests.support.tmpfs import mounting

NOISY = """
import warnings

def pytest_collection_modifyitems():
    warnings.warn("flock is missing while collecting")

def pytest_runtest_setup():
    warnings.warn("flock is missing in an item")

def pytest_sessionfinish():
    warnings.warn("flock is missing at the end")
"""


def test_a_warning_in_a_users_session_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of a library that misses `flock`, and pytest's own when it cannot write its cache."""
    (tmp_path / "noisy.py").write_text(NOISY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    cache = tmp_path / "read-only"
    cache.mkdir()
    options = ("-p", "noisy", "-o", f"cache_dir={cache}", "--benchmark-skip", "-kb1")
    finished = run(tmp_path, *SMOKE, *options, before=mounting(cache, "ro"))
    assert finished.code == 0, finished.output
    assert "3 skipped" in finished.output
    assert "PytestCacheWarning: could not create cache path" in finished.output
    for where in ("while collecting", "in an item", "at the end"):
        assert f"UserWarning: flock is missing {where}" in finished.output
    assert "Traceback" not in finished.output
    assert "INTERNALERROR" not in finished.output


def test_xdist_is_refused(tmp_path: Path) -> None:
    finished = run(tmp_path, *SMOKE, "-n1")
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert (
        "the performance suite cannot run under xdist: tests at the same time would take each other's cores"
        in finished.part("ERROR: ", "\n\n")
    )
    assert "Traceback" not in finished.output
    assert "INTERNALERROR" not in finished.output
