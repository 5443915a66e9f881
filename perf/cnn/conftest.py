"""Which checks there are."""

from pathlib import Path

import pytest

from perf.plugin.options import OPTIONS


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """ImageNet's images are the user's to bring: without them, nothing of it is collected."""
    return True if collection_path.name == "test_imagenet.py" and not _trained(config) else None


def _trained(config: pytest.Config) -> bool:
    """Whether there are images and trained networks; with images alone, a network is to be trained."""
    options = config.stash[OPTIONS]
    return options.imagenet_rec is not None and (options.weights is not None or options.pretrained)
