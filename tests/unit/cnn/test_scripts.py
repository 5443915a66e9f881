"""The key of an artifact includes every module that makes it, so that a change of any of them makes it again."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from perf.cnn.artifacts import prepare
from perf.cnn.digits import check
from perf.cnn.symbols import networks
from perf.files import ROOT
from tests.unit.project.test_rooms import imported


def modules_of(program: str) -> set[Path]:
    """Return a program and all modules of the project that it imports, directly or indirectly."""
    modules: set[Path] = set()
    waiting = [ROOT / program]
    while waiting:
        path = waiting.pop()
        if path not in modules:
            modules.add(path)
            package = ".".join(path.relative_to(ROOT).parent.parts)
            waiting += project_files(imported(path.read_text(), package))
    return modules


def project_files(names: Iterable[str]) -> list[Path]:
    """Return the modules of the project among full names such as "perf.cnn.artifacts.images.MEAN"."""
    paths = [ROOT.joinpath(*name.split(".")) for name in names if name.startswith("perf.")]
    return [
        file for path in paths for file in (path.with_suffix(".py"), path.parent.with_suffix(".py")) if file.exists()
    ]


@pytest.mark.parametrize(
    ("program", "scripts"),
    [
        ("perf/cnn/artifacts/zoo.py", prepare.SCRIPTS),
        ("perf/cnn/digits/train.py", check.SCRIPTS),
        ("perf/cnn/symbols/zoo_symbol.py", networks.SYMBOL_SCRIPTS),
    ],
)
def test_the_scripts_are_all_modules_that_the_program_imports(program: str, scripts: tuple[Path, ...]) -> None:
    assert set(scripts) == modules_of(program)


def test_every_release_needs_no_more_modules_than_the_zoo() -> None:
    assert modules_of("perf/cnn/artifacts/int8.py") < set(prepare.SCRIPTS)
