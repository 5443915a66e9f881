"""How values of options are written: the kinds of values, and the functions that read them.

A reader takes the text of an argument or a setting and raises ValueError with what is wrong and what to write instead.
"""

import math
import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from perf.runs.night.shards import MOST_SHARDS

# Digits of a size: nothing larger can be meant, and no product of such sizes overflows a float.
DIGITS = 9
# Digits of any other whole number: 64 bits hold them.
LONG_DIGITS = 18
A_COUNT = f"a whole number from 1 to {10**DIGITS - 1}"
A_WHOLE_NUMBER = f"a whole number of at most {LONG_DIGITS} digits"
# Python's own readers take more than anyone means: signs, spaces, underscores, and digits of other scripts.
DECIMAL = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?", re.IGNORECASE)
# The largest slowdown on purpose, as a fraction of a pass: ten times the work is seen on any machine.
MAX_INJECTED = 10.0
SHAPE_SIZES = 4
# What a name of a network may be: part of case names, folders and labels of programs.
NETWORK_NAME = re.compile(r"[a-z][a-z0-9_.]{0,60}", re.ASCII | re.IGNORECASE)
SYMBOL_FILES, IMAGE_SIZES = 2, 3
A_SYMBOL = (
    "NAME=SYMBOL.json,FILE.params,CxHxW, such as mynet=net-symbol.json,net-0000.params,3x224x224, with a name of "
    "letters, digits, dots and underscores, and paths without commas"
)
A_SHARD = f"NUMBER/SHARDS, such as 2/4, with a number from 1 to that of the shards, at most {MOST_SHARDS}"
NOT_UTF8 = "this is not UTF-8, and neither files nor messages of the suite can hold it; write it in UTF-8"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How the values of an option are written.

    metavar: what stands for a value in the help.
    expected: what to write, as a phrase after "write".
    parse: turns a text into a value; raises ValueError with what is wrong.
    write: turns a value into the text that `parse` takes.
    setting_type: the type of one value in a configuration file, as pytest names it.
    is_path: whether a relative value counts from the configuration file's folder when it stands there.
    """

    metavar: str
    expected: str
    parse: Callable[[str], Any]
    write: Callable[[Any], str] = str
    setting_type: Literal["string", "int", "float"] = "string"
    is_path: bool = False


def is_utf8(text: str) -> bool:
    """Return whether a text of the command line was written in UTF-8; Python turns other bytes into surrogates."""
    return text == text.encode(errors="ignore").decode()


def printable(text: str) -> str:
    """Return a text with an escape for what is not UTF-8."""
    return text.encode(errors="backslashreplace").decode()


def expanded(text: str) -> Path:
    """Return a path with `~` and `~USER` replaced. Raises ValueError when there is no such folder."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{text.partition('/')[0]} is not the home folder of a user") from error


def one_of(choices: Collection[str]) -> Kind:
    """Return the kind of a value that is one of these words."""
    expected = f"one of {', '.join(choices)}"

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"write {expected}")
        return text

    return Kind(metavar=f"{{{','.join(choices)}}}", expected=expected, parse=parse)


def _size(text: str) -> int:
    """A size; 0 for anything else."""
    return int(text) if re.fullmatch(f"[0-9]{{1,{DIGITS}}}", text) else 0


def _count(text: str) -> int:
    number = _size(text)
    if not number:
        raise ValueError(f"write {A_COUNT}")
    return number


def _whole_number(text: str) -> int:
    if not re.fullmatch(f"-?[0-9]{{1,{LONG_DIGITS}}}", text):
        raise ValueError(f"write {A_WHOLE_NUMBER}")
    return int(text)


def _seconds(text: str) -> float:
    number = float(text) if DECIMAL.fullmatch(text) else 0.0
    if not 0 < number < math.inf:
        raise ValueError("write a number of seconds above 0")
    return number


def _shape(text: str) -> tuple[int, ...]:
    sizes = tuple(map(_size, text.split(",")))
    if len(sizes) != SHAPE_SIZES or not all(sizes):
        raise ValueError(f"write N,T,C,H, such as 16,100,256,512, of at most {DIGITS} digits each")
    return sizes


def _symbol(text: str) -> tuple[str, Path, Path, tuple[int, ...]]:
    name, _, rest = text.partition("=")
    *files, shape = rest.split(",")
    sizes = tuple(map(_size, shape.split("x")))
    if not NETWORK_NAME.fullmatch(name) or len(files) != SYMBOL_FILES or not all(files):
        raise ValueError(f"write {A_SYMBOL}")
    if len(sizes) != IMAGE_SIZES or not all(sizes):
        raise ValueError("write the shape of an image as CxHxW (channels, height, width), such as 3x224x224")
    symbol, params = (expanded(file).resolve() for file in files)
    return name.lower(), symbol, params, sizes


