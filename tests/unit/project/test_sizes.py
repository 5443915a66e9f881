"""Modules and folders stay small enough to be read in one go, and nothing imports itself by a detour."""

from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from perf.files import ROOT
from tests.unit.project.test_rooms import MODULES

MOST_LINES = 300
MOST_MODULES = 12
# Below this many lines a module is small; few may be, since what is read together should stand together.
SMALL_LINES = 30
MOST_SMALL_FRACTION = 0.1
# A block of this many lines that occurs twice should be one function.
REPEATED_LINES = 12
PYTHON = sorted(
    path.relative_to(ROOT) for room in ("perf", "tests", "benchmarks") for path in ROOT.glob(f"{room}/**/*.py")
)


def lines_of(path: Path) -> int:
    return len((ROOT / path).read_text().splitlines())


@pytest.mark.parametrize("path", PYTHON, ids=str)
def test_no_module_is_too_long(path: Path) -> None:
    assert lines_of(path) <= MOST_LINES


def test_no_folder_holds_too_many_modules() -> None:
    folders = Counter(path.parent for path in PYTHON if path.name != "__init__.py")
    assert {str(folder): count for folder, count in folders.items() if count > MOST_MODULES} == {}


def test_few_modules_are_small() -> None:
    modules = [path for path in MODULES if path.name != "__init__.py"]
    small = [str(path) for path in modules if lines_of(path) < SMALL_LINES]
    assert len(small) < MOST_SMALL_FRACTION * len(modules), small


def test_no_module_reaches_itself() -> None:
    names = {path: ".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in MODULES}
    known = set(names.values())
    graph = {
        names[path]: {module for name in imports for module in modules_in(name, known)}
        for path, imports in MODULES.items()
    }
    # A package's __init__ imports its modules, and they may import each other: it is not a module of its own here.
    packages = {name for path, name in names.items() if path.name == "__init__.py"}
    graph = {name: imports - packages - {name} for name, imports in graph.items() if name not in packages}
    assert set(TopologicalSorter(graph).static_order()) >= set(graph)  # CycleError names the circle


def modules_in(name: str, known: set[str]) -> set[str]:
    """The modules that an imported name stands for: itself, or the module that holds it."""
    return {candidate for candidate in (name, name.rpartition(".")[0]) if candidate in known}


def test_no_block_is_written_twice() -> None:
    places: dict[tuple[str, ...], list[str]] = {}
    for path in MODULES:
        lines = [line.strip() for line in (ROOT / path).read_text().splitlines()]
        code = [line for line in lines if line and not line.startswith(("import ", "from ", "#"))]
        for first in range(len(code) - REPEATED_LINES + 1):
            places.setdefault(tuple(code[first : first + REPEATED_LINES]), []).append(str(path))
    assert [paths for paths in places.values() if len(paths) > 1] == []
