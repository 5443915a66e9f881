"""Which of the questions about releases are collected."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the releases, which take minutes and downloads, unless the user names this folder."""
    named = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    wanted = any(path.resolve().is_relative_to(HERE) for path in named)
    return True if collection_path.name == "test_releases.py" and not wanted else None
