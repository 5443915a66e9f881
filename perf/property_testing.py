"""Random checks with hypothesis that a seed reproduces, on any machine and in any session."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import HealthCheck, Phase, example, given, seed, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")

# Draw integers below this only. Hypothesis also tries larger constants that occur in the modules imported so far, and
# these depend on what else runs: a seed would not reproduce such a draw.
INTEGER_LIMIT = 100


def for_random(
    strategy: SearchStrategy[T], check: Callable[[T], None], *, first: str, count: int, examples: Sequence[T] = ()
) -> None:
    """Call `check` with each of `examples`, then with `count` random values that follow from the seed `first`.

    Raises what `check` raises for the simplest failing value that hypothesis finds, hypothesis.errors.Flaky when that
    value does not fail a second time.
    """
    test = given(strategy)(check)
    for value in examples:
        test = example(value)(test)
    configured = settings(
        # Failing values become explicit examples; a database would make two machines check different values.
        database=None,
        deadline=None,
        max_examples=count,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        print_blob=False,
        report_multiple_bugs=False,
        # They depend on how long a check takes, and thus on the machine.
        suppress_health_check=list(HealthCheck),
    )
    seed(first)(configured(test))()
