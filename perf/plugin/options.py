"""The options of the suite: each is declared here, and nowhere else.

To add one, add a field to `Options`. The parser, the setting in pyproject.toml, the command that reproduces a case,
what a resumed session must share and docs/reference/options.md follow from it (perf.plugin.declaration).
"""

# ruff: noqa: RUF009 - what is called here makes fields

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from perf.builds import parse_overrides
from perf.cache import VARIABLE
from perf.judge.judgement import VerdictKind
from perf.plugin import declaration, values
from perf.plugin.declaration import declared, option, several, switch
from perf.runs.verdict import GRAVITY

# What each tier is for, by name; the first is the default.
TIERS = {
    "quick": "the announcement's main claims on this machine, in minutes",
    "nightly": "the whole published matrix, in hours",
    "smoke": "whether everything works, in seconds; its numbers mean little",
}
# Long enough for the largest batch of the nightly tier on two cores.
TIMEOUT_S = 300.0
# The day of MXNet 1.5.0's release.
SEED = 20190713
# What neither changes what is measured nor how a case is judged again.
REPORTING = {"repeat": False, "same": False}
# What makes a session a part of a night, and does not matter to a case alone.
OF_A_NIGHT = {"setting": False, "repeat": False}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked for, one field for each option; the help of each says what it means. None and () mean: as the
    tier or the machine has it.

    markers: the expression of `-m`; not an option of the suite.
    on_command_line: the fields that the command line sets.
    labels: how messages name the values that the user wrote, by field and value.
    """

    markers: str = ""
    on_command_line: frozenset[str] = frozenset()
    labels: Mapping[tuple[str, Any], str] = field(default_factory=dict, compare=False)

    tier: str = option(
        "--perf-tier",
        heading="What is measured",
        kind=values.one_of(TIERS),
        default=next(iter(TIERS)),
        help="how much to run",
    )
    models: tuple[str, ...] = several(
        "--perf-model", kind=values.NAME, help="measure this GluonCV network instead of the tier's, in any capitals"
    )
    symbols: tuple[tuple[str, Path, Path, tuple[int, int, int]], ...] = several(
        "--perf-symbol", kind=values.SYMBOL, help="measure this network of your own instead of the tier's"
    )
    batches: tuple[int, ...] = several(
        "--perf-batch",
        kind=values.COUNT,
        gather=lambda sizes: tuple(sorted(set(sizes))),
        help="measure this batch size, in images, instead of the tier's",
    )
    cells: tuple[str, ...] = several(
        "--perf-cell",
        kind=values.NAME,
        help="measure this recurrent cell instead of the tier's, in any capitals: lstm, rnn_tanh, rnn_relu, gru, or bi "
        "before one of them",
    )
    shapes: tuple[tuple[int, int, int, int], ...] = several(
        "--perf-rnn-shape",
        kind=values.SHAPE,
        help="measure recurrent networks at this batch size, steps, input size and hidden size instead of the tier's",
    )
    layers: tuple[int, ...] = several(
        "--perf-rnn-layers", kind=values.COUNT, help="measure recurrent networks of N layers instead of the tier's"
    )
    rerun: tuple[VerdictKind, ...] = several(
        "--perf-rerun",
        kind=values.one_of(GRAVITY),
        setting=False,
        **REPORTING,
        help="measure only cases with this last verdict in the sessions that the cache keeps, such as inconclusive",
    )
    shard: tuple[int, int] | None = option(
        "--perf-shard", kind=values.SHARD, **OF_A_NIGHT, help="measure one of several parts; mxperf merge joins them"
    )
    invocations: int | None = option(
        "--perf-invocations",
        kind=values.COUNT,
        default_text="as the tier says",
        help="measure every workload in at least N sets of fresh processes",
    )
    injected: Mapping[str, float] = several(
        "--perf-inject",
        kind=values.INJECTION,
        gather=dict,
        default={},
        setting=False,
        help="slow a variant down on purpose by a percentage, to test the gate; never stored as a baseline",
    )
    overrides: Mapping[str, str] = several(
        "--perf-build",
        heading="Builds",
        kind=values.ROLE,
        gather=parse_overrides,
        default={},
        help="put another wheel in a role: mkl=mxnet-mkl==1.5.1, mkl=./some.whl, "
        "mkl=https://SERVER/some.whl#sha256=HEX",
    )
    blas_kernels: str | None = option(
        "--perf-blas-kernels",
        kind=values.TEXT,
        metavar="NAME",
        default_text="those that OpenBLAS chooses",
        help="use these OpenBLAS kernels in the native build, such as Haswell",
    )
    mpi: Path | None = option(
        "--perf-mpi",
        kind=values.FOLDER,
        metavar="PREFIX",
        default_text="the one that comes with the builds",
        help="train over the Intel MPI or Open MPI in this folder, which holds its bin",
    )
    instances: int | None = option(
        "--perf-instances",
        heading="Machine",
        kind=values.COUNT,
        default_text="one per NUMA node",
        help="run N instances at a time",
    )
    threads: int | None = option(
        "--perf-threads", kind=values.COUNT, default_text="its physical cores", help="run N OpenMP threads per instance"
    )
    ranks: int | None = option(
        "--perf-ranks",
        kind=values.COUNT,
        default_text="one per NUMA node, at least 2",
        help="train on N ranks per host, each on its part of the cores",
    )
    hosts: Path | None = option(
        "--perf-hosts",
        kind=values.PATH,
        metavar="FILE",
        default_text="this host",
        help="train on the hosts in this file, one per line: node1, node1:2, node1 slots=2 or node[01-03,07]",
    )
    when_busy: Literal["wait", "refuse"] = option(
        "--perf-when-busy",
        kind=values.one_of(("wait", "refuse")),
        default="wait",
        **REPORTING,
        help="what to do when another session is measuring on this machine: two never measure at once",
    )
    pretrained: bool = switch(
        "--perf-pretrained",
        heading="Weights and accuracy",
        help="use trained weights that GluonCV downloads instead of synthetic ones",
    )
    weights: Path | None = option(
        "--perf-weights",
        kind=values.FOLDER,
        help="use trained weights from this folder: files NETWORK.params, written by gluon's save_parameters",
    )
    calibration: Literal["naive", "entropy"] = option(
        "--perf-calibration",
        kind=values.one_of(("naive", "entropy")),
        default="naive",
        help="how to choose INT8 thresholds; the announcement used naive",
    )
    imagenet_rec: Path | None = option(
        "--perf-imagenet-rec",
        kind=values.RECORDS,
        help="check the accuracy of trained networks on this record file, such as ImageNet's validation set",
    )
    train_rec: Path | None = option(
        "--perf-train-rec",
        kind=values.INDEXED_RECORDS,
        setting=False,
        help="train a network on this record file by ImageNet's recipe and check its accuracy on that of "
        "--perf-imagenet-rec; an interrupted run resumes at its last epoch",
    )
    train_epochs: int | None = option(
        "--perf-train-epochs",
        kind=values.COUNT,
        setting=False,
        default_text="90, as in the announcement",
        help="train for N epochs with --perf-train-rec",
    )
    seed: int = option(
        "--perf-seed",
        kind=values.WHOLE_NUMBER,
        default=SEED,
        help="seed of the random checks of answers; the same seed draws the same checks",
    )
    store_answers: bool = switch(
        "--perf-store-answers",
        setting=False,
        **REPORTING,
        help="store what checks of answers observe in baselines/answers, and judge nothing by what was stored before",
    )
    strict: bool = switch(
        "--perf-strict",
        heading="Judging",
        **REPORTING,
        help="also fail cases that are inconclusive, no-baseline or invalid, and checks that were not judged",
    )
    advisory: bool = switch(
        "--perf-advisory", **REPORTING, help="report verdicts without failing any case, for machines that do not gate"
    )
    drop: tuple[str, ...] = several(
        "--perf-drop",
        kind=values.TEXT,
        metavar="PATTERN",
        setting=False,
        **REPORTING,
        help="with --benchmark-save: let the stored run lack these cases of the latest baseline",
    )
    reason: str = option(
        "--perf-reason",
        kind=values.TEXT,
        default="",
        setting=False,
        **REPORTING,
        help="with --benchmark-save: why cases may be worse than, or undecided against, the latest baseline; stored "
        "with the run",
    )
    cache: str | None = option(
        "--perf-cache",
        heading="Session and files",
        kind=values.CACHE,
        variable=VARIABLE,
        same=False,
        default_text=f"the variable {VARIABLE}, else mxnet-perf in the user's cache folder",
        help="keep builds, networks and sessions in this folder",
    )
    timeout_s: float = option(
        "--perf-timeout",
        kind=values.SECONDS,
        default=TIMEOUT_S,
        help="kill a worker that does not answer for this time, in seconds; more than 300 extends the "
        "limits on silent ranks in proportion",
    )
    resume: bool = switch(
        "--perf-resume", setting=False, **REPORTING, help="resume the latest unfinished session of the same command"
    )
    progress_s: float = option(
        "--perf-progress", kind=values.SECONDS, default=60.0, **REPORTING, help="seconds between two lines in a log"
    )
    session: str | None = option(
        "--perf-session", kind=values.TEXT, **OF_A_NIGHT, help="resume the session of this name, or start it"
    )
    summary: Path | None = option(
        "--perf-summary", kind=values.NEW_FILE, metavar="FILE.md", **REPORTING, help="write the summary as Markdown"
    )
    report: Path | None = option(
        "--perf-report", kind=values.NEW_FILE, metavar="FILE.html", **REPORTING, help="write the run as one HTML page"
    )

    @property
    def whole_accuracy(self) -> bool:
        """Whether all checks of answers are run: in the nightly tier, and in the quick one when `-m` asks for them."""
        return self.tier == "nightly" or (self.tier == "quick" and "accuracy" in self.markers)

    def arguments(self) -> list[str]:
        """Return the arguments of this command line that make another session measure the same way."""
        chosen = [entry for entry in declared(type(self)) if entry[0] in self.on_command_line]
        return [
            argument
            for name, option, _ in chosen
            if option.repeat
            for argument in option.arguments(getattr(self, name))
        ]

    def label(self, name: str, value: Any) -> str:
        """Return how a message names a value of a field: the option, or the file and its setting, as it is written."""
        flags = {each: option.flag for each, option, _ in declared(type(self))}
        return self.labels.get((name, value), f"{flags[name]}={value}")

    def conditions(self) -> dict[str, str]:
        """Return what a resumed session must have in common with the one before it, as texts by option."""
        shared = [(name, option) for name, option, _ in declared(type(self)) if option.same]
        return {option.flag: option.shown(getattr(self, name)) for name, option in shared}


OPTIONS = pytest.StashKey[Options]()


def read_options(config: pytest.Config) -> Options:
    """Return a session's options. Raises UsageError for an unusable value, PerfError for a malformed --perf-build."""
    return declaration.read_options(config, Options, markers=config.getoption("markexpr"))
