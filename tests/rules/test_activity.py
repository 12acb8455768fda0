"""What counts as taking part, and what a group's days add up to."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop.activity import (
    ANSWERED,
    ANSWERED_LATE,
    KEPT_HASHES,
    KINDS,
    PARTICIPATION,
    UNANSWERED,
    Activity,
    MemberDay,
    hash_of,
    local_day,
    roll_up,
    short_key,
)

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SHANGHAI = "Asia/Shanghai"


def said(minute: float, member: str, text: str = "", *, kind: str = "spoke") -> Activity:
    at = START + timedelta(minutes=minute)
    return Activity(
        key=f"{minute}:{member}", kind=kind, at=at, member=member, group="g", text_hash=hash_of(text)
    )


def only(days: list[MemberDay], member: str) -> MemberDay:
    found = [day for day in days if day.member == member]
    assert len(found) == 1
    return found[0]


def test_equal_texts_have_equal_hashes_whatever_their_width_case_and_blanks() -> None:
    assert hash_of("ＨＥＬＬＯ  World ") == hash_of("hello world")
    assert hash_of("你好") != hash_of("你好呀")
    assert hash_of(" \n") == ""


def test_every_kind_has_a_chinese_name_and_fits_its_column() -> None:
    assert KINDS.keys() >= PARTICIPATION
    assert all(name and len(kind) <= 24 for kind, name in KINDS.items())


def test_the_day_is_the_groups_own() -> None:
    late = datetime(2026, 3, 2, 16, 30, tzinfo=UTC)

    assert local_day(late, "UTC") == date(2026, 3, 2)
    assert local_day(late, SHANGHAI) == date(2026, 3, 3)


def test_a_run_of_messages_is_one_turn() -> None:
    days = roll_up([said(0, "a"), said(1, "a"), said(2, "b"), said(3, "a")], "UTC")

    assert (only(days, "a").n, only(days, "a").turns) == (3, 2)
    assert (only(days, "b").n, only(days, "b").turns) == (1, 1)


@pytest.mark.parametrize(("minutes", "answered"), [(1, ANSWERED), (30, ANSWERED), (30.1, UNANSWERED)])
def test_a_turn_is_answered_when_somebody_else_speaks_within_half_an_hour(
    minutes: float, answered: int
) -> None:
    days = roll_up([said(0, "a"), said(minutes, "b")], "UTC")

    assert only(days, "a").answered == answered
    assert only(days, "b").answered == UNANSWERED


def test_an_answer_past_midnight_is_kept_apart() -> None:
    almost_midnight = 15 * 60 - 5

    days = roll_up([said(almost_midnight, "a"), said(almost_midnight + 10, "b")], "UTC")

    assert only(days, "a").answered == ANSWERED_LATE


def test_a_turn_that_crosses_midnight_counts_on_both_days() -> None:
    almost_midnight = 15 * 60 - 5

    days = roll_up([said(almost_midnight, "a"), said(almost_midnight + 10, "a")], "UTC")

    assert [(day.n, day.turns) for day in days] == [(1, 1), (1, 1)]


def test_staff_and_robots_neither_count_nor_answer_nor_break_a_turn() -> None:
    days = roll_up(
        [said(0, "a"), said(1, "s", kind="staff_spoke"), said(2, "r", kind="bot_spoke"), said(3, "a")], "UTC"
    )

    assert [(day.member, day.turns, day.answered) for day in days] == [("a", 1, UNANSWERED)]


def test_an_answer_to_a_poll_is_a_deed_and_no_talk() -> None:
    days = roll_up([said(0, "a"), said(1, "b", kind="answered"), said(2, "a")], "UTC")

    assert (only(days, "a").turns, only(days, "a").answered) == (1, UNANSWERED)
    assert (only(days, "b").n, only(days, "b").turns, only(days, "b").different) == (1, 1, 1)


def test_different_texts_are_counted_up_to_a_limit() -> None:
    few = roll_up([said(0, "a", "早"), said(1, "a", " 早 "), said(2, "a", "晚")], "UTC")
    many = roll_up([said(minute, "a", f"第{minute}条") for minute in range(KEPT_HASHES + 30)], "UTC")

    assert only(few, "a").different == 2
    assert only(many, "a").different == KEPT_HASHES


@given(
    st.randoms(use_true_random=False),
    st.lists(st.tuples(st.integers(0, 3000), st.sampled_from("abc")), max_size=40),
)
def test_the_order_in_which_facts_are_written_does_not_matter(random, spoken) -> None:  # type: ignore[no-untyped-def]
    facts = [said(minute, member, str(minute % 3)) for minute, member in dict.fromkeys(spoken)]
    shuffled = list(facts)
    random.shuffle(shuffled)

    def plain(days: list[MemberDay]) -> list[tuple[object, ...]]:
        return sorted((d.member, d.day, d.n, d.turns, d.different, d.answered) for d in days)

    assert plain(roll_up(shuffled, SHANGHAI)) == plain(roll_up(facts, SHANGHAI))


def test_a_long_key_is_shortened_and_stays_itself() -> None:
    long = "archive:" + "x" * 200

    assert short_key("short") == "short"
    assert len(short_key(long)) <= 96
    assert short_key(long) == short_key(long) != short_key(long + "y")
