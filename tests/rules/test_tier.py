"""Who moves up, who moves down, and who is left in peace."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from sop.tier import (
    FirstDays,
    Habit,
    Move,
    Stay,
    Tier,
    Undecided,
    best,
    earned,
    judge_first_days,
    judge_first_week,
    review,
)

TODAY = date(2026, 3, 29)
NOW = datetime(2026, 3, 29, 4, 20, tzinfo=UTC)
YEAR_AGO = TODAY - timedelta(days=365)
LONG_SETTLED = NOW - timedelta(days=100)


def habit(*ages: int, first_seen: date = YEAR_AGO) -> Habit:
    return Habit.of([TODAY - timedelta(days=age) for age in ages], first_seen, TODAY)


@pytest.mark.parametrize(
    ("delivered", "done", "moves"), [(3, 1, True), (3, 0, False), (4, 1, False), (10, 3, True)]
)
def test_thirty_percent_of_the_tasks_of_the_first_days_promote(
    delivered: int, done: int, moves: bool
) -> None:
    verdict = judge_first_days(FirstDays(delivered=delivered, done=done, returned=0))

    assert isinstance(verdict, Move) is moves
    assert f"{delivered} 个任务完成了 {done} 个" in verdict.reason


@pytest.mark.parametrize("delivered", [1, 2])
def test_one_or_two_tasks_are_too_few_to_say(delivered: int) -> None:
    assert isinstance(judge_first_days(FirstDays(delivered=delivered, done=delivered, returned=3)), Undecided)


def test_without_any_task_coming_back_counts() -> None:
    assert isinstance(judge_first_days(FirstDays(delivered=0, done=0, returned=1)), Move)
    assert isinstance(judge_first_days(FirstDays(delivered=0, done=0, returned=0)), Stay)


def test_the_second_look_wants_two_days_of_taking_part() -> None:
    assert isinstance(judge_first_week(FirstDays(delivered=0, done=0, returned=2)), Move)
    assert isinstance(judge_first_week(FirstDays(delivered=0, done=0, returned=1)), Stay)


def test_who_had_too_few_tasks_in_three_days_is_judged_by_those_of_the_week() -> None:
    assert isinstance(judge_first_week(FirstDays(delivered=3, done=1, returned=1)), Move)
    assert isinstance(judge_first_week(FirstDays(delivered=7, done=1, returned=1)), Stay)


def test_a_habit_counts_whole_days_before_today() -> None:
    found = habit(0, 1, 28, 29, 56, 57)

    assert (found.active_days, found.before, found.last_active) == (2, True, TODAY - timedelta(days=1))


@pytest.mark.parametrize(
    ("ages", "tier"),
    [
        ((1, 2, 3, 4), Tier.CORE),
        ((14, 16, 18, 20), Tier.CORE),
        ((15, 16, 18, 20), Tier.POTENTIAL),
        ((1, 2), Tier.POTENTIAL),
        ((1, 40), Tier.POTENTIAL),
        ((1,), Tier.NEW),
        ((), Tier.NEW),
    ],
)
def test_what_a_habit_earns(ages: tuple[int, ...], tier: Tier) -> None:
    assert earned(habit(*ages), TODAY) is tier


def test_nobody_new_is_core() -> None:
    assert earned(habit(1, 2, 3, 4, first_seen=TODAY - timedelta(days=27)), TODAY) is Tier.POTENTIAL


def test_of_several_groups_the_best_decides() -> None:
    assert best([habit(1), habit(1, 2, 3, 4), habit(1, 2)], TODAY) == habit(1, 2, 3, 4)
    assert best([], TODAY) is None


def test_an_earlier_month_keeps_a_tier_but_earns_none() -> None:
    assert isinstance(review(Tier.NEW, habit(40), TODAY, NOW, LONG_SETTLED), Stay)
    assert isinstance(review(Tier.POTENTIAL, habit(40), TODAY, NOW, LONG_SETTLED), Stay)


def test_core_is_left_only_below_two_days() -> None:
    assert isinstance(review(Tier.CORE, habit(1, 2), TODAY, NOW, LONG_SETTLED), Stay)
    assert review(Tier.CORE, habit(1), TODAY, NOW, LONG_SETTLED) == Move(
        Tier.POTENTIAL, "最近 28 天只有 1 天参与，从核心用户降为潜力用户"
    )


def test_nobody_moves_down_within_a_fortnight_of_moving_up() -> None:
    risen = NOW - timedelta(days=13)

    assert isinstance(review(Tier.CORE, habit(), TODAY, NOW, risen), Stay)
    assert isinstance(review(Tier.POTENTIAL, habit(), TODAY, NOW, risen), Stay)


def test_who_stays_away_for_eight_weeks_starts_anew() -> None:
    verdict = review(Tier.POTENTIAL, habit(), TODAY, NOW, LONG_SETTLED)

    assert isinstance(verdict, Move)
    assert verdict.to is Tier.NEW


@pytest.mark.parametrize("tier", list(Tier))
@pytest.mark.parametrize("ages", [(), (1,), (1, 2), (1, 40), (1, 2, 3, 4), (20, 21, 22, 23)])
def test_a_reviewed_member_stays_put_when_reviewed_again(tier: Tier, ages: tuple[int, ...]) -> None:
    verdict = review(tier, habit(*ages), TODAY, NOW, LONG_SETTLED)
    if isinstance(verdict, Move):
        assert isinstance(review(verdict.to, habit(*ages), TODAY, NOW, NOW), Stay)
