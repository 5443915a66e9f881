"""The single values of a case's record, by their path in JSON: the columns of CSV and the metrics of OpenMetrics."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from perf.columns import fields_of
from perf.runs.record import CaseRecord

# Fields whose structures are tables of their own.
_OWN_TABLES = {"beside"}


@dataclass(frozen=True)
class Leaf:
    """A single value of a record.

    path: the names of its fields in JSON, from the record inwards.
    kind: its type.
    meaning: its description.
    """

    path: tuple[str, ...]
    kind: Any
    meaning: str

    @property
    def name(self) -> str:
        """Its name, such as "speedup.low"; units are part of it, and what has none is a number or a ratio."""
        return ".".join(self.path)

    @property
    def is_figure(self) -> bool:
        """Whether it is a number."""
        numbers = {int, float} & {self.kind, *get_args(self.kind)}
        return bool(numbers) and get_origin(self.kind) not in {list, tuple, dict}

    def value_in(self, record: Any) -> Any:
        """Return its value in a record of plain JSON values; None where it, or a structure that holds it, is null."""
        for name in self.path:
            record = None if record is None else record.get(name)
        return record


@cache
def leaves_of(family: str) -> tuple[Leaf, ...]:
    """Return the leaves of a record of this family, in the order of the fields: the same for every run."""
    return tuple(_leaves(CaseRecord, family, ()))


def _leaves(kind: type[msgspec.Struct], family: str, above: tuple[str, ...]) -> Iterator[Leaf]:
    for field in fields_of(kind):
        path = (*above, field.name)
        alternatives = get_args(field.kind) if get_origin(field.kind) in {Union, UnionType} else (field.kind,)
        inner = [one for one in alternatives if _is_structure(one)]
        if field.name in _OWN_TABLES or (not inner and _holds_structures(field.kind)):
            continue
        for structure in inner:
            # Alternatives, such as the facts of each family, are tagged with their family.
            if structure.__struct_config__.tag in {None, family}:
                yield from _leaves(structure, family, path)
        if not inner:
            yield Leaf(path, field.kind, field.meaning)


def _is_structure(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _holds_structures(kind: Any) -> bool:
    return _is_structure(kind) or any(map(_holds_structures, get_args(kind)))