def _symbol_text(value: tuple[str, Path, Path, tuple[int, ...]]) -> str:
    name, symbol, params, sizes = value
    return f"{name}={symbol},{params},{'x'.join(map(str, sizes))}"


def _shard(text: str) -> tuple[int, int]:
    number, of = map(_size, text.split("/")) if text.count("/") == 1 else (0, 0)
    if not 0 < number <= of <= MOST_SHARDS:
        raise ValueError(f"write {A_SHARD}")
    return number, of


def _injection(text: str) -> tuple[str, float]:
    variant, _, percent = text.partition("=")
    # Not divided as a float: `_injection_text` must find the same digits again.
    fraction = float(Decimal(percent) / 100) if DECIMAL.fullmatch(percent) else 0.0
    if not variant or not 0 < fraction <= MAX_INJECTED:
        raise ValueError(f"write VARIANT=PERCENT, such as mkl-fp32=5, of at most {MAX_INJECTED:.0%}")
    return variant, fraction


def _injection_text(pair: tuple[str, float]) -> str:
    variant, fraction = pair
    return f"{variant}={(100 * Decimal(repr(fraction))).normalize():f}"


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise ValueError("there is no such folder")
    return Path(text).resolve()


def _readable_file(text: str) -> Path:
    path = Path(text)
    if not (os.access(path, os.R_OK) and path.is_file()):
        raise ValueError("this is not a file that can be read")
    return path.resolve()


def _indexed_records(text: str) -> Path:
    path = _readable_file(text)
    if not path.with_suffix(".idx").is_file():
        raise ValueError(f"there is no {path.with_suffix('.idx')}; make it with MXNet's im2rec.py")
    return path


def _file_to_write(text: str) -> Path:
    if not Path(text).parent.is_dir():
        raise ValueError(f"there is no folder {Path(text).parent}")
    if Path(text).is_dir():
        raise ValueError("this is a folder; write the name of a file")
    return Path(text)


TEXT = Kind(metavar="TEXT", expected="a text", parse=str)
# In any capitals, as GluonCV takes names of networks.
NAME = Kind(metavar="NAME", expected="a name", parse=str.lower)
COUNT = Kind(metavar="N", expected=A_COUNT, parse=_count, setting_type="int")
WHOLE_NUMBER = Kind(metavar="N", expected=A_WHOLE_NUMBER, parse=_whole_number, setting_type="int")
SECONDS = Kind(
    metavar="SECONDS",
    expected="a number of seconds above 0",
    parse=_seconds,
    write=lambda seconds: repr(seconds).removesuffix(".0"),
    setting_type="float",
)
SHAPE = Kind(
    metavar="N,T,C,H",
    expected="N,T,C,H, such as 16,100,256,512",
    parse=_shape,
    write=lambda shape: ",".join(map(str, shape)),
)
SYMBOL = Kind(metavar="NAME=SYMBOL.json,FILE.params,CxHxW", expected=A_SYMBOL, parse=_symbol, write=_symbol_text)
SHARD = Kind(metavar="NUMBER/SHARDS", expected=A_SHARD, parse=_shard, write=lambda shard: "/".join(map(str, shard)))
ROLE = Kind(metavar="ROLE=WHEEL", expected="ROLE=WHEEL", parse=str, write="=".join)
INJECTION = Kind(
    metavar="VARIANT=PERCENT",
    expected="VARIANT=PERCENT, such as mkl-fp32=5",
    parse=_injection,
    write=_injection_text,
)
# Made when it is missing, so nothing is checked here.
CACHE = Kind(metavar="DIR", expected="a folder", parse=str, is_path=True)
FOLDER = Kind(metavar="DIR", expected="a folder", parse=_folder, is_path=True)
# Looked at when it is used: what is wrong with it depends on what is done with it.
PATH = Kind(metavar="PATH", expected="a path", parse=lambda text: Path(text).resolve(), is_path=True)
RECORDS = Kind(metavar="FILE.rec", expected="a record file", parse=_readable_file, is_path=True)
INDEXED_RECORDS = Kind(metavar="FILE.rec", expected="a record file", parse=_indexed_records, is_path=True)
NEW_FILE = Kind(metavar="FILE", expected="a file in an existing folder", parse=_file_to_write, is_path=True)
