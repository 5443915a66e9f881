"""How the arrays of a primitive are laid out, in the words of any release of MKL-DNN. Pure.

Up to 0.21 a trace names a layout by what its dimensions mean ("fsrc:nChw8c"), from 1.0 on by their order
("src_f32::blocked:aBcd8b:f0"): "Understanding Memory Formats" in the documentation of oneDNN.
"""

import re
from collections.abc import Mapping

# The arrays that a primitive reads. Pooling once called its own `data`.
READ = {"src": "src", "data": "src", "wei": "weights"}
BY_MEANING = re.compile(r"(?<![\w-])f(src|data|wei):([A-Za-z0-9]+)(?:_s8s8)?(?![\w-])")
BY_ORDER = re.compile(r"(?<![\w-])(src|data|wei)_(?:f32|s32|s8|u8|bf16|f16):\w*:blocked:([A-Za-z0-9]+)")
# The dimensions of arrays and weights in their own order, with and without groups; a layout has one of these sets.
DIMENSIONS = ("x", "nc", "ncw", "nchw", "ncdhw", "oi", "oiw", "oihw", "oidhw", "goiw", "goihw", "goidhw")
LETTERS: Mapping[frozenset[str], str] = {frozenset(names): names for names in DIMENSIONS}


def layouts_of(description: str) -> str:
    """Return the layouts of what a primitive reads, such as "src aBcd8b, weights ABcd8b8a": the dimensions by their
    place in the array, from the outermost one, a capital where they are blocked. "" where the trace does not show them.
    """
    named = [(READ[role], by_order(layout)) for role, layout in BY_MEANING.findall(description)]
    named += [(READ[role], layout) for role, layout in BY_ORDER.findall(description)]
    return ", ".join(f"{role} {layout}" for role, layout in named)


def by_order(layout: str) -> str:
    """Return a layout that is named by the meaning of its dimensions by their order: "aBcd8b" for "nChw8c". A name that
    is none of an array or weights, such as "any", stays as it is.
    """
    letters = "".join(letter for letter in layout if letter.isalpha())
    order = LETTERS.get(frozenset(letters.lower()))
    if order is None:
        return layout
    places = {name: chr(ord("a") + place) for place, name in enumerate(order)}
    places |= {name.upper(): letter.upper() for name, letter in places.items()}
    return "".join(places.get(char, char) for char in layout)


def shape_of(description: str) -> str:
    """Return the shape of the problem that a primitive solves, as every release writes it: the last part."""
    return description.rpartition(",")[2]
