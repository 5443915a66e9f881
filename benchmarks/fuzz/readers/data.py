"""The data files of the suite in TOML: all are read by `perf.files.read_toml`, each into a type of its own."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.fuzz.reader import Reader, Seed
from perf.files import read_toml
from perf.limits.cpu import core_of
from perf.report.page.build import RATES
from perf.report.page.data import Rates

# The module, the function that reads its file, and the constant with the file's path.
LOADERS = (
    ("perf.builds.data", "load", "DATA"),
    ("perf.builds.releases", "load_releases", "DATA"),
    ("perf.census.settings", "settings", "DATA"),
    ("perf.cnn.digits.dataset", "settings", "DATA"),
    ("perf.cnn.imagenet.protocol", "protocol", "DATA"),
    ("perf.cnn.model_zoo", "model_zoo", "DATA"),
    ("perf.cnn.networks", "catalogue", "DATA"),
    ("perf.cnn.operators.search", "operators_file", "DATA"),
    ("perf.defects", "all_defects", "DATA"),
    ("perf.dist.data", "load", "DATA"),
    ("perf.ladder.data", "ladder_data", "DATA"),
    ("perf.limits.kernels", "kernels", "DATA"),
    ("perf.machine.identity", "_isa_table", "DATA"),
    ("perf.machine.runner.settings", "settings", "DATA"),
    ("perf.machine.state.model", "_descriptions", "DATA"),
    ("perf.measure.tiers", "_efforts", "DATA"),
    ("perf.plugin.refusals", "benchmark_options", "BENCHMARK_OPTIONS"),
    ("perf.published", "published_classes", "DATA"),
    ("perf.report.exports.tables", "_columns", "DATA"),
    ("perf.report.summary", "layouts", "DATA"),
    ("perf.rnn.shapes", "catalogue", "DATA"),
)


def _loader(module: Any, function: str, constant: str) -> Callable[[Path, Path], object]:
    """Return what lets a module read another file in place of its own."""

    def read(_: Path, path: Path) -> object:
        own = getattr(module, constant)
        setattr(module, constant, path)
        try:
            return getattr(module, function).__wrapped__()
        finally:
            setattr(module, constant, own)

    return read


def _cores(_: Path, path: Path) -> object:
    module = importlib.import_module("perf.limits.cpu")
    own, module.DATA = module.DATA, path  # type: ignore[attr-defined] # mypy knows no attributes of such a module
    try:
        return core_of("GenuineIntel", "6.85.7")
    finally:
        module.DATA = own  # type: ignore[attr-defined]


def readers() -> list[Reader]:
    """Return a reader for each data file."""
    result = []
    for name, function, constant in LOADERS:
        module = importlib.import_module(name)
        file: Path = getattr(module, constant)
        result.append(
            Reader(
                name=f"{file.parent.name}/{file.name}",
                modules=(name,),
                seeds=(Seed(file.name, file.read_bytes(), "toml"),),
                read=_loader(module, function, constant),
                weight=0.3,
            )
        )
    units = Path(importlib.import_module("perf.limits.cpu").DATA)
    return [
        *result,
        Reader(
            name="limits/units.toml",
            modules=("perf.limits.cpu",),
            seeds=(Seed(units.name, units.read_bytes(), "toml"),),
            read=_cores,
            weight=0.3,
        ),
        Reader(
            name="page/rates.toml",
            modules=("perf.report.page.build",),
            seeds=(Seed(RATES.name, RATES.read_bytes(), "toml"),),
            read=lambda _, path: read_toml(path, dict[str, Rates]),
            weight=0.3,
        ),
    ]
