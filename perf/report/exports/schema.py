"""JSON Schemas of the files that the suite stores, from the structures that read them."""

from typing import Any

import msgspec

from perf.runs.session.run import MeasuredRun

# The dialect that msgspec writes.
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(kind: Any, title: str, description: str) -> bytes:
    """Return the JSON Schema of the files that are read as `kind`."""
    schema = {"$schema": DIALECT, **msgspec.json.schema(kind), "title": title, "description": description}
    return msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=1) + b"\n"


def run_schema() -> bytes:
    """Return the JSON Schema of a run that this version of the suite wrote."""
    description = "A run's JSON, as --benchmark-json writes it. Fields that are not described are pytest-benchmark's."
    return schema_of(MeasuredRun, "Run of mxnet-perf", description)
