"""What the user asked for on the command line, as one frozen value."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from perf.builds import parse_overrides
from perf.plugin.declared import DEFAULT_TIMEOUT_S, SEED, TIERS

MAX_INJECTED = 10.0
# Of a size: nothing with more of them can be meant, and none overflows a float.
DIGITS = 9
# Of what is wrong, in a message.
SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked for; None and () mean: as the tier or the machine has it. `timeout_s` is in seconds.
    `whole_accuracy`: all checks of answers, not only the quick tier's slice of them.
    """

    tier: str
    whole_accuracy: bool
    store_answers: bool
    models: tuple[str, ...]
    batches: tuple[int, ...]
    cells: tuple[str, ...]
    shapes: tuple[tuple[int, int, int, int], ...]
    overrides: Mapping[str, str]
    blas_kernels: str | None
    mpi: Path | None
    ranks: int | None
    hosts: Path | None
    cache: str | None
    instances: int | None
    threads: int | None
    pretrained: bool
    weights: Path | None
    imagenet_rec: Path | None
    train_rec: Path | None
    train_epochs: int | None
    calibration: Literal["naive", "entropy"]
    seed: int
    timeout_s: float
    invocations: int | None
    injected: Mapping[str, float]
    strict: bool
    advisory: bool
    resume: bool
    summary: Path | None

    def words(self) -> list[str]:
        """The command-line words that make another session measure the same way; defaults are left out."""
        single = {
            "tier": self.tier if self.tier != TIERS[0] else None,
            "cache": self.cache,
            "weights": self.weights,
            "imagenet-rec": self.imagenet_rec,
            "train-rec": self.train_rec,
            "train-epochs": self.train_epochs,
            "blas-kernels": self.blas_kernels,
            "mpi": self.mpi,
            "ranks": self.ranks,
            "hosts": self.hosts,
            "instances": self.instances,
            "threads": self.threads,
            "calibration": self.calibration if self.calibration != "naive" else None,
            "invocations": self.invocations,
            "seed": self.seed if self.seed != SEED else None,
            "timeout": f"{self.timeout_s:g}" if self.timeout_s != DEFAULT_TIMEOUT_S else None,
        }
        words = [f"--perf-{name}={value}" for name, value in single.items() if value is not None]
        words += [f"--perf-model={model}" for model in self.models]
        words += [f"--perf-batch={batch}" for batch in self.batches]
        words += [f"--perf-cell={cell}" for cell in self.cells]
        words += [f"--perf-rnn-shape={','.join(map(str, shape))}" for shape in self.shapes]
        words += [f"--perf-build={role}={wheel}" for role, wheel in self.overrides.items()]
        words += [f"--perf-inject={variant}={share * 100:g}" for variant, share in self.injected.items()]
        return words + ["--perf-pretrained"] * self.pretrained


