"""Which of the questions about releases are collected."""

from pathlib import Path

import pytest

from perf.plugin.options import OPTIONS


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the releases unless the user names a file for the answers."""
    return True if collection_path.name == "test_releases.py" and config.stash[OPTIONS].defects is None else None
