"""Random networks, a strategy for each mode."""

from hypothesis import strategies as st

from perf.property_testing import INTEGER_LIMIT
from perf.rnn.example import CHANGES, Example
from perf.rnn.shapes import catalogue


@st.composite
def networks(draw: st.DrawFn, mode: str) -> Example:
    """Of a mode. Half have an input as wide as the hidden state: a known defect may cover many of the others."""

    def upto(largest: int) -> int:
        return draw(st.integers(1, largest))

    largest = catalogue().largest
    hidden = upto(largest.hidden)
    return Example(
        mode=mode,
        inputs=hidden if draw(st.booleans()) else upto(largest.inputs),
        hidden=hidden,
        layers=upto(largest.layers),
        directions=upto(2),
        batch=upto(largest.batch),
        steps=upto(largest.steps),
        states=draw(st.booleans()),
        change=draw(st.sampled_from(CHANGES)),
        seed=draw(st.integers(0, INTEGER_LIMIT - 1)),
    )
