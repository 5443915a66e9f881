"""The page of the command mxperf, from the functions of its subcommands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import Parameter, cleandoc, signature
from typing import Any, get_type_hints

from typer.models import ArgumentInfo, ParameterInfo

from perf.cli.pages.markdown import code, heading, section, table, with_code


def commands_page(
    subcommands: Sequence[Callable[..., None]], groups: Mapping[str, Sequence[Callable[..., None]]]
) -> Iterator[str]:
    """Yield the lines of the page: a section for each subcommand, those of `groups` after the rest."""
    yield from heading(
        "mxperf",
        "`uv run mxperf SUBCOMMAND` works with machines and stored runs; only `bisect`, `census` and `releases` "
        "measure. Every "
        "subcommand also ends with exit code 2 when its arguments cannot be parsed, with 70 and a traceback for its "
        "own defects, and with 141 when nobody reads its output any more.",
    )
    named = [(subcommand.__name__.replace("_", "-"), subcommand) for subcommand in subcommands]
    named += [(f"{group} {member.__name__}", member) for group, members in groups.items() for member in members]
    for name, subcommand in named:
        parameters = _parameters(subcommand)
        yield from section(f"mxperf {name}", code(_usage(name, parameters)))
        for paragraph in cleandoc(subcommand.__doc__ or "").split("\n\n"):
            yield from (paragraph.replace("\n", " "), "")
        yield from table(["Argument", "Default", "Meaning"], [_row(*parameter) for parameter in parameters])


def _parameters(subcommand: Callable[..., None]) -> list[tuple[Parameter, ParameterInfo]]:
    """The parameters of a subcommand, each with its declaration to typer."""
    hints = get_type_hints(subcommand, include_extras=True)
    marked = [
        (parameter, mark)
        for name, parameter in signature(subcommand).parameters.items()
        for mark in getattr(hints[name], "__metadata__", ())
    ]
    return [(parameter, mark) for parameter, mark in marked if isinstance(mark, ParameterInfo)]


def _usage(name: str, parameters: Sequence[tuple[Parameter, ParameterInfo]]) -> str:
    arguments = [(parameter, mark) for parameter, mark in parameters if isinstance(mark, ArgumentInfo)]
    shown = [_written(*one) if one[0].default is Parameter.empty else f"[{_written(*one)}]" for one in arguments]
    return " ".join(["uv run mxperf", name, *["[OPTIONS]"] * (len(arguments) < len(parameters)), *shown])


def _written(parameter: Parameter, mark: ParameterInfo) -> str:
    if isinstance(mark, ArgumentInfo):
        return parameter.name.upper()
    # In an annotation typer keeps the first name of an option as its default.
    names = [name for name in (mark.default, *(mark.param_decls or ())) if isinstance(name, str)]
    return names[0] if names else f"--{parameter.name.replace('_', '-')}"


def _row(parameter: Parameter, mark: ParameterInfo) -> list[str]:
    # A text describes a default that depends on the other arguments.
    default: Any = mark.show_default if isinstance(mark.show_default, str) else parameter.default
    shown = "-" if default in {Parameter.empty, None, "", False} else str(default)
    return [code(_written(parameter, mark)), shown, with_code(mark.help or "")]
