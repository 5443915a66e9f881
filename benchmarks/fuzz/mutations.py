"""Changes of a file's content that know its form: values of JSON and TOML, lines, numbers in texts, fields of binaries.

A change is six integers below 100 (perf.property_testing says why), which hypothesis draws and shrinks.
"""

import copy
import json
import re
import tomllib
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz.reader import Form
from perf.property_testing import INTEGER_LIMIT

Change = tuple[int, int, int, int, int, int]
Changes = list[Change]
_DIGIT = st.integers(0, INTEGER_LIMIT - 1)
# Which seed, and what happens to it: more changes at once would only be refused earlier.
INPUTS = st.tuples(_DIGIT, st.lists(st.tuples(*[_DIGIT] * 6), min_size=1, max_size=3))

# Values in place of any other.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 2**64, 10**30, 10**400, 0.0, -0.0, 1e-320, 1e-9, 1e308,
    -1e308, 0.5, float("nan"), float("inf"), float("-inf"), "", " ", "0", "-1", "nan", "x" * 3000, "\0", "\n",
    "\u202e", "\ud800", "\ufeff", "[/x]", "<script>", "../../etc/passwd", "/dev/zero", "a\tb", "{}", "%s%n", "1e999",
    [], {}, [[]], [None], [0], {"": None}, {"a": {"a": {}}}, "2026-13-45T99:99:99",
    "9999-12-31T23:59:59.999999+00:00", "0-99999999999",
)  # fmt: skip
# Pieces put into bytes.
PIECES = (
    b"", b"\xff", b"\0", b"[" * 5000, b'{"a":' * 3000, b"{", b"}", b'"', b"\n", b"\r", b"\r\n", b"-1e999", b"null",
    b"= ", b"x", b"\xef\xbb\xbf", b"1" * 10_000, b",", b":", b" ", b"\t", b"#", b"\\", b"\xed\xa0\x80", b"-", b"0",
    b"\xf4\x90",
)  # fmt: skip
# Words in place of a word or a number of a text.
TEXTS = (
    "", "0", "-1", "1", "4294967295", "18446744073709551615", "1" * 25, "9" * 5000, "\u0663", "max", "nan", "inf",
    "1e308", "0-999999999999", "5-1", "0-3,", "x", "\0", "\ufeff", "[", "]", "..", "/", "/proc/self/mem",
    "n[0-99999,0-99999]", ":",
)  # fmt: skip
# Fields in place of four or eight bytes of a binary.
FIELDS = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, 0x7F, 0x112, 0xCED7230A, 0xF993FAC9)
_TOKEN = re.compile(rb"[0-9]+|[A-Za-z_]+|\s+|.", re.DOTALL)


def mutated(content: bytes, form: Form, changes: Changes) -> bytes:
    """Return a content with these changes, one after the other."""
    for change in changes:
        content = _changed(content, form, change)
    return content


def _changed(content: bytes, form: Form, change: Change) -> bytes:
    by_form: dict[Form, Callable[[bytes, Change], bytes]] = {
        "json": _json, "lines": _lines, "toml": _toml, "text": _text, "binary": _binary,
    }  # fmt: skip
    # One change in four knows nothing of the form.
    if change[0] % 4 == 3:
        return _bytes(content, change)
    try:
        return by_form[form](content, change)
    except (ValueError, OverflowError, RecursionError):  # an earlier change left no such form, or a number beyond any
        return _bytes(content, change)


def _place(change: Change, places: int) -> int:
    """Return one of `places`: the first for zeros."""
    _, *_, a, b, c = change
    return (a * 10_000 + b * 100 + c) * places // 1_000_000


def _bytes(content: bytes, change: Change) -> bytes:
    """Put in a piece; lose, repeat or flip bytes; or cut off the rest."""
    start, length = _place(change, len(content) + 1), change[2]
    rest = content[start:]
    match change[1] % 5:
        case 0:
            rest = PIECES[change[2] % len(PIECES)] + rest
        case 1:
            rest = rest[length:]
        case 2:
            rest = rest[:length] + rest
        case 3:
            rest = bytes([rest[0] ^ (1 << length % 8)]) + rest[1:] if rest else b"\0"
        case _:
            rest = b""
    return content[:start] + rest


