"""Which checks there are."""

from pathlib import Path

import pytest

from perf.plugin.options import OPTIONS


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """ImageNet's images are the user's to bring: without them, nothing of the recipe is collected."""
    return True if collection_path.name == "test_recipe.py" and not config.stash[OPTIONS].train_rec else None
