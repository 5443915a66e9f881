"""How a field of a case's record is shown: in which column of the summary, with which heading and format."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar, get_args, get_type_hints

import msgspec

FAMILIES = ("cnn", "rnn", "dist")
NONE = "-"
MarkT = TypeVar("MarkT")


@dataclass(frozen=True)
class Label:
    """Marks a field that names a row.

    heading: the heading of its column.
    """

    heading: str


@dataclass(frozen=True, kw_only=True)
class Column:
    """Marks a field that is a figure.

    heading: the heading of its column; `{variant}` and `{items}` in it are replaced.
    place: the position of its column in the table.
    reference: the families whose tables show it for the reference variant.
    variants: the families whose tables show it for every other variant.
    scale: what its value is multiplied by.
    percent: whether it is a fraction, shown in percent.
    optional: whether its column is left out when no case has a value.
    """

    heading: str
    place: int
    reference: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    scale: float = 1.0
    percent: bool = False
    optional: bool = False


class Figure(Protocol):
    """A value that is more than a number, and formats itself."""

    def text(self, *, percent: bool) -> str:
        """Return the text of its cell in a table."""


@dataclass(frozen=True)
class Field:
    """A field of a structure.

    name: its name.
    kind: its type.
    meaning: its description; "" when it has none.
    """

    name: str
    kind: Any
    meaning: str


def cell(value: float | Figure | None, column: Column) -> str:
    """Return the text of a cell."""
    if value is None:
        return NONE
    if not isinstance(value, int | float):
        return value.text(percent=column.percent)
    return f"{100 * value:.1f} %" if column.percent else f"{value * column.scale:.2f}"


def marked(record: msgspec.Struct, mark: type[MarkT]) -> Iterator[tuple[MarkT, Any]]:
    """Yield the marks of one type on the fields of a record and its structures, each with the field's value."""
    for name, marks in _marks(type(record)).items():
        value = getattr(record, name)
        yield from ((label, value) for label in marks if isinstance(label, mark))
        if isinstance(value, msgspec.Struct):
            yield from marked(value, mark)


def fields_of(kind: type[msgspec.Struct]) -> list[Field]:
    """Return all fields of a structure, by their names in JSON."""
    hints = get_type_hints(kind)
    meanings = {
        name: [mark.description or "" for mark in marks if isinstance(mark, msgspec.Meta)]
        for name, marks in _marks(kind).items()
    }
    stored = zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
    return [Field(encoded, hints[name], "".join(meanings[name])) for name, encoded in stored]


def structures_of(kind: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """Return a structure and the structures in its fields, each once."""
    structures: dict[type[msgspec.Struct], None] = {kind: None}
    for field in fields_of(kind):
        for inner in _structures(field.kind):
            structures |= dict.fromkeys(structures_of(inner))
    return list(structures)


@cache
def _marks(kind: type[msgspec.Struct]) -> dict[str, tuple[Any, ...]]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: getattr(hints[name], "__metadata__", ()) for name in kind.__struct_fields__}


def _structures(hint: Any) -> Iterator[type[msgspec.Struct]]:
    """Yield the structures in a type: `A` and `B` for `A | B | None`."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for part in get_args(hint):
        yield from _structures(part)
