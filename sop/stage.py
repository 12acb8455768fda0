"""What a rehearsal is played with and what it shows: the days and rules, the recipients, and what becomes of each step.

What nobody can know is assumed, and said in :func:`assumed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sop.group import Group
from sop.hour import PRIOR, Rates
from sop.journey import (
    Journey,
    next_slot,
)
from sop.kf import Session
from sop.member import Member
from sop.message import Channel
from sop.quota import Span, told
from sop.sender import Senders
from sop.template import Template
from sop.timing import QuietHours, lasting

ANSWERS_AFTER = timedelta(minutes=30)  # somebody who answers does so this long after a message left
NOT_THEIR_DAY = "这几天里没有轮到他的日子"


def assumed(answer_rate: float = 0.0) -> tuple[str, ...]:
    """What nobody can know and a rehearsal takes for granted, a line each."""
    answers = (
        f"有分支的步骤，按成员编号抽出 {answer_rate:.0%} 的人，收到 {lasting(ANSWERS_AFTER)}后做了第一条分支等的事；"
        "别的时候没有人打开、回答或下单"
        if answer_rate
        else "没有人打开、回答或下单：分支都走「否则」，要等这些的步骤都等不到，旅程不会提前结束"
    )
    return (
        answers,
        "员工收到任务马上确认，平台不拒收",
        "标签、好友、群和退订与现在一样；同时在跑的其他模板之后发的不占额度，最近 7 天已经发出的占，也不和更重要的模板争额度",
        "事件触发的模板：适用人群里的每个人都在开始那一刻触发",
    )


class Outcome(StrEnum):
    """What becomes of one step for one recipient."""

    SENT = "sent"  # it leaves, at the moment given
    WAITING = "waiting"  # kept back until after the last day
    REFUSED = "refused"  # the gate says never
    UNSAID = "unsaid"  # nothing could be said: no sender, no words
    SKIPPED = "skipped"
    ASKED = "asked"
    CANCELLED = "cancelled"  # the journey ended before it left


@dataclass(frozen=True, slots=True)
class Scene:
    """One step for one recipient: when it was planned, when it left, in whose name, and why not."""

    whom: str
    called: str
    step: int
    planned: datetime
    at: datetime
    outcome: Outcome
    reason: str = ""  # also of what left: why it left later than planned
    channel: Channel | None = None
    sender: str = ""
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Walker:
    """Somebody who may walk the template, with everything the rules ask about them now."""

    to: Member | Group
    senders: Senders
    last: Journey | None = None
    refused: bool = False
    quota_until: datetime | None = None
    sent: tuple[datetime, ...] = ()  # what counts against the budget
    sends: tuple[datetime, ...] = ()  # 企业群发 of this month
    session: Session | None = None  # of 微信客服
    answered: int = 0
    zone: str = ""  # empty: the community's
    day: date | None = None  # kept of a member, where a date field is the trigger
    rates: Rates = PRIOR  # by hour of the week, for steps at the best hour


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What is the same for everybody: the template, the community's rules, and the days that are played."""

    template: Template
    start: datetime
    end: datetime
    zone: str
    weekly_cap: int | None = None
    quiet: QuietHours | None = None
    spacing: timedelta = timedelta()
    hour_hold_out: float = 0.1
    group_send_limit: Span = Span.MONTH
    batches: frozenset[str] = frozenset()  # coupon batches there are
    invites: frozenset[str] | None = (
        frozenset()
    )  # the names of the groups one is asked into; None without a way in
    answer_rate: float = 0.0  # of those a step with branches reached, how many do what it asks

    @property
    def limits(self) -> list[str]:
        """What the platform takes at most on the channels of this template, a line each."""
        channels = [step.channel or Channel.GROUP_SEND for step in self.template.sayings]
        return told(channels, self.group_send_limit)

    @property
    def beginnings(self) -> tuple[datetime, ...]:
        """When the clock starts journeys in these days; what an event starts begins at once."""
        slots, after = list[datetime](), self.start - timedelta(microseconds=1)
        while (slot := next_slot(self.template.trigger, after, self.zone)) and slot < self.end:
            slots.append(slot)
            after = slot
        clocked = next_slot(self.template.trigger, self.start - timedelta(days=36500), self.zone) is not None
        return tuple(slots) if clocked else (self.start,)


@dataclass(frozen=True)
class Absence:
    """Somebody does not begin, or only counts for comparison."""

    whom: str
    reason: str
