"""Timing: when something may be said. The one gate every message passes, and the arithmetic of local time.

Instants are aware; local time appears only here and in what people read. Where a clock skips an hour, a slot inside
the gap happens as long after midnight as planned (02:30 becomes 03:30), or a minute before a gap that ends the day; where
an hour repeats, it happens the first time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from sop.consent import Consent

WEEK = timedelta(days=7)
PAUSED = "模板已暂停，恢复后再发"
LOOK_AGAIN = timedelta(minutes=10)  # at what is paused, or gave way
AHEAD = timedelta(hours=24)  # how far ahead a message gives way to more important ones
WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")


# ---------------------------------------------------------------- verdicts


@dataclass(frozen=True)
class Now:
    """It may leave at once."""


@dataclass(frozen=True)
class Later:
    """Not before ``until``; ``reason`` is one line in Chinese."""

    until: datetime
    reason: str


@dataclass(frozen=True)
class Never:
    """It will not be said; ``reason`` is one line in Chinese."""

    reason: str


Verdict = Now | Later | Never


@dataclass(frozen=True)
class QuietHours:
    """The local hours in which we do not disturb, the end not included; they may pass midnight."""

    start: time
    end: time

    def covers(self, moment: time) -> bool:
        if self.start <= self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end

    def hold(self, now: datetime, zone: str) -> bool:
        return self.covers(local(now, zone).time())

    def over(self, now: datetime, zone: str) -> datetime:
        """The first instant from ``now`` on at which they do not hold."""
        if not self.hold(now, zone):
            return now
        today = local(now, zone).date()
        ends = [
            _instant(today + timedelta(days=days), self.end, zone, fold=fold)
            for days in (0, 1, 2)
            for fold in (0, 1)
        ]
        free = [end for end in ends + _jumps(now, zone) if end > now and not self.hold(end, zone)]
        return min(free)


@dataclass(frozen=True)
class Rival:
    """A message of a more important template for the same recipient: when it is due, and what operators call it."""

    at: datetime
    priority: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Everything the gate may know of one message: who it is for, what they allowed, and what they got lately.

    ``sent`` are the instants at which this member or group was sent something that counts against the budget.
    ``quota_until`` is when the platform will take more, None while it takes any; ``closed`` why it takes nothing at all. ``deadline`` is the last instant
    at which the message is still worth anything. ``urgent`` is for welcomes and replies. ``rivals`` are the more important
    messages that wait for the same recipient, or will within :data:`AHEAD`.
    """

    zone: str
    urgent: bool = False
    marketing: bool = True
    consent: Consent = Consent.UNASKED
    belongs: bool = True
    quota_until: datetime | None = None
    closed: str = ""
    paused: bool = False
    sent: Sequence[datetime] = ()
    rivals: Sequence[Rival] = ()
    weekly_cap: int | None = None
    quiet: QuietHours | None = None
    spacing: timedelta = timedelta()
    deadline: datetime | None = None


def may_send(asked: Situation, now: datetime) -> Verdict:
    """The policy gate: consent, membership, pause, quota, weekly budget, quiet hours, spacing, deadline, in this order."""
    for rule in (_consent, _membership, _pause, _quota, _budget, _quiet, _spacing):
        verdict = rule(asked, now)
        if not isinstance(verdict, Now):
            return _within_deadline(verdict, asked)
    if asked.deadline is not None and now > asked.deadline:
        return Never(f"已过发送时限 {spoken(asked.deadline, asked.zone)}，不再补发")
    return Now()


def _within_deadline(verdict: Verdict, asked: Situation) -> Verdict:
    if isinstance(verdict, Later) and asked.deadline is not None and verdict.until > asked.deadline:
        return Never(f"{verdict.reason}，而发送时限是 {spoken(asked.deadline, asked.zone)}，所以不发了")
    return verdict


def _consent(asked: Situation, now: datetime) -> Verdict:
    if asked.marketing and not asked.consent.allows_marketing:
        return Never("对方已退订，不再发送推送")
    return Now()


def _membership(asked: Situation, now: datetime) -> Verdict:
    return Now() if asked.belongs else Never("对方已退群或不再是好友，发不到了")


def _pause(asked: Situation, now: datetime) -> Verdict:
    return Later(now + LOOK_AGAIN, PAUSED) if asked.paused else Now()


def _quota(asked: Situation, now: datetime) -> Verdict:
    if asked.closed:
        return Never(asked.closed)
    if asked.quota_until is not None and asked.quota_until > now:
        return Later(asked.quota_until, f"平台的发送额度已用完，{spoken(asked.quota_until, asked.zone)} 恢复")
    return Now()


