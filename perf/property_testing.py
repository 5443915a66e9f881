"""Random checks by hypothesis that a seed repeats, on any machine and in any session."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import HealthCheck, Phase, example, given, seed, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")

# Hypothesis also tries numbers that it finds in the modules imported so far, unless they are smaller than this. Which
# modules these are depends on what else is run: what draws larger integers, a seed does not repeat.
LIMIT = 100


def for_random(
    strategy: SearchStrategy[T], check: Callable[[T], None], *, first: str, count: int, examples: Sequence[T] = ()
) -> None:
    """Let `check` see the examples, and then `count` random ones, chosen from the seed `first`.

    What it raises is raised again for the simplest one that hypothesis finds; hypothesis.errors.Flaky when the same one
    does not make it raise a second time.
    """
    asked = given(strategy)(check)
    for kept in examples:
        asked = example(kept)(asked)
    chosen = settings(
        # What fails is kept by hand, in the open; a database would make two machines check different things.
        database=None,
        deadline=None,
        max_examples=count,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        print_blob=False,
        report_multiple_bugs=False,
        # They look at the time it takes: the machine decides that.
        suppress_health_check=list(HealthCheck),
    )
    seed(first)(chosen(asked))()
