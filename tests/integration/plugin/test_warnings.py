"""Warnings are errors in the suite's own tests, and nothing but warnings in a session of a user."""

import warnings
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


def test_a_warning_in_the_suites_own_tests_is_an_error() -> None:
    with pytest.raises(UserWarning, match="a library's"):
        warnings.warn("a library's", stacklevel=1)


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
