"""Wall time by stage, on a clock that the tests set."""

import pytest

from perf.measure import ledger as module
from perf.measure.ledger import Ledger


class Clock:
    """Stands in for `time`: shows `now` seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_stages_add_up_in_the_order_in_which_they_were_entered(clock: Clock) -> None:
    ledger = Ledger()
    for name, seconds in (("preparing", 1.0), ("warm-up", 2.0), ("preparing", 4.0)):
        with ledger.stage(name):
            clock.now += seconds
        clock.now += 50.0  # between stages: on no account
    assert list(ledger.seconds.items()) == [("preparing", 5.0), ("warm-up", 2.0)]
    assert ledger.parts == {}


def test_a_stage_that_raises_is_booked(clock: Clock) -> None:
    ledger = Ledger()

    def interrupted() -> None:
        clock.now += 3.0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), ledger.stage("warm-up"):
        interrupted()
    assert ledger.seconds == {"warm-up": 3.0}


def test_moved_seconds_are_counted_once(clock: Clock) -> None:
    ledger = Ledger()
    with ledger.stage("between passes"):
        clock.now += 10.0
        ledger.move("between passes", "counted passes", 4.0)
        ledger.move("between passes", "counted passes", 3.0)
    assert ledger.seconds == {"between passes": 3.0, "counted passes": 7.0}
    assert sum(ledger.seconds.values()) == 10.0


def test_a_part_is_not_a_stage(clock: Clock) -> None:
    ledger = Ledger()
    for _ in range(2):
        with ledger.within("confirmations"), ledger.stage("warm-up"):
            clock.now += 2.0
    assert ledger.seconds == {"warm-up": 4.0}
    assert ledger.parts == {"confirmations": 4.0}
