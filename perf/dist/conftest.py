"""Leaves out the checks that need files of the user's own."""

from pathlib import Path

import pytest

from perf.plugin.hooks import OPTIONS


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect the recipe only with --perf-train-rec: ImageNet's images cannot be downloaded freely."""
    return True if collection_path.name == "test_recipe.py" and not config.stash[OPTIONS].train_rec else None
