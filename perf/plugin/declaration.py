"""How an option is declared: everything about it stands in one entry, from which all else is derived.

`option` makes a field of a dataclass (`perf.plugin.options.Options`) an option. From the fields follow pytest's parser,
the settings of a configuration file, the values of a session, the command that repeats them, and the reference page.
"""

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import pytest

from perf.errors import PerfError
from perf.plugin.values import NOT_UTF8, Kind, expanded, is_utf8, printable

# Characters of a wrong value that a message quotes: enough to recognise it.
QUOTED = 60
# Where a field keeps its declaration.
_METADATA = "option"
# The field of the options that holds the names of those that the command line sets.
ON_COMMAND_LINE = "on_command_line"
# The field of the options that holds how messages name each value that the user wrote.
LABELS = "labels"

OptionsT = TypeVar("OptionsT")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of the command line.

    flag: how it is written, such as "--perf-tier".
    heading: what this option and those after it stand under in the reference page; None for the heading before it.
    help: what it does, in the form of `pytest --help`: lower case, units named, without the default.
    kind: how its value is written and read; None for a switch.
    metavar: what stands for the value in the help; the kind's own unless it says more.
    default_text: what applies without the option, where its default value alone does not say so.
    repeatable: whether it may stand several times; `gather` then makes one value of all.
    setting: whether a project may set it in its configuration file.
    variable: the environment variable that takes precedence over the setting.
    repeat: whether the command that reproduces a case must repeat it.
    same: whether a session can be resumed only with an equal value.
    """

    flag: str
    help: str
    heading: str | None = None
    kind: Kind | None = None
    metavar: str | None = None
    default_text: str | None = None
    repeatable: bool = False
    gather: Callable[[Iterable[Any]], Any] = lambda values: tuple(dict.fromkeys(values))
    setting: bool = True
    variable: str | None = None
    repeat: bool = True
    same: bool = True

    @property
    def name(self) -> str:
        """The name of its setting, which is argparse's too, such as "perf_tier"."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def value_name(self) -> str | None:
        """What stands for the value in the help; None for a switch."""
        return self.metavar or self.kind.metavar if self.kind else None

    @property
    def setting_type(self) -> Literal["string", "int", "float", "bool", "linelist"]:
        """The type of its setting, as pytest names it."""
        if self.repeatable:
            return "linelist"
        return self.kind.setting_type if self.kind else "bool"

    def texts(self, value: Any) -> list[str]:
        """Return how a value is written, one text for each time that the option stands; none when it is not set."""
        if self.kind is None or value is None:
            return []
        values = value.items() if isinstance(value, Mapping) else value if self.repeatable else [value]
        return [self.kind.write(one) for one in values]

    def arguments(self, value: Any) -> list[str]:
        """Return the arguments of the command line that set a value."""
        if self.kind is None:
            return [self.flag] if value else ["-o", f"{self.name}=false"]
        if self.repeatable and not value:  # an override has emptied the list
            return ["-o", f"{self.name}="]
        return [f"{self.flag}={text}" for text in self.texts(value)]

    def shown(self, value: Any) -> str:
        """Return a value as text."""
        if self.kind is None:
            return "on" if value else "off"
        return ", ".join(self.texts(value)) or "not set"

    def shown_default(self, default: Any) -> str | None:
        """Return what applies without the option; None when nothing needs to be said."""
        return self.default_text or ", ".join(self.texts(default)) or None


def option(flag: str, *, default: Any = None, **facts: Any) -> Any:
    """Return a dataclass field that is an option; `facts` are the fields of `Option`."""
    metadata = {_METADATA: Option(flag=flag, **facts)}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def several(flag: str, *, default: Any = (), **facts: Any) -> Any:
    """Return a dataclass field that is an option which may be repeated."""
    return option(flag, default=default, repeatable=True, **facts)


def switch(flag: str, **facts: Any) -> Any:
    """Return a dataclass field that is an option without a value, off by default."""
    return option(flag, default=False, **facts)


def declared(options: type[Any]) -> Iterator[tuple[str, Option, Any]]:
    """Yield each option of a dataclass with its field's name and default."""
    for field in dataclasses.fields(options):
        if _METADATA in field.metadata:
            factory = field.default_factory
            default = field.default if factory is dataclasses.MISSING else factory()
            yield field.name, field.metadata[_METADATA], default


