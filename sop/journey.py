"""Journeys 旅程: one member or one group walking one template, step by step.

States and what moves them; everything else is refused::

    (none) ── enrol ──► active ── a step is said or missed ──► active ── after the last step ──► done
      │                   └── promoted, left, tagged, paid … ──► exited
      └── enrol by lot ──► held_out   (walks nothing, is compared; ends like the others)

A journey keeps the version of the template it began with. Days count from the local day it began: day 0 is that very
day, day 1 the next, so a plan's day 1 always comes after the welcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from sop.audience import Facts, matches
from sop.group import GroupKind
from sop.holiday import next_beginning, next_workday
from sop.member import is_promotion
from sop.message import Channel
from sop.template import (
    CLOCKED,
    After,
    AfterEvent,
    AtBest,
    On,
    OnDate,
    OnDay,
    OnMiss,
    OnWeekday,
    Signal,
    Step,
    Subject,
    Template,
    Trigger,
    Wait,
)
from sop.timing import at_local, lasting, local_day, next_monthday, next_weekday, spoken
from sop.update import (
    AnswerGiven,
    CheckedIn,
    FriendAdded,
    Kind,
    LinkVisited,
    MembersJoined,
    MessageHeard,
    OrderPaid,
    TagChanged,
    TierChanged,
    Update,
)

DAY = timedelta(days=1)
GRACE = timedelta(minutes=10)  # a step this little late counts as on time
USUAL_HOUR = time(19, 30)  # of a step at the best hour, while nothing is learnt


class JourneyState(StrEnum):
    """Where a journey stands."""

    ACTIVE = "active"
    DONE = "done"
    EXITED = "exited"
    HELD_OUT = "held_out"  # 对照组


MOVES: dict[JourneyState, frozenset[JourneyState]] = {
    JourneyState.ACTIVE: frozenset({JourneyState.ACTIVE, JourneyState.DONE, JourneyState.EXITED}),
    JourneyState.HELD_OUT: frozenset({JourneyState.DONE, JourneyState.EXITED}),
    JourneyState.DONE: frozenset(),
    JourneyState.EXITED: frozenset(),
}


@dataclass(frozen=True, kw_only=True)
class Journey:
    """One run of one template by one member or group; ``step`` is the index of the next step.

    ``zone`` is whose clock it goes by, empty for the community's; ``heard`` when the member last did what a step waits for.
    """

    template: str
    version: int
    subject: Subject
    whom: str
    run: int
    anchor: datetime
    id: int = 0
    state: JourneyState = JourneyState.ACTIVE
    step: int = 0
    reason: str = ""
    changed: datetime | None = None
    arm: str = ""  # of the comparison it takes part in
    deciding: bool = False  # the step was said, and what the member does now decides where it goes on
    zone: str = ""
    heard: Mapping[Signal, datetime] = field(default_factory=dict, hash=False)

    @property
    def over(self) -> bool:
        return not MOVES[self.state]

    def advanced(self, template: Template, now: datetime, *, said: bool = True) -> Journey:
        """The journey after its step was said, skipped or missed; one that is not active stays as it is.

        A step with branches that was said is decided upon first; of what was never said nothing can follow but else.
        """
        if self.state is not JourneyState.ACTIVE:
            return self
        if said and not self.deciding and template.steps[self.step].branches:
            return replace(self, deciding=True, changed=now)
        return self._at(template.following(self.step), template, now)

    def decided(self, template: Template, signal: Signal | None, now: datetime) -> Journey:
        """The journey after what the member did, or with None did not do in time; unchanged when that decides nothing."""
        if self.state is not JourneyState.ACTIVE or not self.deciding:
            return self
        ways = {branch.on: branch.to for branch in template.steps[self.step].branches}
        return self._at(template.place(ways[signal]), template, now) if signal in ways else self

    def told(self, template: Template, signal: Signal, at: datetime) -> Journey:
        """The journey after the member did something that one of its steps waits for; unchanged when none does."""
        awaited = any(isinstance(one.when, AfterEvent) and one.when.event is signal for one in template.steps)
        if not awaited or self.over or at <= self.heard.get(signal, self.anchor):
            return self
        return replace(self, heard={**self.heard, signal: at})

    def counted_from(self, template: Template) -> Signal | None:
        """What the member does or did that the moment of its next step is counted from, if it is."""
        if self.state is not JourneyState.ACTIVE or self.deciding or self.step >= len(template.steps):
            return None
        when = template.steps[self.step].when
        return when.event if isinstance(when, AfterEvent) else None

    def _at(self, step: int, template: Template, now: datetime) -> Journey:
        further = replace(self, step=step, changed=now, deciding=False)
        if step < len(template.steps):
            return further
        return replace(further, state=JourneyState.DONE, reason="走完了全部步骤")

    def exited(self, reason: str, now: datetime) -> Journey:
        """The journey ended early; one that is over stays as it ended."""
        if self.over:
            return self
        return replace(self, state=JourneyState.EXITED, reason=reason, changed=now)


# ---------------------------------------------------------------- beginning


@dataclass(frozen=True)
class Enrol:
    """A journey begins; held out, it only counts for comparison."""

    run: int
    state: JourneyState
    reason: str


@dataclass(frozen=True)
class Stay:
    """No journey begins; ``reason`` is one line in Chinese."""

    reason: str


def starts(
    trigger: Trigger, update: Update, *, group: str = "", first: bool = False, template: str = ""
) -> bool:
    """Whether this update starts a journey by this trigger.

    ``group`` is the name of the group of a join, ``first`` whether the member was unknown to the community before,
    ``template`` the template whose link was visited. What the clock starts is asked of :func:`next_slot`.
    """
    match trigger.on, update:
        case On.FRIEND_ADDED, FriendAdded():
            return not update.half
        case On.MEMBER_JOINED, FriendAdded() | MembersJoined():
            return first
        case On.GROUP_JOINED, MembersJoined():
            return trigger.group in ("", group)
        case On.TAG_ADDED, TagChanged():
            return update.added and update.tag == trigger.tag
        case On.TAG_REMOVED, TagChanged():
            return not update.added and update.tag == trigger.tag
        case On.TIER_CHANGED, TierChanged():
            return trigger.tier in ("", update.after)
        case On.LINK_VISITED, LinkVisited():
            return bool(update.member) and trigger.template in ("", template)
        case On.ORDER_PAID, OrderPaid():
            return True
    return False


def enrol(
    template: Template, facts: Facts, last: Journey | None, now: datetime, *, fraction: float = 1.0
) -> Enrol | Stay:
    """Whether somebody begins; ``last`` is their latest journey through this template, ``fraction`` their lot (0 ≤ f < 1).

    What the clock starts begins at every slot, even beside an unfinished run.
    """
    if not template.audience.has(facts):
        return Stay("不在适用人群里")
    if last is not None and template.trigger.on not in CLOCKED - {On.SILENCE}:
        objection = _again(template, last, now)
        if objection:
            return Stay(objection)
    run = 1 if last is None else last.run + 1
    if fraction < template.hold_out:
        return Enrol(run, JourneyState.HELD_OUT, f"抽入对照组（{template.hold_out:.0%}），只观察不发送")
    return Enrol(run, JourneyState.ACTIVE, f"进入「{template.name}」第 {template.version} 版")


def _again(template: Template, last: Journey, now: datetime) -> str:
    if not last.over:
        return "已经在这个旅程里"
    if not template.reentry.again:
        return "走过一次，模板不允许重复进入"
    free = (last.changed or last.anchor) + timedelta(days=template.reentry.days)
    return f"上次结束后 {template.reentry.days} 天内不重复进入" if now < free else ""


def next_slot(trigger: Trigger, after: datetime, zone: str) -> datetime | None:
    """When the clock next starts journeys by this trigger, later than ``after``; None when it never does."""
    match trigger:
        case Trigger(on=On.WEEKLY, time=moment) if moment is not None:
            return next_weekday(after, trigger.weekday, moment, zone, after=True)
        case Trigger(on=On.MONTHLY, time=moment) if moment is not None:
            return next_monthday(after, trigger.day, moment, zone, after=True)
        case Trigger(on=On.HOLIDAY, time=moment) if moment is not None:
            return _next_holiday(trigger, after, moment, zone)
        case Trigger(on=On.DATE_FIELD, time=moment) if moment is not None:
            today = at_local(local_day(after, zone), moment, zone)
            return today if today > after else at_local(local_day(after, zone) + DAY, moment, zone)
        case Trigger(on=On.DATE, time=moment, date=day) if moment is not None and day is not None:
            slot = at_local(day, moment, zone)
            return slot if slot > after else None
    return None


def _next_holiday(trigger: Trigger, after: datetime, moment: time, zone: str) -> datetime | None:
    ahead = timedelta(days=trigger.days_before)
    begins = next_beginning(trigger.holiday, local_day(after, zone) + ahead)
    while begins is not None:
        slot = at_local(begins - ahead, moment, zone)
        if slot > after:
            return slot
        begins = next_beginning(trigger.holiday, begins + DAY)
    return None


def silent(trigger: Trigger, last_active: datetime, now: datetime) -> bool:
    """Whether nothing was heard of a member for as long as a silence trigger waits."""
    return trigger.on is On.SILENCE and now - last_active >= timedelta(days=trigger.days)


# ---------------------------------------------------------------- going on


@dataclass(frozen=True, kw_only=True)
class DueStep:
    """A step with the instant at which it is due, and the last at which it is still worth saying.

    ``awaited`` is what the member has not done yet; then the step is due at the end of the waiting, only to be missed.
    """

    index: int
    step: Step
    at: datetime
    deadline: datetime
    awaited: Signal | None = None


def day_of(anchor: datetime, now: datetime, zone: str) -> int:
    """Which local day of a journey it is; 0 is the day it began."""
    return (local_day(now, zone) - local_day(anchor, zone)).days


@dataclass(frozen=True, kw_only=True)
class MissDecided(Update):
    """An operator (``by``) says of a missed step that waits for a word: say it now after all, or never."""

    kind = Kind.MISS_DECIDED
    miss: int
    send: bool
    by: str


class Fate(StrEnum):
    """What becomes of a step when its turn comes."""

    ON_TIME = "on_time"
    LATE = "late"
    SKIPPED = "skipped"
    ASKED = "asked"


def next_due(
    template: Template, journey: Journey, zone: str, *, chosen: datetime | None = None
) -> DueStep | None:
    """The next step and its moment; None when the journey walks no further.

    ``zone`` is the community's; ``chosen`` the moment found for a step at its best hour.
    """
    if journey.state is not JourneyState.ACTIVE or journey.step >= len(template.steps):
        return None
    if journey.deciding:
        return decision(template, journey)
    return due(
        template,
        journey.step,
        journey.anchor,
        journey.zone or zone,
        since=journey.changed,
        heard=journey.heard,
        chosen=chosen,
    )


def decision(template: Template, journey: Journey) -> DueStep:
    """Until when the member may decide where the journey goes on."""
    step = template.steps[journey.step]
    at = (journey.changed or journey.anchor) + step.decide
    return DueStep(index=journey.step, step=step, at=at, deadline=at)


def due(
    template: Template,
    index: int,
    anchor: datetime,
    zone: str,
    *,
    since: datetime | None = None,
    heard: Mapping[Signal, datetime] | None = None,
    chosen: datetime | None = None,
) -> DueStep:
    """When a step of a journey that began at ``anchor``, and came to this step at ``since``, is due.

    A moment of day 0 that had passed when the journey began is due at once while its window is open;
    when the window had closed too, its deadline lies in the past and the step is missed.
    """
    step, since = template.steps[index], since or anchor
    if isinstance(step.when, AfterEvent) and step.when.event not in (heard or {}):
        ends = since + step.when.within
        return DueStep(index=index, step=step, at=ends, deadline=ends, awaited=step.when.event)
    slot = (
        chosen if chosen and isinstance(step.when, AtBest) else _slot(step, anchor, zone, since, heard or {})
    )
    return DueStep(index=index, step=step, at=max(slot, anchor), deadline=slot + step.when.window)


def _slot(
    step: Step, anchor: datetime, zone: str, since: datetime, heard: Mapping[Signal, datetime]
) -> datetime:
    match step.when:
        case Wait(delay=delay):
            return since + delay
        case After(delay=delay):
            return anchor + delay
        case AfterEvent(event=event, delay=delay):
            return max(heard[event] + delay, since)
        case AtBest() as when:
            return at_local(best_day(when, anchor, zone), USUAL_HOUR, zone)
        case OnDay(day=days, time=moment):
            day = local_day(anchor, zone) + timedelta(days=days)
        case OnDate(date=day, time=moment):
            pass
        case OnWeekday(weekday=weekday, time=moment, week=week):
            first = next_weekday(anchor, weekday, moment, zone)
            day = local_day(first, zone) + timedelta(weeks=week - 1)
    return at_local(next_workday(day) if step.when.workday else day, moment, zone)


def best_day(when: AtBest, anchor: datetime, zone: str) -> date:
    """The local day of a step at its best hour."""
    day = local_day(anchor, zone) + timedelta(days=when.day)
    return next_workday(day) if when.workday else day


def fate(wait: DueStep, now: datetime) -> Fate:
    """What to do with a step whose turn comes at ``now``: the step's own rule decides when it is late."""
    if wait.awaited is not None:
        return Fate.SKIPPED
    if now <= min(wait.at + GRACE, wait.deadline):
        return Fate.ON_TIME
    if wait.step.on_miss is OnMiss.ASK:
        return Fate.ASKED
    if wait.step.on_miss is OnMiss.LATE and now <= wait.deadline:
        return Fate.LATE
    return Fate.SKIPPED


