"""The page of the options and settings, from their declarations, and of what pytest-benchmark's options do."""

from collections.abc import Iterator

from perf.cli.pages.markdown import code, heading, section, sentence, table
from perf.plugin.declaration import Option, declared
from perf.plugin.options import Options
from perf.plugin.refusals import BenchmarkOption, benchmark_options


def options_page() -> Iterator[str]:
    """Yield the lines of the page: a table for each heading."""
    yield from heading(
        "Options",
        "Options of `pytest perf/`. Those with a setting can also stand in `pyproject.toml` under `[tool.pytest]` or "
        "`[tool.pytest.ini_options]`; `-o SETTING=VALUE` replaces a setting for one session. The command line "
        "takes precedence over the setting, and the setting over the default; `MXNET_PERF_CACHE` takes precedence over "
        "the setting `perf_cache`. A setting of a repeatable option is a list of strings. Relative paths in a setting "
        "count from the file's folder, except for wheels of `perf_build`, which count from the folder where pytest "
        "starts.",
    )
    groups: dict[str, list[tuple[Option, object]]] = {}
    title = ""
    for _, option, default in declared(Options):
        title = option.heading or title
        groups.setdefault(title, []).append((option, default))
    for title, entries in groups.items():
        yield from section(title)
        yield from table(["Option", "Setting", "Default", "Meaning"], [_row(*entry) for entry in entries])
    yield from section(
        "Options of pytest-benchmark",
        "Cases are measured in MXNet's own processes, and pytest-benchmark is handed the samples. So some of its "
        "options would have no effect; they are refused when something is measured (exit code 4).",
    )
    benchmark = benchmark_options().items()
    yield from table(
        ["Option", "Effect"], [[code(flag), sentence(option.effect)] for flag, option in benchmark if option.effect]
    )
    yield from table(
        ["Refused", "Reason", "Instead"],
        [[code(flag), f"It {option.reason}.{_unless(option)}", sentence(option.instead)] for flag, option in benchmark
         if option.reason],
    )  # fmt: skip


def _row(option: Option, default: object) -> list[str]:
    value = f"={option.value_name}" if option.kind else ""
    meaning = sentence(option.help) + " May be repeated." * option.repeatable
    setting = f"{code(option.name)} ({option.setting_type})" if option.setting else "-"
    return [code(option.flag + value), setting, option.shown_default(default) or "-", meaning]


def _unless(option: BenchmarkOption) -> str:
    return f" Refused only without {option.unless_installed}." if option.unless_installed else ""
