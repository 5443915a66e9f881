"""The subcommand fields: what a stored run says of a case, as a reference page."""

from collections.abc import Iterator
from inspect import getdoc
from typing import Any, Literal, get_args, get_origin

import msgspec

from perf.columns import fields_of, structures_of
from perf.runs.record import CaseRecord

NAMES = {str: "string", int: "integer", float: "number", bool: "true or false", type(None): "null"}


def fields() -> None:
    """Print every field of a case's record (`extra_info`) as a Markdown page."""
    print("\n".join(page()))


def page() -> Iterator[str]:
    """The lines of the page: a table for each structure."""
    yield "# The record of a case"
    yield ""
    yield "What a run's JSON holds of each case under `extra_info`. Units are in the names."
    for structure in structures_of(CaseRecord):
        yield from ("", f"## {structure.__name__}", "", (getdoc(structure) or "").partition("\n\n")[0], "")
        yield from ("| field | type | meaning |", "| --- | --- | --- |")
        yield from (f"| `{field.name}` | {_named(field.kind)} | {field.meaning} |" for field in fields_of(structure))


def _named(kind: Any) -> str:
    """A type as JSON has it."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind.__name__
    parts = [part for part in get_args(kind) if part is not Ellipsis]
    match get_origin(kind):
        case origin if origin is list or (origin is tuple and len(set(parts)) == 1):
            return f"list of {_named(parts[0])}"
        case origin if origin is dict:
            return f"object of {_named(parts[1])}"
        case origin if origin is Literal:
            return ", ".join(f'"{part}"' for part in parts)
    return " or ".join(dict.fromkeys(map(_named, parts))) if parts else NAMES.get(kind, "any")