def fate_reason(wait: DueStep, decided: Fate, zone: str) -> str:
    """One line for operators about a step that was not on time."""
    moment = spoken(wait.at, zone)
    if wait.awaited is not None and isinstance(wait.step.when, AfterEvent):
        return f"等了 {lasting(wait.step.when.within)}，没有等到「{EXIT_WORDS[wait.awaited]}」，跳过"
    return {
        Fate.ON_TIME: "",
        Fate.LATE: f"原定 {moment}，错过后在窗口内补发",
        Fate.SKIPPED: f"原定 {moment}，错过了发送窗口，跳过",
        Fate.ASKED: f"原定 {moment}，错过了，等运营决定是否补发",
    }[decided]


def channel_for(step: Step, *, subject: Subject, group_kind: str = "", staff: bool = False) -> Channel | None:
    """The channel a step leaves by; None when nothing reaches this group.

    A step that names a channel gets it. Otherwise members and customer groups are reached by group-send, staff by
    their app, internal groups by their webhook.
    """
    if step.channel is not None:
        return step.channel
    if subject is Subject.MEMBER:
        return Channel.APP if staff else Channel.GROUP_SEND
    return {GroupKind.CUSTOMER: Channel.GROUP_SEND, GroupKind.INTERNAL: Channel.WEBHOOK}.get(
        GroupKind(group_kind)
    )


