"""Who may import whom: data flows one way through the rooms, and MXNet stays in the builds' processes."""

import ast
import sys
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

from perf.files import ROOT

ROOMLESS = {
    "cache",
    "checks",
    "columns",
    "defects",
    "errors",
    "facts",
    "files",
    "git",
    "property_testing",
    "published",
    "stack",
    "wording",
}
"""Modules directly in `perf` that every host room may use."""

FAMILIES = {"cnn", "rnn", "dist"}


def imported(source: str, package: str) -> set[str]:
    """The full names that a module of `package` imports, wherever in it: at the top, in functions, for type checks."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            names |= {f"{resolve_name(relative, package)}.{alias.name}" for alias in node.names}
    return names


def imports_of_all() -> dict[Path, set[str]]:
    paths = [path.relative_to(ROOT) for path in ROOT.glob("perf/**/*.py")]
    return {path: imported((ROOT / path).read_text(), ".".join(path.parent.parts)) for path in paths}


def room_of(name: str) -> str | None:
    """The room of `perf.ROOM.…`; None for other packages and for the modules that stand in no room."""
    parts = name.split(".")
    return parts[1] if parts[0] == "perf" and len(parts) > 1 and parts[1] not in ROOMLESS else None


MODULES = imports_of_all()
ROOMS = {path.parts[1] for path in MODULES if len(path.parts) > 2}
GRAPH = {
    room: {
        other
        for path, names in MODULES.items()
        if path.parts[1] == room
        for other in map(room_of, names)
        if other not in {None, room}
    }
    for room in ROOMS
}
"""Which other rooms each room imports."""


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import perf.cnn.artifacts.zoo as z", "perf.cnn.artifacts.zoo"),
        ("from perf import cnn", "perf.cnn"),
        ("def f():\n    from perf.cnn.artifacts.zoo import main", "perf.cnn.artifacts.zoo.main"),
        ("from ..cnn import zoo", "perf.cnn.zoo"),
        ("from .plan import Plan", "perf.measure.plan.Plan"),
    ],
)
def test_every_way_to_import_is_seen(source: str, name: str) -> None:
    assert imported(source, "perf.measure") == {name}


def test_the_rooms_are_there() -> None:
    assert {"builds", "cli", "cnn", "history", "judge", "machine", "measure", "plugin", "report", "worker"} <= ROOMS
    assert GRAPH["measure"] >= {"builds", "machine", "judge"}, "the graph is empty: nothing was read"


def test_modules_without_a_room_import_none() -> None:
    names = {path.stem for path in MODULES if len(path.parts) == 2}
    assert names - {"__init__"} == ROOMLESS
    assert not [name for path, names in MODULES.items() if len(path.parts) == 2 for name in names if room_of(name)]


def test_judge_imports_no_other_room() -> None:
    assert GRAPH["judge"] == set()


def test_worker_imports_nothing_a_build_does_not_have() -> None:
    allowed = sys.stdlib_module_names | {"numpy", "mxnet", "horovod"}
    names = {name for path, imports in MODULES.items() if path.parts[1] == "worker" for name in imports}
    assert {name for name in names if name.split(".")[0] not in allowed and room_of(name) != "worker"} == set()


@pytest.mark.parametrize("room", ["builds", "machine", "measure"])
def test_who_measures_knows_neither_families_nor_pytest(room: str) -> None:
    assert GRAPH[room] & (FAMILIES | {"plugin"}) == set()


def test_the_command_reads_judges_and_shows_and_leaves_measuring_to_other_rooms() -> None:
    # The pages of the reference describe all rooms.
    pages = Path("perf/cli/pages")
    imports = {
        name for path, names in MODULES.items() if path.parts[1] == "cli" for name in names if pages not in path.parents
    }
    rooms = {"bisection", "census", "explain", "history", "ladder", "limits", "machine", "profile", "report", "runs"}
    assert {room_of(name) for name in imports} - {None, "cli"} <= rooms


def test_nothing_needs_the_command() -> None:
    assert [room for room, imports in GRAPH.items() if "cli" in imports] == []


def test_mxnet_is_imported_in_the_builds_own_processes_only() -> None:
    inside = {path for path, names in MODULES.items() if {name.split(".")[0] for name in names} & {"mxnet", "gluoncv"}}
    assert {path for path in inside if path.parts[1] != "worker"} <= {
        Path("perf/cnn/artifacts/int8.py"),
        Path("perf/cnn/artifacts/zoo.py"),
        Path("perf/cnn/symbols/zoo_symbol.py"),
        Path("perf/cnn/digits/train.py"),
    }


def test_toml_is_read_in_one_place_which_names_the_file() -> None:
    assert {path for path, names in MODULES.items() if "tomllib" in names} == {Path("perf/files.py")}


def test_no_room_reaches_itself() -> None:
    assert set(TopologicalSorter(GRAPH).static_order()) >= ROOMS  # CycleError names the circle
