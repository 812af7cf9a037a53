"""The scheduler: what is due, and how steps are cut into calls."""

import pytest

from jaxgan.training.phases import Phase, due_phases, next_segment

PHASES = (Phase("d", "discriminator", None),
          Phase("d_r1", "discriminator", None, every=4),
          Phase("g", "generator", None))


def calls(phases, start, end, stops, limit):
    """The segments of a run from `start` to `end`, as (first step, due, count)."""
    made = []
    while start < end:
        segment = next_segment(phases, start, stops, min(limit, end - start))
        made.append((start, *segment))
        start += segment.count
    return made


def test_due_phases_follow_their_interval():
    due = [due_phases(PHASES, step) for step in range(5)]
    assert due == [("d", "d_r1", "g"), ("d", "g"), ("d", "g"), ("d", "g"), ("d", "d_r1", "g")]


def test_every_step_runs_once_with_its_own_due_set():
    for limit in (1, 2, 3, 8):
        covered = [(first + i, due) for first, due, count in calls(PHASES, 0, 50, (7, 0), limit) for i in range(count)]
        assert covered == [(step, due_phases(PHASES, step)) for step in range(50)]


def test_steps_are_fused_when_nothing_is_in_between():
    phases = (PHASES[0], PHASES[2])
    assert [count for *_, count in calls(phases, 0, 40, (20,), 10)] == [10] * 4


def test_no_call_crosses_a_stop():
    for first, _, count in calls(PHASES[:1], 0, 100, (6, 10), 4):
        assert not any(at % 6 == 0 or at % 10 == 0 for at in range(first + 1, first + count))


def test_only_two_lengths_occur():
    lengths = {(due, count) for _, due, count in calls(PHASES, 0, 400, (50, 70), 3)}
    assert {count for _, count in lengths} == {1, 3}


@pytest.mark.parametrize("limit", [2, 5])
def test_a_resumed_run_makes_the_same_calls(limit):
    whole = calls(PHASES, 0, 120, (10,), limit)
    for index in (3, 11, 17):
        first = whole[index][0]
        assert calls(PHASES, first, 120, (10,), limit) == whole[index:]