# ---------------------------------------------------------------- ending early


def signal_of(update: Update) -> Signal | None:
    """What an update shows about the member it is about, in the words of templates.

    A coupon wanted is not yet a coupon claimed, and a code redeemed names nobody: who issues and redeems says so.
    """
    match update:
        case LinkVisited():
            return Signal.LINK_VISITED
        case AnswerGiven():
            return Signal.ANSWERED
        case CheckedIn():
            return Signal.CHECKED_IN
        case OrderPaid():
            return Signal.ORDER_PAID
        case MessageHeard():
            return Signal.REPLIED
        case TierChanged() if is_promotion(update.before, update.after):
            return Signal.PROMOTED
    return None


EXIT_WORDS: dict[Signal, str] = {
    Signal.LINK_VISITED: "打开了链接",
    Signal.ANSWERED: "已经作答",
    Signal.CHECKED_IN: "已经打卡",
    Signal.COUPON_CLAIMED: "已经领券",
    Signal.COUPON_REDEEMED: "已经用券",
    Signal.ORDER_PAID: "已经下单",
    Signal.REPLIED: "已经回复",
    Signal.PROMOTED: "已经升级",
}


def exits(template: Template, facts: Facts, *, signal: Signal | None = None, left: bool = False) -> str:
    """Why a journey ends now, in one line; empty when it goes on.

    ``signal`` is what just happened, ``left`` whether the member lost the last way to reach them, or the group is gone.
    """
    rule = template.exit
    if left and rule.left:
        return "已退群或不再是好友" if template.subject is Subject.MEMBER else "群已解散"
    if rule.promoted and signal is Signal.PROMOTED:
        return EXIT_WORDS[Signal.PROMOTED]
    if signal is not None and signal in rule.on:
        return EXIT_WORDS[signal]
    if rule.tags is not None and matches(rule.tags, facts):
        return "符合模板的退出条件"
    return ""
