"""What the suite refuses before it measures: options that contradict each other, and options that have no effect."""

import os
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest

from perf.errors import PerfError
from perf.files import ROOT, read_toml
from perf.plugin.options import Options

BENCHMARK_OPTIONS = Path(__file__).with_name("benchmark_options.toml")
# The folder that holds nothing but measured items and checks of answers.
SUITE = ROOT / "perf"


@dataclass(frozen=True)
class Rule:
    """A combination of options that cannot work.

    broken: whether options are such a combination.
    message: what is wrong, and what to do.
    """

    broken: Callable[[Options], bool]
    message: str


RULES = (
    Rule(
        lambda options: options.strict and options.advisory,
        "--perf-strict fails cases that --perf-advisory lets pass: leave one of them out, or switch a setting off with "
        "-o perf_strict=false or -o perf_advisory=false",
    ),
    Rule(
        lambda options: options.store_answers and bool(options.symbols),
        "--perf-store-answers stores answers of GluonCV's networks by their names, and the content behind a name of "
        "--perf-symbol can change: leave one of them out",
    ),
    Rule(
        lambda options: options.train_rec is not None and options.imagenet_rec is None,
        "--perf-train-rec needs images to hold out: add --perf-imagenet-rec=FILE.rec",
    ),
    Rule(
        lambda options: options.train_rec is not None and len(options.batches) > 1,
        "--perf-train-rec trains with one batch size: name only one with --perf-batch=N",
    ),
    Rule(
        lambda options: options.train_epochs is not None and options.train_rec is None,
        "--perf-train-epochs has no effect without --perf-train-rec: add --perf-train-rec=FILE.rec",
    ),
    Rule(
        lambda options: (
            options.imagenet_rec is not None
            and options.train_rec is None
            and options.weights is None
            and not options.pretrained
        ),
        "--perf-imagenet-rec needs trained networks: add --perf-weights=DIR or --perf-pretrained",
    ),
)


class BenchmarkOption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of an option of pytest-benchmark.

    effect: what it does here; empty when it is always refused.
    reason: why it is refused, as the rest of a sentence that begins with the option; empty when it never is.
    about_table: whether it is about pytest-benchmark's table, which is then printed.
    instead: what to do instead; a command of several words stands in backticks, for the reference page.
    unless_installed: the module whose absence alone is the reason.
    """

    effect: str = ""
    reason: str = ""
    instead: str = ""
    unless_installed: str | None = None
    about_table: bool = False

    @property
    def refused(self) -> bool:
        """Whether it is refused in this environment."""
        return bool(self.reason) and (self.unless_installed is None or find_spec(self.unless_installed) is None)


@cache
def benchmark_options() -> Mapping[str, BenchmarkOption]:
    """Return what becomes of each option of pytest-benchmark, by its flag."""
    return read_toml(BENCHMARK_OPTIONS, dict[str, BenchmarkOption])


def argument_paths(config: pytest.Config) -> list[Path]:
    """Return the files and folders that the session's arguments name, without links in their paths."""
    return [(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args]


def check_folders(config: pytest.Config) -> None:
    """Raise UsageError where a configuration of the user's own, such as that of `-c FILE`, names the suite's items in
    another way than stored runs do, or leaves some out in silence.
    """
    if config.rootpath.resolve() != ROOT:
        raise pytest.UsageError(
            f"ids of cases begin at the checkout, and pytest's root folder is {config.rootpath}\n"
            f"next: add --rootdir={ROOT}"
        )
    whole = any(SUITE.is_relative_to(path) for path in argument_paths(config))
    families = {path.parent.name for path in SUITE.glob("*/test_*.py")} if whole else set()
    patterns: list[str] = config.getini("norecursedirs")
    lost = sorted(name for name in families if any(fnmatch(name, pattern) for pattern in patterns))
    if lost:
        raise pytest.UsageError(
            f"{config.inipath or 'pytest'}: norecursedirs leaves out {', '.join(f'perf/{name}' for name in lost)}\n"
            "next: set norecursedirs there as pyproject.toml of the checkout does, or name the folders to measure"
        )


def check_combinations(options: Options) -> None:
    """Raise UsageError for options that contradict each other."""
    for rule in RULES:
        if rule.broken(options):
            raise pytest.UsageError(rule.message)


def check_benchmark_options(config: pytest.Config) -> None:
    """Raise UsageError for an option of pytest-benchmark that would be ignored."""
    used = {argument.partition("=")[0] for argument in _all_arguments(config)}
    for flag, option in benchmark_options().items():
        if flag in used and option.refused:
            instead = option.instead.replace("`", "")
            raise pytest.UsageError(f"{flag} {option.reason}\nnext: {instead}")


def shows_benchmark_table(config: pytest.Config) -> bool:
    """Return whether an option of this session is about pytest-benchmark's table."""
    used = {argument.partition("=")[0] for argument in _all_arguments(config)}
    return any(option.about_table for flag, option in benchmark_options().items() if flag in used)


def check_injected(injected: Mapping[str, float], variants: Collection[str]) -> None:
    """Raise PerfError for a slowdown of a variant that no selected family has."""
    for name in injected:
        if name not in variants:
            step = f"name one of {', '.join(sorted(variants))}"
            raise PerfError(f"no selected case has a variant {name}", subject="--perf-inject", next_step=step)


def _all_arguments(config: pytest.Config) -> Iterator[str]:
    """All arguments of the session: of the configuration file, of the environment and of the command line."""
    yield from _expanded(config.getini("addopts"))
    yield from _expanded(shlex.split(os.environ.get("PYTEST_ADDOPTS", "")))
    yield from _expanded(map(str, config.invocation_params.args))


def _expanded(arguments: Iterable[str]) -> Iterator[str]:
    """The arguments, with the lines of the file for each @FILE, as argparse has read them."""
    for argument in arguments:
        if argument.startswith("@"):
            yield from _expanded(Path(argument[1:]).read_text().splitlines())
        else:
            yield argument