def add_options(parser: pytest.Parser, options: type[Any]) -> None:
    """Declare all options to pytest, and the settings of those that a configuration file may hold."""
    group = parser.getgroup("perf", "MXNet performance suite")
    for _, option, default in declared(options):
        shown = option.shown_default(default)
        text = option.help + ("; may be repeated" if option.repeatable else "") + (f" (default: {shown})" * bool(shown))
        if option.kind is None:
            group.addoption(option.flag, action="store_true", default=None, help=text)
        else:
            action = "append" if option.repeatable else "store"
            group.addoption(option.flag, action=action, default=None, metavar=option.value_name, help=text)
        if option.setting:
            parser.addini(option.name, f"{option.help} ({option.flag})", type=option.setting_type, default=None)


def read_options(config: pytest.Config, options: type[OptionsT], **more: Any) -> OptionsT:
    """Return the options of a session: from the command line, else from the configuration file, else the defaults.

    `more` are fields that are no options. Raises UsageError, naming the option or the file and its setting, for a value
    that cannot be used, PerfError for values that cannot be used together.
    """
    overrides = {override.partition("=")[0] for override in config.getoption("override_ini") or ()}
    values: dict[str, Any] = {}
    labels: dict[tuple[str, Any], str] = {}
    on_command_line = set()
    for name, option, _ in declared(options):
        if config.getoption(option.name) is not None or option.name in overrides:
            on_command_line.add(name)
        label, folder, written = _written(config, option, overridden=option.name in overrides)
        if written is None:
            continue
        if option.kind is None:
            values[name] = bool(written)
            continue
        texts = written if option.repeatable else [str(written)]
        parts = [_parsed(option.kind, text, label, folder) for text in texts]
        labels |= {(name, part): _quoted(label, text) for part, text in zip(parts, texts, strict=True)}
        try:
            values[name] = option.gather(parts) if option.repeatable else parts[0]
        except PerfError as error:
            raise PerfError(error.what, subject=_quoted(label, ", ".join(texts)), next_step=error.next_step) from error
    return options(**values, **{ON_COMMAND_LINE: frozenset(on_command_line), LABELS: labels}, **more)


def _written(config: pytest.Config, option: Option, *, overridden: bool) -> tuple[str, Path, Any]:
    """What precedes a value in messages, the folder from which relative paths count, and what the user wrote; None for
    nothing.
    """
    argument = config.getoption(option.name)
    if argument is not None:
        return f"{option.flag}=", Path(), argument
    source = "-o" if overridden else config.inipath
    label = f"{source}: {option.name} = "
    return label, source.parent if isinstance(source, Path) else Path(), _setting(config, option, label)


def _setting(config: pytest.Config, option: Option, label: str) -> Any:
    """The setting in the configuration file; None when there is none, or an environment variable takes precedence."""
    if not option.setting or (option.variable and os.environ.get(option.variable)):
        return None
    try:
        return config.getini(option.name)
    except (pytest.UsageError, TypeError, ValueError) as error:
        expected = option.kind.expected if option.kind else "true or false"
        expected = f"a list of values in quotes, each {expected}" if option.repeatable else expected
        value = config._inicfg[option.name].value  # noqa: SLF001 - pytest has no public way to a value of a wrong type
        raise pytest.UsageError(f"{_quoted(label, _spelled(value))}: write {expected}") from error


def _parsed(kind: Kind, text: str, label: str, folder: Path) -> Any:
    """The value of what a user wrote; `label` precedes it in messages, and relative paths count from `folder`."""
    if not is_utf8(text):
        raise pytest.UsageError(f"{_quoted(label, text)}: {NOT_UTF8}")
    try:
        return kind.parse(_path(kind, text, folder) if kind.is_path else text)
    except (ValueError, OSError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise pytest.UsageError(f"{_quoted(label, text)}: {reason}") from error


def _quoted(label: str, text: str) -> str:
    """How a message names what a user wrote."""
    return label + " ".join(printable(text[:QUOTED]).splitlines()) + "..." * (len(text) > QUOTED)


def _spelled(value: Any) -> str:
    """How a value of a configuration file is written there, as nearly as JSON is TOML."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _path(kind: Kind, text: str, folder: Path) -> str:
    if not text:  # a Path would take it for the current folder
        raise ValueError(f"write {kind.expected}")
    return str(folder / expanded(text))
