"""Random networks, with a strategy for each mode."""

from hypothesis import strategies as st

from perf.property_testing import INTEGER_LIMIT
from perf.rnn.example import CHANGES, Example
from perf.rnn.shapes import catalogue


@st.composite
def networks(draw: st.DrawFn, mode: str) -> Example:
    """Return a random network of a mode.

    In half of the networks the input is as wide as the hidden state, because a known defect affects many other
    networks.
    """

    def up_to(largest: int) -> int:
        return draw(st.integers(1, largest))

    largest = catalogue().largest
    hidden = up_to(largest.hidden)
    return Example(
        mode=mode,
        inputs=hidden if draw(st.booleans()) else up_to(largest.inputs),
        hidden=hidden,
        layers=up_to(largest.layers),
        directions=up_to(2),
        batch=up_to(largest.batch),
        steps=up_to(largest.steps),
        states=draw(st.booleans()),
        change=draw(st.sampled_from(CHANGES)),
        seed=draw(st.integers(0, INTEGER_LIMIT - 1)),
    )
