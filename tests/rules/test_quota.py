"""What the platform takes, and who goes first when a week is nearly used up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.wecom import limit
from sop.kf import MOST, WINDOW
from sop.message import Channel
from sop.quota import DAY, KF, TIGHTENED, Span, month_began, month_ends, opens_again, told
from sop.timing import AHEAD, LOOK_AGAIN, Later, Never, Now, Rival, Situation, may_send

NOW = datetime(2026, 7, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


# ---------------------------------------------------------------- the platform's table


def test_a_month_takes_as_many_as_it_has_days() -> None:
    july = [month_began(NOW) + number * HOUR for number in range(31)]

    assert opens_again(july[:30], Span.MONTH, NOW) is None
    assert opens_again(july, Span.MONTH, NOW) == datetime(2026, 7, 31, 16, tzinfo=UTC)  # August in China


def test_last_month_does_not_count_and_months_are_chinas() -> None:
    eve = datetime(2026, 7, 31, 15, 59, tzinfo=UTC)

    assert month_ends(eve) == eve + timedelta(minutes=1)
    assert opens_again([eve - number * HOUR for number in range(31)], Span.MONTH, eve + HOUR) is None


@given(
    st.lists(st.integers(0, 20 * 24), max_size=20),
    st.sampled_from([Span.WEEK, Span.DAY]),
)
def test_a_tightened_quota_opens_exactly_when_there_is_room(ages: list[int], span: Span) -> None:
    received = [NOW - age * HOUR for age in ages]
    most, within = TIGHTENED[span]

    opens = opens_again(received, span, NOW)

    def count(at: datetime) -> int:
        return sum(at - within < one <= at for one in received)

    assert (opens is None) == (count(NOW) < most)
    if opens is not None:
        assert count(opens) < most <= count(opens - timedelta(seconds=1))


def test_the_gate_the_session_and_the_buckets_read_one_table() -> None:
    assert (KF.most, KF.within) == (MOST, WINDOW)
    assert [(one.size, one.seconds) for one in limit.WEBHOOK] == [(20, 60.0)]
    assert [(one.size, one.seconds) for one in limit.READER] == [(200, 60.0), (10_000, 86_400.0)]


def test_a_rehearsal_names_the_limits_of_the_channels_it_uses() -> None:
    lines = told([Channel.GROUP_SEND, Channel.KF], Span.DAY)

    assert [line.partition("：")[0] for line in lines] == ["企业群发", "微信客服"]
    assert "一天最多收 1 条" in lines[0]


# ---------------------------------------------------------------- giving way

BIRTHDAY = Rival(NOW + 6 * HOUR, 5, "「生日祝福」")


def scarce(left: int, *rivals: Rival, deadline: datetime | None = None) -> Situation:
    sent = [NOW - DAY] * (3 - left)
    return Situation(zone="Asia/Shanghai", sent=sent, weekly_cap=3, rivals=rivals, deadline=deadline)


def test_the_last_message_of_the_week_is_kept_for_what_is_more_important() -> None:
    verdict = may_send(scarce(1, BIRTHDAY), NOW)

    assert verdict == Later(
        BIRTHDAY.at + LOOK_AGAIN,
        "7 天内还能收 1 条，先留给更重要的「生日祝福」（7月21日 周二 02:00），7月21日 周二 02:10 再看",
    )


def test_while_there_is_room_for_both_nobody_gives_way() -> None:
    assert may_send(scarce(2, BIRTHDAY), NOW) == Now()


def test_who_cannot_wait_so_long_says_nothing_and_says_for_whom() -> None:
    verdict = may_send(scarce(1, BIRTHDAY, deadline=NOW + HOUR), NOW)

    assert isinstance(verdict, Never)
    assert "留给更重要的「生日祝福」" in verdict.reason
    assert "所以不发了" in verdict.reason


@given(st.integers(1, 3), st.lists(st.integers(0, 24), max_size=5))
def test_room_is_given_exactly_to_as_many_as_there_are(left: int, waits: list[int]) -> None:
    rivals = [Rival(NOW + wait * HOUR, 1, "「别的」") for wait in waits]

    verdict = may_send(scarce(left, *rivals), NOW)

    assert isinstance(verdict, Now) == (len(rivals) < left)
    if isinstance(verdict, Later):
        assert NOW < verdict.until <= NOW + AHEAD + LOOK_AGAIN


@pytest.mark.parametrize("urgent", [True, False])
def test_replies_and_what_is_no_promotion_give_way_to_nobody(urgent: bool) -> None:
    asked = Situation(zone="UTC", urgent=urgent, weekly_cap=3 if urgent else None, rivals=[BIRTHDAY] * 9)

    assert may_send(asked, NOW) == Now()
