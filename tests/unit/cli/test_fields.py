"""The reference page of a record is generated from it, and leaves nothing out."""

from perf.cli.fields import page
from perf.columns import fields_of, structures_of
from perf.runs.record import CaseRecord
from perf.stack import Stack


def test_every_field_is_described() -> None:
    assert [
        f"{kind.__name__}.{field.name}"
        for kind in structures_of(CaseRecord)
        for field in fields_of(kind)
        if not field.meaning
    ] == []


def test_every_structure_has_a_table_with_all_its_fields() -> None:
    text = "\n".join(page())
    sections = {section.partition("\n")[0]: section for section in text.split("\n## ")[1:]}
    assert list(sections) == [kind.__name__ for kind in structures_of(CaseRecord)]
    for kind in structures_of(CaseRecord):
        assert all(f"| `{name}` |" in sections[kind.__name__] for name in kind.__struct_fields__)


def test_types_are_those_of_json() -> None:
    lines = list(page())
    assert "| `latency_s` | number | median latency of its slots, in seconds |" in lines
    assert any(line.startswith("| `facts` | CnnFacts or RnnFacts or TrainingFacts |") for line in lines)
    assert any(line.startswith("| `openmp` | string or null |") for line in lines)
    assert any(line.startswith("| `variables` | object of string |") for line in lines)
    assert Stack in structures_of(CaseRecord)
