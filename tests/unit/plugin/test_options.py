"""Options: read from the command line and from settings, repeated in commands, and refused when they cannot work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from _pytest.config import get_config

from perf.errors import PerfError
from perf.plugin.declaration import LABELS, ON_COMMAND_LINE, add_options, declared
from perf.plugin.options import TIERS, Options, read_options
from perf.plugin.refusals import RULES, check_combinations

Read = Callable[..., Options]
NOT_DEFAULT = {
    "--perf-tier": "smoke",
    "--perf-model": "resnet18_v1",
    "--perf-symbol": "mynet=/etc/net.json,/etc/net.params,3x224x224",
    "--perf-batch": "8",
    "--perf-cell": "gru",
    "--perf-rnn-shape": "1,2,3,4",
    "--perf-rnn-layers": "2",
    "--perf-invocations": "9",
    "--perf-inject": "mkl-fp32=2.5",
    "--perf-build": "mkl=./some.whl",
    "--perf-blas-kernels": "Haswell",
    "--perf-mpi": "/usr",
    "--perf-instances": "2",
    "--perf-threads": "3",
    "--perf-ranks": "4",
    "--perf-hosts": "/etc/hosts",
    "--perf-weights": "/usr",
    "--perf-calibration": "entropy",
    "--perf-imagenet-rec": __file__,
    "--perf-train-epochs": "5",
    "--perf-seed": "-1",
    "--perf-cache": "/var/cache/perf",
    "--perf-timeout": "12.5",
}


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Read:
    """Reads the options of a command line, with settings below `[tool.pytest]`, or below another table."""
    monkeypatch.delenv("MXNET_PERF_CACHE", raising=False)

    def read(*arguments: str, settings: str = "", table: str = "tool.pytest") -> Options:
        (file := tmp_path / "pyproject.toml").write_text(f"[{table}]\n{settings}")
        config = get_config()
        request.addfinalizer(config._ensure_unconfigure)  # closes the files in which pytest would capture output
        add_options(config._parser, Options)
        config.parse(["-c", str(file), "--strict-config", *arguments, str(tmp_path)])
        return read_options(config)

    return read


def test_without_arguments_and_settings_all_have_their_defaults(read: Read) -> None:
    assert read() == Options()
    assert Options().tier == next(iter(TIERS))
    assert Options().arguments() == []


@pytest.mark.parametrize(("_name", "option", "default"), list(declared(Options)), ids=lambda part: str(part)[:20])
def test_help_has_one_style(_name: str, option: Any, default: Any) -> None:
    assert option.flag.startswith("--perf-")
    assert option.help[0].islower() or option.help.startswith(("INT8", "OpenMP"))
    assert not option.help.endswith(".")
    assert "default" not in option.help, "it is added"
    assert "repeated" not in option.help, "it is added"
    assert (option.kind is None) == (default is False)


def test_the_help_of_a_setting_says_what_it_does() -> None:
    parser = Mock()
    add_options(parser, Options)
    help_of = {call.args[0]: call.args[1] for call in parser.addini.call_args_list}
    assert help_of["perf_tier"] == "how much to run (--perf-tier)"
    assert next(declared(Options))[1].heading


def repeated() -> list[str]:
    """The flags of all options with a value that must be repeated."""
    return [option.flag for _, option, _ in declared(Options) if option.repeat and option.kind]


def test_the_table_of_values_holds_every_option_that_must_be_repeated() -> None:
    assert set(NOT_DEFAULT) == set(repeated()) - {"--perf-train-rec"}


@pytest.mark.parametrize(("flag", "text"), NOT_DEFAULT.items())
def test_what_is_repeated_means_the_same(read: Read, flag: str, text: str) -> None:
    options = read(f"{flag}={text}")
    assert options.arguments() == [f"{flag}={text}"]
    assert read(*options.arguments()) == options
    shared = {option.flag for _, option, _ in declared(Options) if option.same}
    assert (options.conditions() == Options().conditions()) == (flag not in shared)


@pytest.mark.parametrize(
    "argument",
    ["--perf-timeout=1234567.25", "--perf-timeout=0.1234567", "--perf-inject=a=0.07", "--perf-inject=a=12.34567891"],
)
def test_every_digit_is_repeated(read: Read, argument: str) -> None:
    options = read(argument)
    assert options.arguments() == [argument]
    assert read(*options.arguments()) == options


def test_a_switch_is_repeated(read: Read) -> None:
    assert read("--perf-pretrained").arguments() == ["--perf-pretrained"]
    assert read("--perf-strict").arguments() == []


def test_repeated_values_come_together(read: Read) -> None:
    options = read("--perf-batch=4", "--perf-batch=1", "--perf-batch=4", "--perf-model=ResNet18_v1", "--perf-model=b")
    assert (options.batches, options.models) == ((1, 4), ("resnet18_v1", "b"))


def test_the_command_line_goes_before_the_setting(read: Read) -> None:
    settings = 'perf_tier = "nightly"\nperf_batch = ["8"]\n'
    assert read(settings=settings).tier == "nightly"
    options = read("--perf-tier=quick", "--perf-batch=2", settings=settings)
    assert (options.tier, options.batches) == ("quick", (2,))
    # Without it, the command would measure what the setting says.
    assert options.arguments() == ["--perf-tier=quick", "--perf-batch=2"]
    assert read(settings=settings).arguments() == []


def test_settings_have_the_types_of_toml(read: Read) -> None:
    options = read(settings="perf_strict = true\nperf_ranks = 2\nperf_timeout = 5\n")
    assert (options.strict, options.ranks, options.timeout_s) == (True, 2, 5.0)


def test_settings_may_stand_in_the_older_table(read: Read) -> None:
    settings = 'perf_strict = "true"\nperf_ranks = "2"\nperf_timeout = "5"\nperf_build = ["mkl=a.whl"]\n'
    options = read(settings=settings, table="tool.pytest.ini_options")
    assert (options.strict, options.ranks, options.timeout_s) == (True, 2, 5.0)
    assert options.overrides == {"mkl": "a.whl"}


def test_an_override_goes_before_the_setting_and_is_repeated(read: Read) -> None:
    options = read("-o", "perf_pretrained=false", "-o", "perf_tier=smoke", settings="perf_pretrained = true\n")
    assert (options.pretrained, options.tier) == (False, "smoke")
    assert options.arguments() == ["--perf-tier=smoke", "-o", "perf_pretrained=false"]


def test_an_override_that_empties_a_list_is_repeated(read: Read) -> None:
    settings = 'perf_model = ["resnet18_v1"]\nperf_build = ["mkl=a.whl"]\n'
    options = read("-o", "perf_model=", "-o", "perf_build=", settings=settings)
    assert (options.models, options.overrides) == ((), {})
    assert options.arguments() == ["-o", "perf_model=", "-o", "perf_build="]
    assert read(*options.arguments(), settings=settings) == options


def test_paths_in_a_setting_count_from_its_file(read: Read, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    options = read(settings='perf_weights = "weights"\nperf_cache = "kept"\n')
    assert (options.weights, options.cache) == (tmp_path / "weights", str(tmp_path / "kept"))
    assert read(settings='perf_cache = "~/kept"\n').cache == str(Path("~/kept").expanduser())


def test_the_variable_goes_before_the_setting_of_the_cache(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MXNET_PERF_CACHE", "/elsewhere")
    # None: the variable is read where the cache is opened.
    assert read(settings='perf_cache = "/kept"\n').cache is None
    assert read("--perf-cache=/here", settings='perf_cache = "/kept"\n').cache == "/here"


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("--perf-tier=quik", "write one of quick, nightly, smoke"),
        ("--perf-batch=0", "write a whole number from 1 to 999999999"),
        ("--perf-batch=1000000000", "write a whole number from 1 to 999999999"),
        ("--perf-batch=x", "write a whole number"),
        ("--perf-batch=+4", "write a whole number"),
        ("--perf-batch= 4", "write a whole number"),
        ("--perf-batch=1_0", "write a whole number"),
        ("--perf-batch=\uff14", "write a whole number"),
        ("--perf-seed=1_0", "write a whole number of at most 18 digits"),
        ("--perf-seed=--1", "write a whole number of at most 18 digits"),
        ("--perf-timeout=1_0", "write a number of seconds above 0"),
        ("--perf-timeout=1e999", "write a number of seconds above 0"),
        ("--perf-timeout=0", "write a number of seconds above 0"),
        ("--perf-timeout=nan", "write a number of seconds above 0"),
        ("--perf-timeout=soon", "write a number of seconds above 0"),
        ("--perf-rnn-shape=1,50,512", "write N,T,C,H, such as 16,100,256,512"),
        ("--perf-rnn-shape=1,50,0,512", "write N,T,C,H"),
        ("--perf-rnn-shape=1,50,512,\uff14", "write N,T,C,H"),
        ("--perf-inject=mkl-fp32", "write VARIANT=PERCENT, such as mkl-fp32=5"),
        ("--perf-inject=mkl-fp32=+5", "write VARIANT=PERCENT, such as mkl-fp32=5"),
        ("--perf-inject=mkl-fp32=five", "write VARIANT=PERCENT, such as mkl-fp32=5"),
        ("--perf-inject=mkl-fp32=1e9999999", "write VARIANT=PERCENT, such as mkl-fp32=5"),
        ("--perf-inject=mkl-fp32=1001", "write VARIANT=PERCENT, such as mkl-fp32=5, of at most 1000%"),
        ("--perf-mpi=/no/where", "there is no such folder"),
        ("--perf-weights=/no/where", "there is no such folder"),
        ("--perf-imagenet-rec=/no/where.rec", "this is not a file that can be read"),
        (f"--perf-train-rec={__file__}", f"there is no {__file__.removesuffix('.py')}.idx"),
        ("--perf-summary=/no/where/s.md", "there is no folder /no/where"),
        ("--perf-report=/no/where/r.html", "there is no folder /no/where"),
        ("--perf-summary=/usr", "this is a folder; write the name of a file"),
        ("--perf-summary=", "write a file in an existing folder"),
        ("--perf-weights=", "write a folder"),
        ("--perf-hosts=", "write a path"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_write(read: Read, argument: str, problem: str) -> None:
    with pytest.raises(pytest.UsageError) as caught:
        read(argument)
    assert str(caught.value).startswith(f"{argument}: {problem}")


def test_a_malformed_build_is_refused(read: Read) -> None:
    with pytest.raises(PerfError, match=r"^--perf-build=mkl: no requirement or wheel file is named"):
        read("--perf-build=mkl")
    with pytest.raises(PerfError, match=r"pyproject.toml: perf_build = mkl: no requirement or wheel file is named"):
        read(settings='perf_build = ["mkl"]\n')


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ('perf_tier = "quik"', " = quik: write one of quick, nightly, smoke"),
        ("perf_tier = 3", " = 3: write one of quick, nightly, smoke"),
        ("perf_ranks = 0", " = 0: write a whole number from 1 to 999999999"),
        ('perf_ranks = "many"', " = many: write a whole number from 1 to 999999999"),
        ('perf_strict = "yes"', " = yes: write true or false"),
        ("perf_batch = [1, true]", " = [1,true]: write a list of values in quotes, each a whole number from 1 to"),
        ('perf_batch = ["x"]', " = x: write a whole number"),
        ('perf_mpi = ""', " = : write a folder"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_with_its_file(read: Read, tmp_path: Path, setting: str, problem: str) -> None:
    with pytest.raises(pytest.UsageError) as caught:
        read(settings=f"{setting}\n")
    assert str(caught.value).startswith(f"{tmp_path / 'pyproject.toml'}: {setting.split(maxsplit=1)[0]}{problem}")


def test_a_value_is_named_as_it_was_written(read: Read, tmp_path: Path) -> None:
    options = read("--perf-cell=Nope", "--perf-cell=LSTM", settings='perf_model = ["resnet18_v1", "Nope"]\n')
    assert options.label("models", "nope") == f"{tmp_path / 'pyproject.toml'}: perf_model = Nope"
    assert options.cells == ("nope", "lstm")
    assert options.label("cells", "nope") == "--perf-cell=Nope"
    assert Options().label("models", "nope") == "--perf-model=nope"


def test_a_wrong_override_is_no_fault_of_the_file(read: Read) -> None:
    with pytest.raises(pytest.UsageError, match=r"^-o: perf_tier = x: write one of"):
        read("-o", "perf_tier=x")


def test_what_is_for_one_session_is_no_setting() -> None:
    flags = {option.flag for _, option, _ in declared(Options) if not option.setting}
    of_stored_runs = {"--perf-store-answers", "--perf-drop", "--perf-reason"}
    of_training = {"--perf-train-rec", "--perf-train-epochs"}
    of_sessions = {"--perf-resume", "--perf-rerun", "--perf-inject", "--perf-shard", "--perf-session"}
    assert flags == of_sessions | of_training | of_stored_runs


def test_text_that_is_not_utf_8_is_refused(read: Read) -> None:
    with pytest.raises(pytest.UsageError, match=r"^--perf-reason=\\udcff: this is not UTF-8"):
        read("--perf-reason=\udcff")


@pytest.mark.parametrize(("tier", "markers", "whole"), [
    ("quick", "", False), ("quick", "accuracy", True), ("nightly", "", True), ("smoke", "accuracy", False),
])  # fmt: skip
def test_all_checks_of_answers_run_by_night_or_on_request(tier: str, markers: str, whole: bool) -> None:
    assert Options(tier=tier, markers=markers).whole_accuracy == whole


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"strict": True, "advisory": True}, "--perf-strict fails cases that --perf-advisory lets pass"),
        ({"train_rec": Path("a")}, "--perf-train-rec needs images to hold out: add --perf-imagenet-rec"),
        ({"train_rec": Path("a"), "imagenet_rec": Path("b"), "batches": (1, 2)}, "--perf-train-rec trains with one"),
        ({"train_epochs": 3}, "--perf-train-epochs has no effect without --perf-train-rec"),
        ({"imagenet_rec": Path("b")}, "--perf-imagenet-rec needs trained networks: add --perf-weights"),
        ({"store_answers": True, "symbols": (("n", Path("a"), Path("b"), (3, 8, 8)),)}, "--perf-store-answers stores"),
    ],
)
def test_combinations_that_cannot_work_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(pytest.UsageError, match=f"^{message}"):
        check_combinations(Options(**fields))


def test_combinations_that_work() -> None:
    check_combinations(Options())
    check_combinations(Options(train_rec=Path("a"), imagenet_rec=Path("b"), batches=(64,), train_epochs=3))
    check_combinations(Options(imagenet_rec=Path("b"), pretrained=True))
    assert len(RULES) == 6, "each needs a line above"


def test_fields_that_are_no_options() -> None:
    fields = Options.__dataclass_fields__.keys() - {name for name, _, _ in declared(Options)}
    assert fields == {"markers", ON_COMMAND_LINE, LABELS}