def read_options(config: pytest.Config) -> Options:
    """The options of a session; PerfError for a malformed --perf-build, UsageError for a number out of range."""
    get = config.getoption
    counts = {"batch": get("perf_batch"), "invocations": [get("perf_invocations")], "ranks": [get("perf_ranks")]}
    counts["train-epochs"] = [get("perf_train_epochs")]
    for name, numbers in counts.items():
        if any(number is not None and not 0 < number < 10**DIGITS for number in numbers):
            raise pytest.UsageError(f"--perf-{name} must be at least 1, and have {DIGITS} digits at most")
    if not 0 < get("perf_timeout") < math.inf:
        raise pytest.UsageError("--perf-timeout must be above 0 seconds")
    if get("perf_strict") and get("perf_advisory"):
        raise pytest.UsageError("--perf-strict and --perf-advisory contradict each other")
    summary = get("perf_summary")
    if summary is not None and not summary.parent.is_dir():
        raise pytest.UsageError(f"--perf-summary: there is no folder {summary.parent}")
    _check_files(config)
    weights, records, train = (get(f"perf_{name}") for name in ("weights", "imagenet_rec", "train_rec"))
    return Options(
        tier=get("perf_tier"),
        whole_accuracy=_whole(get("perf_tier"), get("markexpr")),
        store_answers=get("perf_store_answers"),
        models=tuple(dict.fromkeys(name.lower() for name in get("perf_model"))),  # as GluonCV itself takes them
        batches=tuple(sorted(set(get("perf_batch")))),
        cells=tuple(dict.fromkeys(get("perf_cell"))),
        shapes=tuple(dict.fromkeys(_shape(words) for words in get("perf_rnn_shape"))),
        overrides=parse_overrides(get("perf_build")),
        blas_kernels=get("perf_blas_kernels"),
        mpi=get("perf_mpi").resolve() if get("perf_mpi") else None,
        ranks=get("perf_ranks"),
        hosts=get("perf_hosts").resolve() if get("perf_hosts") else None,
        cache=get("perf_cache"),
        instances=get("perf_instances"),
        threads=get("perf_threads"),
        pretrained=get("perf_pretrained"),
        weights=weights.resolve() if weights else None,
        imagenet_rec=records.resolve() if records else None,
        train_rec=train.resolve() if train else None,
        train_epochs=get("perf_train_epochs"),
        calibration=get("perf_calibration"),
        seed=get("perf_seed"),
        timeout_s=get("perf_timeout"),
        invocations=get("perf_invocations"),
        injected=dict(_injected(words) for words in get("perf_inject")),
        strict=get("perf_strict"),
        advisory=get("perf_advisory"),
        resume=get("perf_resume"),
        summary=summary,
    )


def _check_files(config: pytest.Config) -> None:
    """UsageError for folders and record files that are not there, or not enough of them."""
    get = config.getoption
    weights, records = get("perf_weights"), get("perf_imagenet_rec")
    if weights is not None and not weights.is_dir():
        raise pytest.UsageError(f"--perf-weights: there is no folder {weights}")
    train = get("perf_train_rec")
    for name, file in (("imagenet-rec", records), ("train-rec", train)):
        if file is not None and not (os.access(file, os.R_OK) and file.is_file()):
            raise pytest.UsageError(f"--perf-{name}: {file} is no file that can be read")
    if train is not None and records is None:
        raise pytest.UsageError("--perf-train-rec needs images to hold out: add --perf-imagenet-rec FILE.rec")
    if train is not None and not train.with_suffix(".idx").is_file():
        raise pytest.UsageError(f"--perf-train-rec: there is no {train.with_suffix('.idx')} (im2rec.py makes it)")
    if records is not None and train is None and weights is None and not get("perf_pretrained"):
        raise pytest.UsageError(
            "--perf-imagenet-rec needs trained networks: add --perf-weights DIR, or --perf-pretrained"
        )


def _whole(tier: str, markers: str) -> bool:
    """Whether all answers are checked: in the nightly tier, and in the quick one when `-m` asks for them."""
    return tier == "nightly" or (tier == "quick" and "accuracy" in markers)


def _shape(words: str) -> tuple[int, int, int, int]:
    """The four sizes of a --perf-rnn-shape such as "16,100,256,512"; UsageError when it is none."""
    sizes = words.split(",")
    written = len(sizes) == 4 and all(size.isdecimal() and len(size) <= DIGITS for size in sizes)  # noqa: PLR2004
    if not written or not all(int(size) > 0 for size in sizes):
        raise pytest.UsageError(
            f"--perf-rnn-shape={words[:SHOWN]}: write N,T,C,H, such as 16,100,256,512, of {DIGITS} digits at most"
        )
    batch, steps, inputs, hidden = map(int, sizes)
    return batch, steps, inputs, hidden


def _injected(words: str) -> tuple[str, float]:
    """Variant and share of a --perf-inject such as "mkl-fp32=5"; UsageError when it is none."""
    variant, _, percent = words.partition("=")
    try:
        share = float(percent) / 100
    except ValueError:
        share = 0.0
    if not variant or not 0 < share <= MAX_INJECTED:
        raise pytest.UsageError(f"--perf-inject={words}: write VARIANT=PERCENT, such as mkl-fp32=5")
    return variant, share
