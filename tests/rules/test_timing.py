"""When something may be said: the gate's order, quiet hours, budgets and local time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop.consent import Consent, Wish, wish
from sop.timing import (
    WEEK,
    Later,
    Never,
    Now,
    QuietHours,
    Situation,
    at_local,
    lasting,
    local,
    may_send,
    next_monthday,
    next_weekday,
    spoken,
)

SHANGHAI = "Asia/Shanghai"
ZONES = ["Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
NIGHT = QuietHours(time(22), time(8))
EVENING = at_local(date(2026, 7, 4), time(19, 30), SHANGHAI)

INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC))
MOMENTS = st.builds(time, st.integers(0, 23), st.integers(0, 59))


def test_an_evening_message_to_a_member_in_good_standing_leaves_now() -> None:
    asked = Situation(zone=SHANGHAI, weekly_cap=3, quiet=NIGHT, spacing=timedelta(minutes=30))

    assert may_send(asked, EVENING) == Now()


# Each objection on its own, in the order in which the gate raises them.
OBJECTIONS: dict[str, dict[str, Any]] = {
    "退订": {"consent": Consent.REFUSED},
    "退群": {"belongs": False},
    "额度": {"quota_until": EVENING + timedelta(hours=20)},
    "上限": {"sent": [EVENING - timedelta(hours=5)], "weekly_cap": 1},
    "免打扰": {"quiet": QuietHours(time(19), time(21))},
    "太近": {"sent": [EVENING - timedelta(hours=5)], "spacing": timedelta(hours=6)},
    "时限": {"deadline": EVENING - timedelta(seconds=1)},
}


@pytest.mark.parametrize("says", OBJECTIONS)
def test_every_objection_is_told_in_one_line(says: str) -> None:
    verdict = may_send(Situation(zone=SHANGHAI, **OBJECTIONS[says]), EVENING)

    assert isinstance(verdict, Later | Never)
    assert says in verdict.reason
    assert "\n" not in verdict.reason


@pytest.mark.parametrize(("first", "second"), list(combinations(OBJECTIONS, 2)))
def test_of_two_objections_the_earlier_in_the_fixed_order_is_told(first: str, second: str) -> None:
    verdict = may_send(Situation(zone=SHANGHAI, **{**OBJECTIONS[second], **OBJECTIONS[first]}), EVENING)

    assert isinstance(verdict, Later | Never)
    assert first in verdict.reason


@pytest.mark.parametrize("says", ["上限", "免打扰", "太近"])
def test_welcomes_and_replies_skip_budget_quiet_hours_and_spacing(says: str) -> None:
    assert may_send(Situation(zone=SHANGHAI, urgent=True, **OBJECTIONS[says]), EVENING) == Now()


@pytest.mark.parametrize("says", ["退群", "额度", "时限"])
def test_welcomes_and_replies_never_skip_membership_quota_or_deadline(says: str) -> None:
    verdict = may_send(Situation(zone=SHANGHAI, urgent=True, marketing=False, **OBJECTIONS[says]), EVENING)

    assert not isinstance(verdict, Now)


def test_a_welcome_needs_no_marketing_consent() -> None:
    asked = Situation(zone=SHANGHAI, urgent=True, marketing=False, consent=Consent.REFUSED)

    assert may_send(asked, EVENING) == Now()


def test_waiting_past_the_deadline_is_never() -> None:
    asked = Situation(zone=SHANGHAI, quiet=NIGHT, deadline=EVENING + timedelta(hours=4))

    verdict = may_send(asked, EVENING + timedelta(hours=3))

    assert isinstance(verdict, Never)
    assert "免打扰" in verdict.reason
    assert "23:30" in verdict.reason


def test_quiet_hours_pass_midnight() -> None:
    late, early = (at_local(date(2026, 7, 4), moment, SHANGHAI) for moment in (time(23), time(7, 59)))

    assert NIGHT.over(late, SHANGHAI) == at_local(date(2026, 7, 5), time(8), SHANGHAI)
    assert NIGHT.over(early, SHANGHAI) == at_local(date(2026, 7, 4), time(8), SHANGHAI)
    assert not NIGHT.hold(at_local(date(2026, 7, 4), time(8), SHANGHAI), SHANGHAI)
    assert NIGHT.hold(at_local(date(2026, 7, 4), time(22), SHANGHAI), SHANGHAI)


def test_quiet_hours_over_midnight_are_not_their_opposite() -> None:
    assert not NIGHT.hold(at_local(date(2026, 7, 4), time(12), SHANGHAI), SHANGHAI)


@given(INSTANTS, MOMENTS, MOMENTS, st.sampled_from(ZONES))
def test_quiet_hours_end_at_the_first_instant_that_is_not_quiet(
    now: datetime, start: time, end: time, zone: str
) -> None:
    quiet = QuietHours(start, end)

    over = quiet.over(now, zone)

    assert over >= now
    assert start == end or not quiet.hold(over, zone)
    minutes = int((over - now).total_seconds() // 60)
    assert all(quiet.hold(now + timedelta(minutes=at), zone) for at in range(0, minutes, 7))


@given(st.lists(st.integers(0, 20 * 24 * 60), max_size=8), st.integers(1, 5))
def test_the_budget_opens_exactly_when_an_old_message_leaves_the_week(ages: list[int], cap: int) -> None:
    sent = [EVENING - timedelta(minutes=age) for age in ages]
    asked = Situation(zone=SHANGHAI, sent=sent, weekly_cap=cap)

    verdict = may_send(asked, EVENING)

    recent = [moment for moment in sent if moment > EVENING - WEEK]
    if isinstance(verdict, Now):
        assert len(recent) < cap
    else:
        assert isinstance(verdict, Later)
        assert may_send(asked, verdict.until) == Now()
        assert may_send(asked, verdict.until - timedelta(seconds=1)) != Now()


def test_a_budget_of_nothing_is_never() -> None:
    assert isinstance(may_send(Situation(zone=SHANGHAI, weekly_cap=0), EVENING), Never)


# ---------------------------------------------------------------- local time


@given(INSTANTS, st.integers(0, 6), MOMENTS, st.sampled_from(ZONES))
def test_the_next_weekday_is_that_weekday_at_that_time_within_a_week_or_so(
    start: datetime, weekday: int, moment: time, zone: str
) -> None:
    slot = next_weekday(start, weekday, moment, zone)

    assert start <= slot <= start + timedelta(days=7, hours=2)
    there = local(slot, zone)
    shifted = datetime.combine(there.date(), moment, there.tzinfo).astimezone(UTC) == slot
    assert there.weekday() == weekday or shifted
    assert there.time() == moment or shifted


@given(INSTANTS, st.integers(0, 6), MOMENTS, st.sampled_from(ZONES))
def test_the_slot_after_a_slot_is_a_week_later_on_the_clock(
    start: datetime, weekday: int, moment: time, zone: str
) -> None:
    first = next_weekday(start, weekday, moment, zone)

    second = next_weekday(first, weekday, moment, zone, after=True)

    assert local(second, zone).date() - local(first, zone).date() == timedelta(days=7)


def test_monday_seven_in_shanghai_stays_monday() -> None:
    slot = next_weekday(datetime(2026, 7, 2, tzinfo=UTC), 0, time(7), SHANGHAI)

    assert spoken(slot, SHANGHAI) == "7月6日 周一 07:00"


def test_nine_stays_nine_across_a_clock_change() -> None:
    before = next_weekday(datetime(2026, 3, 7, tzinfo=UTC), 5, time(9), "America/New_York")
    after = next_weekday(before, 5, time(9), "America/New_York", after=True)

    assert after - before == timedelta(days=7, hours=-1)
    assert local(after, "America/New_York").time() == time(9)


def test_an_hour_that_clocks_skip_happens_an_hour_later() -> None:
    slot = at_local(date(2026, 3, 8), time(2, 30), "America/New_York")

    assert local(slot, "America/New_York").time() == time(3, 30)


def test_an_hour_that_clocks_repeat_happens_the_first_time() -> None:
    slot = at_local(date(2026, 11, 1), time(1, 30), "America/New_York")

    assert slot == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


def test_the_thirty_first_of_a_short_month_is_its_last_day() -> None:
    slot = next_monthday(datetime(2026, 2, 1, tzinfo=UTC), 31, time(9), SHANGHAI)

    assert spoken(slot, SHANGHAI) == "2月28日 周六 09:00"


@given(INSTANTS, st.integers(1, 31), MOMENTS, st.sampled_from(ZONES))
def test_the_next_monthday_comes_within_a_month_and_moves_on(
    start: datetime, day: int, moment: time, zone: str
) -> None:
    slot = next_monthday(start, day, moment, zone)

    following = next_monthday(slot, day, moment, zone, after=True)

    assert start <= slot <= start + timedelta(days=32)
    assert timedelta(days=27) <= following - slot <= timedelta(days=32)


def test_a_length_of_time_is_said_in_words() -> None:
    assert lasting(timedelta(days=2, hours=3)) == "2 天 3 小时"
    assert lasting(timedelta()) == "0 秒"


# ---------------------------------------------------------------- what members say


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("退订", Wish.STOP),
        (" 退订！ ", Wish.STOP),
        ("ＴＤ", Wish.STOP),
        ("恢复订阅", Wish.START),
        ("为什么发给我？", Wish.WHY),
        ("怎么退订这门课", None),
        ("", None),
    ],
)
def test_plain_words_are_heard_as_wishes(text: str, meant: Wish | None) -> None:
    assert wish(text) is meant