def _budget(asked: Situation, now: datetime) -> Verdict:
    if asked.urgent or asked.weekly_cap is None:
        return Now()
    recent = sorted(moment for moment in asked.sent if now - WEEK < moment <= now)
    if len(recent) < asked.weekly_cap:
        return _give_way(asked, asked.weekly_cap - len(recent), now)
    if asked.weekly_cap <= 0:
        return Never("每周上限设为 0，一条也不发")
    until = recent[-asked.weekly_cap] + WEEK
    return Later(
        until,
        f"7 天内已收到 {len(recent)} 条，到了每周 {asked.weekly_cap} 条的上限，{spoken(until, asked.zone)} 起可再发",
    )


def _give_way(asked: Situation, left: int, now: datetime) -> Verdict:
    """What is left of the week is kept for more important messages, when there are as many of them."""
    rivals = sorted(asked.rivals, key=lambda rival: rival.at)
    if len(rivals) < left:
        return Now()
    first = max(rivals, key=lambda rival: rival.priority)
    until = max(rivals[left - 1].at, now) + LOOK_AGAIN
    return Later(
        until,
        f"7 天内还能收 {left} 条，先留给更重要的{first.name}（{spoken(first.at, asked.zone)}），"
        f"{spoken(until, asked.zone)} 再看",
    )


def _quiet(asked: Situation, now: datetime) -> Verdict:
    if asked.urgent or asked.quiet is None or not asked.quiet.hold(now, asked.zone):
        return Now()
    until = asked.quiet.over(now, asked.zone)
    return Later(until, f"免打扰时段，等到 {spoken(until, asked.zone)}")


def _spacing(asked: Situation, now: datetime) -> Verdict:
    past = [moment for moment in asked.sent if moment <= now]
    if asked.urgent or not past or max(past) + asked.spacing <= now:
        return Now()
    until = max(past) + asked.spacing
    return Later(until, f"离上一条太近，{spoken(until, asked.zone)} 再发")


# ---------------------------------------------------------------- local time


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def local(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(zone_of(zone))


def local_day(instant: datetime, zone: str) -> date:
    return local(instant, zone).date()


def at_local(day: date, moment: time, zone: str) -> datetime:
    """The instant, in UTC, at which clocks in ``zone`` show this time on this day; it is always of that day."""
    slot = _instant(day, moment, zone, fold=0)
    if local_day(slot, zone) == day:
        return slot
    return _jump(_instant(day, moment, zone, fold=1), slot, zone) - timedelta(minutes=1)


def _instant(day: date, moment: time, zone: str, *, fold: int) -> datetime:
    return datetime.combine(day, moment.replace(fold=fold), zone_of(zone)).astimezone(UTC)


def _jumps(now: datetime, zone: str) -> list[datetime]:
    """The instants of the next two days at which clocks jump: quiet hours may end there without having been over."""
    days = [now + timedelta(days=count) for count in range(3)]
    offsets = [local(day, zone).utcoffset() for day in days]
    return [_jump(days[at], days[at + 1], zone) for at in (0, 1) if offsets[at] != offsets[at + 1]]


def _jump(before: datetime, after: datetime, zone: str) -> datetime:
    """The instant between two at which clocks jump, to the second."""
    offset, before = local(before, zone).utcoffset(), before.replace(microsecond=0)
    after = after.replace(microsecond=0)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if local(middle, zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def next_weekday(start: datetime, weekday: int, moment: time, zone: str, *, after: bool = False) -> datetime:
    """The first such weekday (0 is Monday) and local time from ``start`` on, or later than it when ``after``."""
    today = local_day(start, zone)
    ahead = (weekday - today.weekday()) % 7
    for days in (ahead, ahead + 7):
        slot = at_local(today + timedelta(days=days), moment, zone)
        if slot > start or (slot == start and not after):
            return slot
    return at_local(today + timedelta(days=ahead + 14), moment, zone)


def next_monthday(start: datetime, day: int, moment: time, zone: str, *, after: bool = False) -> datetime:
    """The first such day of a month from ``start`` on; a month that is too short has it on its last day."""
    month = local_day(start, zone).replace(day=1)
    while True:
        following = (month + timedelta(days=31)).replace(day=1)
        last = (following - timedelta(days=1)).day
        slot = at_local(month.replace(day=min(day, last)), moment, zone)
        if slot > start or (slot == start and not after):
            return slot
        month = following


def spoken(instant: datetime, zone: str) -> str:
    """An instant as an operator reads it, in local time: 7月4日 周六 19:30."""
    there = local(instant, zone)
    return f"{there.month}月{there.day}日 {WEEKDAYS[there.weekday()]} {there:%H:%M}"


def lasting(span: timedelta) -> str:
    """A length of time as an operator reads it: 2 天 3 小时."""
    seconds = int(span.total_seconds())
    parts = []
    for size, word in ((86400, "天"), (3600, "小时"), (60, "分钟"), (1, "秒")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {word}")
    return " ".join(parts) or "0 秒"
