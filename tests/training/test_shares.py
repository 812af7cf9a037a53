"""Where the time of a run goes."""

import pytest

from jaxgan.training.shares import Shares


def test_shares_are_of_the_time_since_the_last_mark():
    now = [0.0]
    shares = Shares(lambda: now[0])

    def spend(name, seconds):
        with shares.of(name):
            now[0] += seconds

    spend("input", 1.0)
    spend("update", 3.0)
    assert shares.mark() == pytest.approx({"time/input": 0.25, "time/update": 0.75})
    spend("update", 1.0)
    now[0] += 1.0  # spent on nothing that has a name
    assert shares.mark() == pytest.approx({"time/update": 0.5})
    assert shares.total() == "Where the time went: update 67%, input 17%."
    spend("input", 6.0)
    assert "input 58%, update 33%. The devices waited for data" in shares.total()
