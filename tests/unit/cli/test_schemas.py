"""The published JSON Schemas: every stored file of the repository conforms to its own, and a spoiled one does not."""

import csv
import itertools
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from perf.files import ROOT
from perf.history.nights import night_of

SCHEMAS = ROOT / "docs" / "reference" / "schemas"
STORED = ROOT / "baselines"
# Where measured ladders are stored; tests/unit/ladder/test_files.py tries a made one.
RESULTS = ROOT / "docs" / "results"


def contents(name: str) -> Iterator[tuple[Path, Any]]:
    """The files that a schema is about, and their contents."""
    if name == "tolerances":
        yield STORED / "tolerances.toml", tomllib.loads((STORED / "tolerances.toml").read_text())
    elif name == "answers":
        yield from ((path, json.loads(path.read_text())) for path in sorted(STORED.glob("answers/*.json")))
    elif name.startswith("history-"):
        path = max(STORED.glob("intel-*/*.json"))
        header, *comparisons = map(json.loads, night_of(path).content.splitlines())
        lines = [header] if name == "history-header" else comparisons
        yield from ((path.with_name(f"{number}-{path.name}"), line) for number, line in enumerate(lines))
    elif name == "ladder":
        yield from ((path, json.loads(path.read_text())) for path in sorted(RESULTS.glob("*.json")))
    elif name in {"run", "stored-run"}:
        yield from ((path, json.loads(path.read_text())) for path in sorted(STORED.glob("*-*/*.json")))
    else:
        path = STORED / "published" / f"{name}.csv"
        rows = csv.DictReader(path.read_text().splitlines())
        yield path, [{key: number(text) for key, text in row.items()} for row in rows]


def number(text: str) -> int | float | str:
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


NAMES = sorted(path.stem for path in SCHEMAS.glob("*.json"))
FILES = [(name, path, content) for name in NAMES for path, content in contents(name)]
# Before CaseRecord had its present fields: only verdicts can read these.
OLDER = {STORED / "intel-xeon-6.207-2c-1n-amx" / f"000{number}_quick-{number}.json" for number in (1, 2, 3, 4)}
IDS = [f"{name}-{path.parent.name}-{path.name}" for name, path, _ in FILES]


@pytest.mark.parametrize(("name", "path", "content"), FILES, ids=IDS)
def test_every_stored_file_conforms(name: str, path: Path, content: Any) -> None:
    if name == "run" and path in OLDER:
        with pytest.raises(ValidationError):
            validator(name).validate(content)
    else:
        validator(name).validate(content)


def test_every_file_of_the_baselines_has_a_schema() -> None:
    covered = {path for _, path, _ in FILES}
    files = {path for path in STORED.rglob("*") if path.suffix in {".json", ".csv", ".toml"}}
    assert files - covered == {STORED / "published" / "published.toml"}


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("run", lambda run: run["perf"].pop("machine_class")),
        ("run", lambda run: run["benchmarks"][0]["extra_info"].update(latency_s="fast")),
        ("stored-run", lambda run: run["benchmarks"][0]["extra_info"].pop("samples")),
        ("tolerances", lambda content: content["default"].pop("change")),
        ("tolerances", lambda content: content.update(defaults={})),
        ("answers", lambda content: content.update(drifts={})),
        ("table2-cnn", lambda rows: rows[0].update(batch="one")),
        ("table1-scaling", lambda rows: rows[0].pop("instances")),
    ],
    ids=itertools.count(),
)
def test_a_spoiled_file_does_not_conform(name: str, spoil: Any) -> None:
    *_, (_, content) = contents(name)
    validator(name).validate(content)
    spoil(content)
    with pytest.raises(ValidationError):
        validator(name).validate(content)
