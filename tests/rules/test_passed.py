"""Which slots have passed, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sop.passed import MOST, Passed, read_passed

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def daily(last: datetime, following: datetime) -> bool:
    return following - last <= DAY


def after(*days: int) -> Passed:
    passed = Passed()
    for day in days:
        passed = passed.with_slot(START + day * DAY, daily)
    return passed


def test_slots_that_follow_each_other_are_one_stretch() -> None:
    assert after(0, 1, 2, 3).stretches == ((START, START + 3 * DAY),)


def test_days_a_clock_leapt_over_are_still_to_come_and_close_the_gap() -> None:
    leapt = after(0, 3)

    assert leapt.until(START + DAY) is None
    assert leapt.before(START + 2 * DAY) == START
    assert after(0, 3, 1, 2) == after(0, 1, 2, 3)


@given(st.lists(st.integers(0, 60), max_size=40))
def test_exactly_what_passed_has_passed_also_when_it_was_written_and_read(days: list[int]) -> None:
    passed = read_passed(after(*days).written())

    assert {day for day in range(61) if passed.until(START + day * DAY)} == set(days)


def test_what_is_kept_is_bounded_and_the_nearest() -> None:
    passed = after(*range(0, 2 * MOST + 100, 2))

    assert len(passed.stretches) == MOST
    assert passed.until(START + (2 * MOST + 98) * DAY)
