"""Quotas 额度: how much the platform takes, in one table; the gate keeps to it, and a rehearsal shows it.

The platform's own words: 企业群发 developer.work.weixin.qq.com path 92135, 微信客服 path 94677, 应用消息 path 90236,
消息推送 path 99110, 内部群 path 90248.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sop.message import Channel
from sop.timing import local

PLATFORM = "Asia/Shanghai"  # whose days and months the platform counts
MINUTE, HOUR, DAY, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=7)


class Span(StrEnum):
    """In what time the platform counts 企业群发 to one recipient: the administrator may tighten the month."""

    MONTH = "month"  # as many as the natural month has days
    WEEK = "week"  # 7
    DAY = "day"  # 1


@dataclass(frozen=True, kw_only=True)
class Quota:
    """At most so many messages of a channel to one recipient (or ``of`` something else) within a length of time."""

    channel: Channel
    of: str
    most: int
    within: timedelta
    extra: str = ""  # what else has to be known

    @property
    def line(self) -> str:
        """One line for operators."""
        return f"{self.of}：{_spoken(self.within)}最多 {self.most} 条{self.extra}"


APP_MINUTE = Quota(channel=Channel.APP, of="每位员工收同一个应用的消息", most=30, within=MINUTE)
APP_HOUR = Quota(channel=Channel.APP, of="每位员工收同一个应用的消息", most=1000, within=HOUR)
WEBHOOK = Quota(channel=Channel.WEBHOOK, of="每个消息推送", most=20, within=MINUTE)
READER_MINUTE = Quota(channel=Channel.APPCHAT, of="每位成员收应用发到内部群的消息", most=200, within=MINUTE)
READER_DAY = Quota(channel=Channel.APPCHAT, of="每位成员收应用发到内部群的消息", most=10_000, within=DAY)
KF = Quota(
    channel=Channel.KF,
    of="微信客服",
    most=5,
    within=timedelta(hours=48),
    extra="，从对方最近一句话算起，对方再说话就重新数",
)
QUOTAS = (APP_MINUTE, APP_HOUR, WEBHOOK, READER_MINUTE, READER_DAY, KF)
MEMBERS_PER_TASK, GROUPS_PER_TASK = 10_000, 2_000  # of one 企业群发
TIGHTENED = {Span.WEEK: (7, WEEK), Span.DAY: (1, DAY)}
GROUP_SEND_LINES = {
    Span.MONTH: "企业群发：每位客户、每个客户群一个月最多收的条数，等于这个月的天数",
    Span.WEEK: "企业群发：每位客户、每个客户群 7 天最多收 7 条（管理员收紧过）",
    Span.DAY: "企业群发：每位客户、每个客户群一天最多收 1 条（管理员收紧过）",
}


def told(channels: Sequence[Channel], span: Span) -> list[str]:
    """The limits of these channels, a line each."""
    sends = [GROUP_SEND_LINES[span]] if Channel.GROUP_SEND in channels else []
    return [*sends, *(quota.line for quota in QUOTAS if quota.channel in channels)]


def opens_again(received: Sequence[datetime], span: Span, now: datetime) -> datetime | None:
    """When one recipient may get 企业群发 again, who got it at these instants; None when at once.

    Weeks and days are counted back from now, which is never less strict than the calendar's.
    """
    if span is Span.MONTH:
        first = month_began(now)
        ends = month_ends(now)
        days = round((ends - first) / DAY)
        return ends if sum(first <= at <= now for at in received) >= days else None
    most, within = TIGHTENED[span]
    recent = sorted(at for at in received if now - within < at <= now)
    return recent[-most] + within if len(recent) >= most else None


def month_began(now: datetime) -> datetime:
    """The first instant of the platform's month."""
    there = local(now, PLATFORM)
    return there.replace(day=1, hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def month_ends(now: datetime) -> datetime:
    """The first instant of the platform's next month."""
    return month_began(month_began(now) + timedelta(days=32))


def _spoken(span: timedelta) -> str:
    words = {MINUTE: "一分钟", HOUR: "一小时", DAY: "一天", timedelta(hours=48): "48 小时"}
    return words[span]
