"""When something may be said in 微信客服, and why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sop.kf import MOST, WINDOW, Care, Session, closed

NOW = datetime(2026, 7, 2, 11, 0, tzinfo=UTC)


def session(care: Care = Care.NEW, *, wrote: timedelta | None = timedelta(minutes=1)) -> Session:
    at = None if wrote is None else NOW - wrote
    return Session(member="lin", account="wk", care=care, wrote_at=at)


@pytest.mark.parametrize(
    ("care", "wrote", "answered", "why"),
    [
        (Care.NEW, timedelta(0), 0, ""),
        (Care.BOT, timedelta(hours=47, minutes=59), MOST - 1, ""),
        (Care.NEW, timedelta(minutes=1), MOST, "已连发 5 条"),
        (Care.NEW, WINDOW, 0, "48 小时窗口已过"),
        (Care.NEW, None, 0, "48 小时窗口已过"),
        (Care.QUEUED, timedelta(0), 0, "同事接待"),
        (Care.PERSON, timedelta(0), 0, "同事接待"),
        (Care.ENDED, timedelta(0), 0, "会话已结束"),
    ],
)
def test_a_session_is_open_or_says_why_not(
    care: Care, wrote: timedelta | None, answered: int, why: str
) -> None:
    said = closed(session(care, wrote=wrote), answered, NOW)

    assert (why in said) if why else said == ""
