"""How a field of a case's record is shown: in which column of the summary, under which heading, in which form."""

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
    """The field names a row, in a column with this heading."""

    heading: str


@dataclass(frozen=True, kw_only=True)
class Column:
    """The field is a figure, shown in the order of `place`.

    The tables of the families in `reference` show it of the reference variant, those of `others` of every other one; an
    `optional` one is shown only where some case has it. `{variant}` and `{items}` in its heading are replaced. Its
    value is multiplied by `scale`; a share is shown in `percent`.
    """

    heading: str
    place: int
    reference: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    scale: float = 1.0
    percent: bool = False
    optional: bool = False


class Figure(Protocol):
    """A value that is more than a number."""

    def text(self, *, percent: bool) -> str:
        """It, in a cell of a table."""


@dataclass(frozen=True)
class Field:
    """A field of a structure: its name, its type, and what it means."""

    name: str
    kind: Any
    meaning: str


def cell(value: float | Figure | None, column: Column) -> str:
    """A figure's text."""
    if value is None:
        return NONE
    if not isinstance(value, int | float):
        return value.text(percent=column.percent)
    return f"{100 * value:.1f} %" if column.percent else f"{value * column.scale:.2f}"


def marked(record: msgspec.Struct, mark: type[MarkT]) -> Iterator[tuple[MarkT, Any]]:
    """The marks of this type on the fields of a record and of the structures in it, each with the field's value."""
    for name, marks in _marks(type(record)).items():
        value = getattr(record, name)
        yield from ((found, value) for found in marks if isinstance(found, mark))
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
    """A structure, and those in its fields, each once."""
    found: dict[type[msgspec.Struct], None] = {kind: None}
    for field in fields_of(kind):
        for inner in _structures(field.kind):
            found |= dict.fromkeys(structures_of(inner))
    return list(found)


@cache
def _marks(kind: type[msgspec.Struct]) -> dict[str, tuple[Any, ...]]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: getattr(hints[name], "__metadata__", ()) for name in kind.__struct_fields__}


def _structures(hint: Any) -> Iterator[type[msgspec.Struct]]:
    """The structures in a type, such as both in `A | B | None`."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for part in get_args(hint):
        yield from _structures(part)
