"""The JSON Schemas of the files that the suite stores, from the structures that read them."""

from collections.abc import Callable, Mapping
from functools import partial

from perf.cnn.checks.golden import GoldenAnswers
from perf.cnn.family import Table2Row
from perf.cnn.imagenet.protocol import PublishedAccuracy
from perf.history.schema import Comparison, RunHeader
from perf.ladder.schema import StoredLadder
from perf.published import ScalingRow
from perf.report.exports.schema import run_schema, schema_of
from perf.rnn.family import Table3Row
from perf.runs.schema import StoredRun
from perf.runs.tolerances import Tolerances

_STORED = "A run in baselines/CLASS: what verdicts read of it. Runs of earlier versions conform to it too."
_TABLE = "The rows of baselines/published/{}.csv, with numbers as numbers."

# What makes each schema, by its file's name.
SCHEMAS: Mapping[str, Callable[[], bytes]] = {
    "run": run_schema,
    "stored-run": partial(schema_of, StoredRun, "Stored run of mxnet-perf", _STORED),
    "tolerances": partial(schema_of, Tolerances, "Tolerances", "The content of baselines/tolerances.toml."),
    "answers": partial(schema_of, GoldenAnswers, "Stored answers", "A network's file in baselines/answers."),
    "history-header": partial(schema_of, RunHeader, "Header of a night", "The first line of a file in history/CLASS."),
    "history-comparison": partial(
        schema_of, Comparison, "Comparison of a night", "Every other line of a file in history/CLASS."
    ),
    "ladder": partial(schema_of, StoredLadder, "Ladder of releases", "A ladder.json that `mxperf releases` wrote."),
    **{
        name: partial(schema_of, list[row], title, _TABLE.format(name))  # type: ignore[valid-type]
        for name, row, title in (
            ("table1-scaling", ScalingRow, "The announcement's Table 1"),
            ("table2-cnn", Table2Row, "The announcement's Table 2"),
            ("table3-rnn", Table3Row, "The announcement's Table 3"),
            ("int8-accuracy", PublishedAccuracy, "The announcement's INT8 accuracies"),
        )
    },
}


def schema_files() -> dict[str, str]:
    """Return the text of each schema, by its file's name below docs/reference."""
    return {f"schemas/{name}.json": schema().decode() for name, schema in SCHEMAS.items()}
