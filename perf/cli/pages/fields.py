"""The page of the fields that a run's JSON holds, for each case and for the run as a whole."""

from collections.abc import Iterator
from inspect import getdoc
from typing import Any, Literal, get_args, get_origin

import msgspec

from perf.cli.pages.markdown import code, heading, section, table
from perf.columns import fields_of, structures_of
from perf.runs.session.run import MeasuredRun

# What JSON calls the types of Python.
NAMES = {str: "string", int: "integer", float: "number", bool: "true or false", type(None): "null"}


def fields_page() -> Iterator[str]:
    """Yield the lines of the page: a table for each structure."""
    yield from heading(
        "Result fields",
        "A run's JSON (`--benchmark-json=FILE`, or a stored run) is a `MeasuredRun`: the suite's part is in `perf`, "
        "and each case has a record under `extra_info`: a `CaseRecord`. Units are part of the names. The JSON Schema "
        "of all this is [run.json](schemas/run.json).",
    )
    for structure in structures_of(MeasuredRun):
        yield from section(structure.__name__, (getdoc(structure) or "").partition("\n\n")[0].replace("\n", " "))
        yield from table(
            ["Field", "Type", "Meaning"],
            [*_tag(structure), *([code(one.name), json_type(one.kind), one.meaning] for one in fields_of(structure))],
        )


def _tag(structure: type[msgspec.Struct]) -> list[list[str]]:
    """The row of the field that tells structures at the same place apart; none where there is only one."""
    config = structure.__struct_config__
    return (
        [[code(str(config.tag_field)), f'"{config.tag}"', "family that the structure belongs to"]] if config.tag else []
    )


def json_type(kind: Any) -> str:
    """Return the name of a type in JSON."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    parts = [part for part in get_args(kind) if part is not Ellipsis]
    match get_origin(kind):
        case origin if origin is list or (origin is tuple and len(set(parts)) == 1):
            return f"list of {json_type(parts[0])}"
        case origin if origin is tuple:
            return f"list of {' and '.join(map(json_type, parts))}"
        case origin if origin is dict:
            return f"object of {json_type(parts[1])}"
        case origin if origin is Literal:
            return ", ".join(f'"{part}"' for part in parts)
    return " or ".join(dict.fromkeys(map(json_type, parts))) if parts else NAMES.get(kind, "any")
