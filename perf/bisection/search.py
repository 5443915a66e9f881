"""Which wheel to compare next, and what the answers so far say. Pure: no I/O.

Wheels are numbered from 0 in their order. Number 0 is the first wheel, which all later ones are compared with, so it is
never slower. The search is that of `git bisect` with its `skip`: it narrows the wheels between one that is not slower
and a later one that is, and takes no answer from a wheel that stayed undecided.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# Whether a wheel is slower than the first one.
Answer = Literal["slower", "not slower", "undecided"]


@dataclass(frozen=True)
class Bracket:
    """The wheels between which the change lies: `low` is not slower than the first wheel, and `high`, a later one, is.
    No wheel between the two was decided; there is none when the change is located.
    """

    low: int
    high: int

    @property
    def located(self) -> bool:
        """Whether `high` is the first slower wheel."""
        return self.high == self.low + 1


def bracket_of(count: int, answers: Mapping[int, Answer]) -> Bracket | None:
    """Return the bracket that the answers on some of `count` wheels leave; None unless the last one is slower."""
    if answers.get(count - 1) != "slower":
        return None
    high = min(wheel for wheel, answer in answers.items() if answer == "slower")
    low = max((wheel for wheel, answer in answers.items() if answer == "not slower" and wheel < high), default=0)
    return Bracket(low, high)


def next_wheel(count: int, answers: Mapping[int, Answer]) -> int | None:
    """Return the wheel to compare next, one of `count`; None when there is nothing left to compare.

    The last wheel comes first: unless it is slower, there is nothing to search for. Then comes the middle one of those
    in the bracket that have no answer, so at most ceil(log2(`count` - 1)) + 1 wheels get a decisive answer.
    """
    if count - 1 not in answers:
        return count - 1
    bracket = bracket_of(count, answers)
    if bracket is None:
        return None
    left = [wheel for wheel in range(bracket.low + 1, bracket.high) if wheel not in answers]
    return left[len(left) // 2] if left else None
