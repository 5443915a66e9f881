"""Every field of a public dataclass or struct is documented, by name in the class docstring or beside the field."""

import ast
import re
from pathlib import Path

import pytest

from perf.files import ROOT
from tests.unit.project.test_rooms import MODULES


def undocumented_fields(source: str) -> list[str]:
    """Return the fields of a module's public classes that nothing describes, as "Class.field".

    A field is described in the class docstring (as `field` or as "field:"), by the description or help in its
    declaration, or by a comment above or beside it. Protocols declare no fields.
    """
    lines = source.splitlines()
    return [
        f"{node.name}.{field.target.id}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        if not any(ast.unparse(base).startswith("Protocol") for base in node.bases)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if not field.target.id.startswith("_")
        if not named_in(ast.get_docstring(node) or "", field.target.id) and not described_beside(field, lines)
    ]


def named_in(docstring: str, name: str) -> bool:
    return bool(re.search(rf"`{name}`|^\s*{name}:|[.:] {name}:", docstring, re.MULTILINE))


def described_beside(field: ast.AnnAssign, lines: list[str]) -> bool:
    above, last = lines[field.lineno - 2], lines[(field.end_lineno or field.lineno) - 1]
    declaration = ast.unparse(field)
    comment = re.search(r"  # (?!noqa|type:)", last)
    return "description=" in declaration or "help=" in declaration or above.strip().startswith("#") or bool(comment)


@pytest.mark.parametrize("module", [str(path) for path in MODULES])
def test_every_field_is_documented(module: str) -> None:
    assert undocumented_fields(Path(ROOT, module).read_text()) == []


SOURCE = '''
@dataclass(frozen=True)
class Slot:
    """One turn in a block: its `start_ns` counts.

    end_ns: when it ended.
    """

    start_ns: int
    end_ns: int
    held_up_ns: int  # by other programs
    # The fraction of it.
    lost: float
    passes: Annotated[int, Meta(description="how many")]
    stolen_ns: int
    latency_ns: float = 0.0  # noqa: X


class _Private(msgspec.Struct):
    number: int


class Judge(Protocol):
    name: str
'''


def test_a_field_that_nothing_describes_is_listed() -> None:
    assert undocumented_fields(SOURCE) == ["Slot.stolen_ns", "Slot.latency_ns"]
