"""Markdown for the pages: tables, and the meanings of fields."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_type_hints

from msgspec import Meta

# What a page says of itself above everything else.
GENERATED = "<!-- Written by `uv run mxperf reference docs/reference`; change the code or data that it describes. -->"


def heading(title: str, *paragraphs: str) -> Iterator[str]:
    """Yield the lines of a page's beginning."""
    yield from (GENERATED, "", f"# {title}", "")
    for paragraph in paragraphs:
        yield from (paragraph, "")


def section(title: str, *paragraphs: str) -> Iterator[str]:
    """Yield the lines of a section's beginning."""
    yield from (f"## {title}", "")
    for paragraph in paragraphs:
        yield from (paragraph, "")


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table with these columns."""
    yield f"| {' | '.join(names)} |"
    yield f"| {' | '.join('---' for _ in names)} |"
    yield from (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    yield ""


def code(text: str) -> str:
    """Return a text as code."""
    return f"`{text}`"


def with_code(text: str) -> str:
    """Return a text with the options in it as code; what is code already stays as it is."""
    pattern = r"`[^`]*`|(?<!\w)--[a-z][\w-]*(=\w+(://\w+)?)?"
    return re.sub(pattern, lambda match: match[0] if match[0].startswith("`") else code(match[0]), text)


def sentence(text: str) -> str:
    """Return a phrase as a sentence, with the options in it as code."""
    return with_code(f"{text[:1].upper()}{text[1:]}.")


def meanings(kind: type[Any]) -> dict[str, str]:
    """Return the meaning of each field of a structure that has one, by the field's name."""
    hints = get_type_hints(kind, include_extras=True)
    metadata = {name: getattr(hint, "__metadata__", ()) for name, hint in hints.items()}
    return {
        name: mark.description
        for name, marks in metadata.items()
        for mark in marks
        if isinstance(mark, Meta) and mark.description
    }