def _nodes(value: Any, depth: int = 0) -> list[tuple[Any, Any]]:
    """Return all places of values in a document, as container and key."""
    items: list[tuple[Any, Any]] = []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        items.append((value, key))
        items += _nodes(inner, depth + 1)
    return items


def _tree(document: Any, change: Change) -> Any:
    """Return a document with one value replaced, removed, renamed, repeated, exchanged or scaled."""
    nodes = _nodes(document)
    if not nodes:
        return VALUES[change[2] % len(VALUES)]
    container, key = nodes[_place(change, len(nodes))]
    other, other_key = nodes[change[2] * len(nodes) // INTEGER_LIMIT]
    match change[1] % 8:
        case 0 | 1 | 2:
            container[key] = VALUES[change[2] % len(VALUES)]
        case 3:
            del container[key]
        case 4 if isinstance(container, dict):
            container[str(VALUES[change[2] % len(VALUES)])] = container.pop(key)
        case 4:
            container.insert(key, copy.deepcopy(container[key]))
        case 5:
            container[key] = copy.deepcopy(other[other_key])
        case _:
            container[key] = _scaled(container[key], change[2])
    return document


def _scaled(value: Any, how: int) -> Any:
    """Return a number times a factor, plus one or with the other sign; another value as a text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value, default=str)[: how + 1]
    exponents = (0, 1, 3, 6, 9, 12, 15, 18, 30, 100, 300)
    power = exponents[how % len(exponents)]
    match how % 4:
        case 0:
            return -value
        case 1:
            return value + 1
        case 2:
            return value * 10**power if isinstance(value, int) else value * 10.0**power
        case _:
            return value / 10.0**power


def _json(content: bytes, change: Change) -> bytes:
    return json.dumps(_tree(json.loads(content), change)).encode()


def _lines(content: bytes, change: Change) -> bytes:
    """Change the JSON of a line; or lose, repeat, exchange or cut lines."""
    lines = content.split(b"\n")
    place = _place((*change[:3], change[2], change[4], change[5]), len(lines))
    match change[1] % 10:
        case 0:
            del lines[place]
        case 1:
            lines.insert(place, lines[change[3] * len(lines) // INTEGER_LIMIT])
        case 2:
            lines[place] = lines[place][: change[3]]
        case 3:
            lines.reverse()
        case _:
            lines[place] = _json(lines[place], change)
    return b"\n".join(lines)


def _toml(content: bytes, change: Change) -> bytes:
    return _as_toml(_tree(tomllib.loads(content.decode()), change)).encode(errors="surrogatepass")


def _as_toml(document: Any) -> str:
    """Return TOML, with everything below the top level inline."""
    if not isinstance(document, dict):
        return _inline(document)
    return "".join(f"{json.dumps(key)} = {_inline(value)}\n" for key, value in document.items())


def _inline(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)} = {_inline(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_inline, value)) + "]"
        case datetime() | date() | time():
            return value.isoformat()
        case float():
            return repr(value)
        case _:
            return json.dumps(value)


def _text(content: bytes, change: Change) -> bytes:
    """Replace, lose, repeat or exchange a word or a line."""
    parts: list[bytes] = _TOKEN.findall(content) if change[1] % 8 < 5 else content.splitlines(keepends=True)
    if not parts:
        return TEXTS[change[2] % len(TEXTS)].encode()
    place, other = _place(change, len(parts)), change[2] * len(parts) // INTEGER_LIMIT
    match change[1] % 8:
        case 0 | 1 | 2 | 5:
            parts[place] = TEXTS[change[2] % len(TEXTS)].encode()
        case 3 | 6:
            del parts[place]
        case _:
            parts.insert(place, parts[other])
    return b"".join(parts)


def _binary(content: bytes, change: Change) -> bytes:
    """Overwrite a field of 1, 2, 4 or 8 bytes, aligned or not."""
    width = (1, 2, 4, 8)[change[1] % 4]
    start = _place(change, len(content) + 1)
    if change[1] % 8 >= 4:
        start -= start % width
    field = (FIELDS[change[2] % len(FIELDS)] % (1 << 8 * width)).to_bytes(width, "little")
    return content[:start] + field + content[start + width :]


def seed_number(drawn: int, seeds: Sequence[object]) -> int:
    """Return which of the seeds a drawn integer means."""
    return drawn % len(seeds)
