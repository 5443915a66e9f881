"""Which of the CNN checks are collected."""

from pathlib import Path

import pytest

from perf.plugin.hooks import OPTIONS


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the ImageNet check unless the user provides images and chooses trained networks."""
    return True if collection_path.name == "test_imagenet.py" and not _has_imagenet(config) else None


def _has_imagenet(config: pytest.Config) -> bool:
    """Return whether there are images and trained networks. Images alone are for training a network."""
    options = config.stash[OPTIONS]
    return options.imagenet_rec is not None and (options.weights is not None or options.pretrained)
