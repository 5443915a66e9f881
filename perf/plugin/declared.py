"""The command-line options as pytest declares them."""

from pathlib import Path

import pytest

TIERS = ("quick", "nightly", "smoke")
DEFAULT_TIMEOUT_S = 300.0
# The day of MXNet 1.5.0's release.
SEED = 20190713


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("perf", "MXNet performance suite")
    group.addoption("--perf-tier", choices=TIERS, default="quick", help="how much is run (default: quick)")
    group.addoption(
        "--perf-model",
        action="append",
        default=[],
        metavar="NAME",
        help="measure this GluonCV classification network instead of the tier's; may be repeated",
    )
    group.addoption(
        "--perf-batch",
        action="append",
        default=[],
        type=int,
        metavar="N",
        help="measure this batch size instead of the tier's; may be repeated",
    )
    group.addoption(
        "--perf-cell",
        action="append",
        default=[],
        metavar="NAME",
        help="measure this recurrent cell instead of the tier's: lstm, rnn_tanh, rnn_relu, gru, bilstm, ...; "
        "may be repeated",
    )
    group.addoption(
        "--perf-rnn-shape",
        action="append",
        default=[],
        metavar="N,T,C,H",
        help="measure recurrent networks at this batch, steps, input size and hidden size instead of the tier's; "
        "may be repeated",
    )
    group.addoption(
        "--perf-build",
        action="append",
        default=[],
        metavar="ROLE=WHEEL",
        help="put another wheel in a role: mkl=mxnet-mkl==1.5.1, mkl=./some.whl; may be repeated",
    )
    group.addoption(
        "--perf-blas-kernels",
        metavar="NAME",
        help="which kernels OpenBLAS uses in the native build, by its name for them, such as Haswell (default: those "
        "that it chooses)",
    )
    group.addoption(
        "--perf-mpi",
        type=Path,
        metavar="PREFIX",
        help="train over the Intel MPI or Open MPI in this folder (the one that holds its `bin`) instead of the one "
        "that comes with the builds",
    )
    group.addoption(
        "--perf-ranks",
        type=int,
        metavar="N",
        help="ranks of a training job per host, each on its share of the cores (default: one per NUMA node, two at "
        "least)",
    )
    group.addoption(
        "--perf-hosts",
        type=Path,
        metavar="FILE",
        help="train on the hosts in this file, a line each: node1, node1:2 or node1 slots=2",
    )
    group.addoption(
        "--perf-cache", metavar="DIR", help="where environments and networks are kept (or MXNET_PERF_CACHE)"
    )
    group.addoption("--perf-instances", type=int, metavar="N", help="instances at a time (default: one per NUMA node)")
    group.addoption(
        "--perf-threads", type=int, metavar="N", help="OpenMP threads per instance (default: its physical cores)"
    )
    group.addoption("--perf-pretrained", action="store_true", help="fetch trained weights instead of synthetic ones")
    group.addoption(
        "--perf-weights",
        type=Path,
        metavar="DIR",
        help="take trained weights from this folder, in files NETWORK.params made by gluon's save_parameters",
    )
    group.addoption(
        "--perf-imagenet-rec",
        type=Path,
        metavar="FILE.rec",
        help="check the accuracy of trained networks on the images of this record file, such as ImageNet's validation "
        "set",
    )
    group.addoption(
        "--perf-train-rec",
        type=Path,
        metavar="FILE.rec",
        help="train a network on the images of this record file by ImageNet's recipe, and check its accuracy on those "
        "of --perf-imagenet-rec; goes on where an earlier run was interrupted",
    )
    group.addoption(
        "--perf-train-epochs", type=int, metavar="N", help="train for N epochs (default: 90, as the announcement did)"
    )
    group.addoption(
        "--perf-calibration",
        choices=("naive", "entropy"),
        default="naive",
        help="how INT8 thresholds are found (default: naive, as the announcement did)",
    )
    group.addoption(
        "--perf-timeout",
        type=float,
        default=DEFAULT_TIMEOUT_S,
        metavar="SECONDS",
        help="how long a worker may take to answer before it is killed (default: 300)",
    )
    group.addoption(
        "--perf-seed",
        type=int,
        default=SEED,
        metavar="N",
        help=f"seed of the random part of checks of answers (default: {SEED}); the same seed checks the same",
    )
    group.addoption(
        "--perf-invocations",
        type=int,
        metavar="N",
        help="measure every workload in at least N sets of fresh processes (default: as the tier says)",
    )
    group.addoption(
        "--perf-strict",
        action="store_true",
        help="let a case fail that was not judged, or not conclusively: inconclusive, no-baseline, invalid",
    )
    group.addoption(
        "--perf-advisory",
        action="store_true",
        help="tell verdicts, and let no case fail for one: for machines that are no gate",
    )
    group.addoption(
        "--perf-resume",
        action="store_true",
        help="resume the latest unfinished session of the same command",
    )
    group.addoption(
        "--perf-inject",
        action="append",
        default=[],
        metavar="VARIANT=PERCENT",
        help="slow a variant down on purpose, to see whether the gate notices: mkl-fp32=5; may be repeated",
    )
    group.addoption(
        "--perf-store-answers",
        action="store_true",
        help="store what checks of answers find in baselines/answers, and judge nothing by what was stored before",
    )
    group.addoption(
        "--perf-drop",
        action="append",
        default=[],
        metavar="PATTERN",
        help="with --benchmark-save: the stored run may lack these cases of the latest baseline; may be repeated",
    )
    group.addoption(
        "--perf-reason",
        default="",
        metavar="TEXT",
        help="with --benchmark-save: why cases may be worse than, or undecided against, the latest baseline; stored",
    )
    group.addoption("--perf-summary", type=Path, metavar="FILE.md", help="write the summary as Markdown to this file")
