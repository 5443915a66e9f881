"""Options of pytest-benchmark: each has an effect or is refused. Slowdowns of variants that do not exist."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from pytest_benchmark.plugin import pytest_addoption

from perf.errors import PerfError
from perf.plugin import refusals
from perf.plugin.refusals import benchmark_options, check_benchmark_options, check_injected

REFUSED = [flag for flag, option in benchmark_options().items() if option.reason]


def config_of(*arguments: str, addopts: tuple[str, ...] = ()) -> Any:
    return Mock(getini=Mock(return_value=list(addopts)), invocation_params=Mock(args=arguments))


def test_the_table_holds_all_options_of_the_installed_pytest_benchmark() -> None:
    parser = Mock()
    pytest_addoption(parser)  # type: ignore[no-untyped-call]
    group = parser.getgroup.return_value
    assert list(benchmark_options()) == [call.args[0] for call in group.addoption.call_args_list]


@pytest.mark.parametrize("flag", benchmark_options())
def test_each_option_has_an_effect_or_a_substitute(flag: str) -> None:
    option = benchmark_options()[flag]
    assert option.effect or option.reason
    assert bool(option.reason) == bool(option.instead)
    assert bool(option.effect and option.reason) == bool(option.unless_installed)


@pytest.mark.parametrize("flag", REFUSED)
@pytest.mark.parametrize("form", ["{}", "{}=5"])
def test_an_option_without_an_effect_is_refused_with_what_to_do(flag: str, form: str) -> None:
    with pytest.raises(pytest.UsageError) as caught:
        check_benchmark_options(config_of("perf/", form.format(flag)))
    option = benchmark_options()[flag]
    assert str(caught.value) == f"{flag} {option.reason}\nnext: {option.instead}"


def test_other_options_pass() -> None:
    check_benchmark_options(config_of(*[f"{flag}=x" for flag in benchmark_options() if flag not in REFUSED]))


def test_an_option_of_the_configuration_or_the_environment_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.UsageError, match=r"^--benchmark-warmup would"):
        check_benchmark_options(config_of("perf/", addopts=("--benchmark-warmup=on",)))
    monkeypatch.setenv("PYTEST_ADDOPTS", "-q --benchmark-timer=time.time")
    with pytest.raises(pytest.UsageError, match=r"^--benchmark-timer would"):
        check_benchmark_options(config_of("perf/"))


def test_an_option_in_a_file_of_arguments_is_refused_too(tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    inner.write_text("-q\n--benchmark-min-rounds=5\n")
    outer.write_text(f"@{inner}\n")
    for config in (config_of("perf/", f"@{outer}"), config_of("perf/", addopts=(f"@{inner}",))):
        with pytest.raises(pytest.UsageError, match=r"^--benchmark-min-rounds would"):
            check_benchmark_options(config)


def test_histograms_are_refused_only_without_what_draws_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "find_spec", lambda _name: "there")
    check_benchmark_options(config_of("--benchmark-histogram"))


def test_a_slowdown_names_a_variant_that_exists() -> None:
    check_injected({"r2": 0.05}, {"r1", "r2"})
    with pytest.raises(PerfError, match="no selected case has a variant r3\nnext: name one of r1, r2"):
        check_injected({"r3": 0.05}, {"r2", "r1"})
