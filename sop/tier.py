"""Tiers 分层: who moves from new to potential to core, and back, with the reason in one line.

A newcomer moves up by what they do in their first three days; later the habit of coming decides. Nobody is moved down for
failing once, nor within a fortnight of moving up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sop.member import tier_rank

DAY = timedelta(days=1)
WINDOW = 28  # days

FIRST_DAYS = 3
LATER_DAYS = 7
RATE = 0.30
ENOUGH_TASKS = 3
ENOUGH_RETURNS = 2  # active days in the first week that make up for a slow start

CORE_DAYS = 4
CORE_RECENT = 14
POTENTIAL_DAYS = 2
CORE_LEAST = 2  # a core member with fewer active days than this moves down
REST_AFTER_RISE = 14 * DAY


class Tier(StrEnum):
    """How close a member stands to the community."""

    NEW = "new"
    POTENTIAL = "potential"
    CORE = "core"


@dataclass(frozen=True)
class Stay:
    """The member stays where they are, for this reason."""

    reason: str


@dataclass(frozen=True)
class Undecided:
    """Too little is known to say; not a failure."""

    reason: str


@dataclass(frozen=True)
class Move:
    """The member moves to another tier, for this reason."""

    to: Tier
    reason: str


Verdict = Stay | Undecided | Move


# ---------------------------------------------------------------- newcomers


@dataclass(frozen=True, kw_only=True)
class FirstDays:
    """A beginning: tasks that reached the newcomer, those they did, and the days after the first on which they came back."""

    delivered: int
    done: int
    returned: int


def judge_first_days(seen: FirstDays) -> Verdict:
    """The 30 % rule: of the tasks of the first three days, or of the days themselves when no task was delivered."""
    if seen.delivered == 0:
        return _by_days(seen.returned)
    if seen.delivered < ENOUGH_TASKS:
        return Undecided(f"前 3 天只送达 {seen.delivered} 个任务，不足 3 个，先不判断")
    rate = seen.done / seen.delivered
    if rate >= RATE:
        return Move(
            Tier.POTENTIAL,
            f"前 3 天 {seen.delivered} 个任务完成了 {seen.done} 个，互动率 {rate:.0%}，达到 30%",
        )
    return Stay(f"前 3 天 {seen.delivered} 个任务完成了 {seen.done} 个，互动率 {rate:.0%}，不到 30%")


def _by_days(returned: int) -> Verdict:
    if returned / FIRST_DAYS >= RATE:
        return Move(
            Tier.POTENTIAL, f"没有送达任务，按活跃天数算：入群后 3 天里有 {returned} 天参与，达到 30%"
        )
    return Stay("没有送达任务，入群后 3 天里也没有再参与")


def judge_first_week(seen: FirstDays) -> Verdict:
    """The second look, for those who began slowly or had too few tasks to tell."""
    if seen.returned >= ENOUGH_RETURNS:
        return Move(Tier.POTENTIAL, f"入群第一周有 {seen.returned} 天参与，第 7 天复核通过")
    if seen.delivered >= ENOUGH_TASKS and seen.done / seen.delivered >= RATE:
        return Move(Tier.POTENTIAL, f"第一周 {seen.delivered} 个任务完成了 {seen.done} 个，第 7 天复核通过")
    return Stay(f"入群第一周有 {seen.returned} 天参与，第 7 天复核还不够")


# ---------------------------------------------------------------- everybody else


@dataclass(frozen=True, kw_only=True)
class Habit:
    """How often a member came, in the group where they came most."""

    active_days: int  # of the last 28
    last_active: date | None
    before: bool  # active in the 28 days before those
    first_seen: date

    @classmethod
    def of(cls, days: Iterable[date], first_seen: date, today: date) -> Habit:
        """From the active days of one group up to yesterday."""
        past = sorted(day for day in days if day < today)
        recent = [day for day in past if day >= today - DAY * WINDOW]
        earlier = [day for day in past if today - DAY * 2 * WINDOW <= day < today - DAY * WINDOW]
        return cls(
            active_days=len(recent),
            last_active=past[-1] if past else None,
            before=bool(earlier),
            first_seen=first_seen,
        )


def earned(habit: Habit, today: date) -> Tier:
    """The tier a habit earns by itself."""
    is_new = (today - habit.first_seen).days < WINDOW
    recent = habit.last_active is not None and (today - habit.last_active).days <= CORE_RECENT
    if not is_new and habit.active_days >= CORE_DAYS and recent:
        return Tier.CORE
    return Tier.POTENTIAL if habit.active_days >= POTENTIAL_DAYS or habit.before else Tier.NEW


def best(habits: Collection[Habit], today: date) -> Habit | None:
    """A tier belongs to the member: of several groups the one where they stand highest."""
    return max(habits, key=lambda habit: (tier_rank(earned(habit, today)), habit.active_days), default=None)


def review(tier: Tier, habit: Habit, today: date, now: datetime, moved_at: datetime | None) -> Verdict:
    """The daily look at a member whose first week is over."""
    merit = earned(habit, today)
    risen = (
        merit is Tier.CORE or habit.active_days >= POTENTIAL_DAYS
    )  # an earlier month keeps a tier, it earns none
    if tier_rank(merit) > tier_rank(tier) and risen:
        return Move(merit, _RISES[merit].format(days=habit.active_days))
    if (moved_at is not None and now - moved_at < REST_AFTER_RISE) or tier_rank(merit) >= tier_rank(tier):
        return Stay("保持不变")
    if tier is Tier.CORE and habit.active_days < CORE_LEAST:
        return Move(Tier.POTENTIAL, f"最近 28 天只有 {habit.active_days} 天参与，从核心用户降为潜力用户")
    if tier is Tier.POTENTIAL and habit.active_days == 0:
        return Move(Tier.NEW, "最近 56 天没有参与，从潜力用户降级")
    return Stay("还在缓冲范围内，保持不变")


_RISES = {
    Tier.POTENTIAL: "最近 28 天有 {days} 天参与，升为潜力用户",
    Tier.CORE: "最近 28 天有 {days} 天参与且最近两周来过，升为核心用户",
}
