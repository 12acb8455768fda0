"""Coupons: one per person, inside their window, used once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop.coupon import (
    Allowed,
    Already,
    Batch,
    Claim,
    Coupon,
    Ended,
    Issued,
    NotRedeemed,
    NotYet,
    Redeemed,
    SoldOut,
    claim,
    claim_text,
    redeem,
)

NOON = datetime(2026, 7, 4, 4, tzinfo=UTC)
BATCH = Batch(id="summer", name="夏日咖啡券", starts=NOON, ends=NOON + timedelta(days=10), valid_days=3)
HELD = Coupon(code="KF8X2Q", batch="summer", member="wm_lin", claimed=NOON, expires=NOON + timedelta(days=3))
ZONE = "Asia/Shanghai"


@pytest.mark.parametrize(
    ("at", "answer"),
    [
        (timedelta(seconds=-1), NotYet),
        (timedelta(), Allowed),
        (timedelta(days=10, microseconds=-1), Allowed),
        (timedelta(days=10), Ended),
    ],
)
def test_our_clock_decides_to_the_instant(at: timedelta, answer: type) -> None:
    assert isinstance(claim(BATCH, [], NOON + at), answer)


def test_who_has_theirs_gets_the_same_code_again_even_after_the_end() -> None:
    assert claim(BATCH, [HELD], NOON + timedelta(days=30)) == Already(HELD, BATCH)


@given(st.integers(1, 5), st.integers(0, 8))
def test_nobody_exceeds_the_member_limit(limit: int, held: int) -> None:
    batch = Batch(id="b", name="券", per_member=limit)

    answer = claim(batch, [HELD] * held, NOON)

    assert isinstance(answer, Allowed) == (held < limit)
    assert not isinstance(answer, Allowed) or answer.nth == held + 1


def test_a_batch_of_nothing_per_member_gives_nobody_anything_twice() -> None:
    assert isinstance(claim(Batch(id="b", name="券", per_member=0), [HELD], NOON), Already)


@given(st.integers(0, 30), st.integers(1, 20))
def test_a_code_never_outlives_its_batch(valid: int, open_for: int) -> None:
    batch = Batch(id="b", name="券", ends=NOON + timedelta(days=open_for), valid_days=valid)

    expires = batch.expiry(NOON)

    assert expires is not None
    assert NOON < expires <= NOON + timedelta(days=open_for)


def test_a_batch_without_end_gives_codes_without_end() -> None:
    assert Batch(id="b", name="券").expiry(NOON) is None


def test_days_left_count_the_running_day() -> None:
    assert HELD.days_left(NOON) == 3
    assert HELD.days_left(NOON + timedelta(hours=1)) == 3
    assert HELD.days_left(NOON + timedelta(days=9)) == 0


# ---------------------------------------------------------------- redeeming

USED = Coupon(code="KF8X2Q", batch="summer", member="wm_lin", redeemed=NOON, order="o1")


@pytest.mark.parametrize(
    ("coupon", "order", "at", "answer"),
    [
        (HELD, "o1", timedelta(), Redeemed(HELD)),
        (HELD, "o1", timedelta(days=3), NotRedeemed("这张券已经过期了")),
        (USED, "o1", timedelta(), Redeemed(USED)),
        (USED, "o2", timedelta(), NotRedeemed("这张券已经用过了")),
        (Coupon(code="KF8X2Q", batch="summer", redeemed=NOON), "", timedelta(), NotRedeemed("没有这张券")),
        (None, "o1", timedelta(), NotRedeemed("没有这张券")),
    ],
)
def test_a_code_is_used_once_and_by_one_order(
    coupon: Coupon | None, order: str, at: timedelta, answer: object
) -> None:
    assert redeem(coupon, order, NOON + at) == answer


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Issued(HELD, BATCH), "券码：KF8X2Q，7月7日 周二 12:00 前有效"),
        (Already(HELD, BATCH), "还是这张：KF8X2Q"),
        (Already(USED, BATCH), "用掉"),
        (Already(Coupon(code="X", batch="b", member="m", expires=NOON), BATCH), "过期"),
        (SoldOut(BATCH), "领完"),
        (NotYet(BATCH, NOON), "7月4日 周六 12:00 开抢"),
        (Ended(BATCH), "结束"),
    ],
)
def test_every_answer_is_kind_and_names_the_coupon(answer: Claim, says: str) -> None:
    text = claim_text(answer, NOON, ZONE)

    assert says in text
    assert "夏日咖啡券" in text
