"""Every moment the product finds is found again by somebody who only looks at clocks, minute by minute.

The oracle knows nothing of days that are too short or too long: it walks from minute to minute, asks what a clock on the
wall there shows, and stops where the words of the plan are true.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from random import Random
from zoneinfo import ZoneInfo, available_timezones

import pytest

from sop.audience import Audience
from sop.hour import WEEK_HOURS, Best, choice
from sop.journey import Journey, JourneyState, next_due
from sop.template import (
    After,
    AfterEvent,
    AtBest,
    On,
    OnDate,
    OnDay,
    OnWeekday,
    Signal,
    Step,
    Subject,
    Template,
    Trigger,
    Wait,
    When,
)
from sop.timing import Later, Now, QuietHours, Situation, may_send

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2030, 12, 31, tzinfo=UTC)
ZONES = sorted(
    zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix", "right"))
)
OFF = """
2025-01-01 2025-01-28/2025-02-04 2025-04-04/2025-04-06 2025-05-01/2025-05-05 2025-05-31/2025-06-02 2025-10-01/2025-10-08
2026-01-01/2026-01-03 2026-02-15/2026-02-23 2026-04-04/2026-04-06 2026-05-01/2026-05-05 2026-06-19/2026-06-21
2026-09-25/2026-09-27 2026-10-01/2026-10-07
"""
ON = """
2025-01-26 2025-02-08 2025-04-27 2025-09-28 2025-10-11
2026-01-04 2026-02-14 2026-02-28 2026-05-09 2026-09-20 2026-10-10
"""


# ---------------------------------------------------------------- the oracle


@cache
def shows(zone: str) -> ZoneInfo:
    return ZoneInfo(zone)


def wall(instant: datetime, zone: str) -> datetime:
    """What a clock on the wall shows, without its offset."""
    return instant.astimezone(shows(zone)).replace(tzinfo=None, fold=0)


def first_minute_showing(day: date, moment: time, zone: str) -> datetime:
    """The first minute at which the wall shows this; where it never does, as long after the jump as it lies beyond it.

    A jump into the next day leaves the last minute before it.
    """
    wanted = datetime.combine(day, moment)
    minute = datetime.combine(day, time(), UTC) - 15 * HOUR
    seen = None
    while minute < datetime.combine(day, time(), UTC) + 40 * HOUR:
        now = wall(minute, zone)
        if now == wanted:
            return minute
        if seen is not None and seen < wanted < now:
            late = minute + (wanted - seen - MINUTE)
            return late if wall(late, zone).date() == day else minute - MINUTE
        seen, minute = now, minute + MINUTE
    raise AssertionError(f"no {wanted} in {zone}")


@cache
def listed(words: str) -> frozenset[str]:
    found = set()
    for word in words.split():
        first, _, last = word.partition("/")
        day = date.fromisoformat(first)
        while day <= date.fromisoformat(last or first):
            found.add(str(day))
            day += DAY
    return frozenset(found)


def people_work(day: date) -> bool:
    return str(day) in listed(ON) or (day.isoweekday() <= 5 and str(day) not in listed(OFF))


def calendar_day(day: date, workday: bool) -> date:
    while workday and not people_work(day):
        day += DAY
    return day


def expected_slot(case: Case) -> datetime:
    """When the words of the plan come true."""
    when, zone, began = case.when, case.zone, wall(case.anchor, case.zone).date()
    match when:
        case After():
            return case.anchor + when.delay
        case Wait():
            return case.since + when.delay
        case AfterEvent():
            heard = case.heard
            return case.since + when.within if heard is None else max(heard + when.delay, case.since)
        case OnDate():
            return first_minute_showing(calendar_day(when.date, when.workday), when.time, zone)
        case OnDay():
            return first_minute_showing(calendar_day(began + when.day * DAY, when.workday), when.time, zone)
        case AtBest():
            day = calendar_day(began + when.day * DAY, when.workday)
            return first_minute_showing(day, loudest(case, day), zone)
        case OnWeekday():
            day, met = began, 0
            while True:
                if (
                    day.weekday() == when.weekday
                    and first_minute_showing(day, when.time, zone) >= case.anchor
                ):
                    met += 1
                    if met == when.week:
                        return first_minute_showing(calendar_day(day, when.workday), when.time, zone)
                day += DAY


def loudest(case: Case, day: date) -> time:
    """Of the half hours of a day that the plan allows and nobody sleeps in, the one with the highest rate."""
    assert isinstance(case.when, AtBest)
    halves = [time(hour, 30) for hour in range(24)]
    allowed = [half for half in halves if case.when.earliest <= half < case.when.latest]
    awake = [half for half in allowed if not asleep(half, case.quiet)] or allowed
    best = max(case.rates[day.weekday() * 24 + half.hour] for half in awake)
    return next(half for half in awake if case.rates[day.weekday() * 24 + half.hour] == best)


def asleep(moment: time, quiet: QuietHours | None) -> bool:
    """Whether a moment lies in quiet hours: they last from their start on the way around the clock to their end."""
    if quiet is None:
        return False
    minutes = (quiet.end.hour - quiet.start.hour) * 60 + quiet.end.minute - quiet.start.minute
    passed = (moment.hour - quiet.start.hour) * 60 + moment.minute - quiet.start.minute
    return passed % 1440 < minutes % 1440


def first_minute_awake(now: datetime, quiet: QuietHours, zone: str) -> datetime:
    while asleep(wall(now, zone).time(), quiet):
        now += MINUTE
    return now


# ---------------------------------------------------------------- the cases


@dataclass(frozen=True)
class Case:
    zone: str
    anchor: datetime
    since: datetime
    when: When
    quiet: QuietHours
    rates: tuple[float, ...]
    heard: datetime | None
    night: datetime  # of a clock change, where there is one


@cache
def changes(zone: str) -> tuple[datetime, ...]:
    """The minutes at which the clocks of a zone jump."""
    found, day = [], FIRST
    while day < LAST:
        if wall(day + DAY, zone) - wall(day, zone) != DAY:
            low, high = day, day + DAY
            while high - low > MINUTE:
                middle = low + (high - low) // 2 // MINUTE * MINUTE
                same = wall(middle, zone) - wall(day, zone) == middle - day
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        day += DAY
    return tuple(found)


def a_case(chance: Random) -> Case:
    zone = chance.choice(ZONES)
    anchor = FIRST + chance.randrange((LAST - FIRST) // MINUTE) * MINUTE
    if changes(zone) and chance.random() < 0.7:
        anchor = chance.choice(changes(zone)) - chance.randrange(-120, 9 * 1440) * MINUTE
    since = anchor + chance.randrange(5000) * MINUTE
    heard = anchor + chance.randrange(1, 9000) * MINUTE if chance.random() < 0.7 else None
    rates = tuple(round(chance.random(), 3) for _ in range(WEEK_HOURS))
    jumps = changes(zone) or (anchor,)
    night = chance.choice(jumps) - chance.randrange(-90, 300) * MINUTE
    return Case(zone, anchor, since, a_when(chance, anchor), quiet_hours(chance), rates, heard, night)


def a_when(chance: Random, anchor: datetime) -> When:
    moment = time(chance.randrange(24), chance.randrange(60))
    if chance.random() < 0.5:
        moment = time(chance.randrange(4), chance.randrange(60))  # where clocks jump
    span, window, workday = (
        chance.randrange(20_000) * MINUTE,
        chance.randrange(1, 500) * MINUTE,
        chance.random() < 0.3,
    )
    kinds: list[When] = [
        OnDay(day=chance.randrange(12), time=moment, window=window, workday=workday),
        OnWeekday(weekday=chance.randrange(7), time=moment, week=chance.randrange(1, 4), workday=workday),
        OnDate(date=anchor.date() + chance.randrange(-3, 12) * DAY, time=moment, workday=workday),
        AtBest(
            day=chance.randrange(1, 12), earliest=time(chance.randrange(9)), latest=time(23), workday=workday
        ),
        After(delay=span, window=window),
        Wait(delay=span, window=window),
        AfterEvent(event=Signal.ORDER_PAID, delay=span, within=span + MINUTE, window=window),
    ]
    return chance.choice(kinds)


def quiet_hours(chance: Random) -> QuietHours:
    start, end = chance.sample(range(0, 1440, 5), 2)
    if chance.random() < 0.5:
        start, end = chance.randrange(20 * 60, 1440, 5), chance.randrange(0, 4 * 60, 5)
    return QuietHours(time(start // 60, start % 60), time(end // 60, end % 60))


# ---------------------------------------------------------------- what the product says


def wrong(case: Case) -> list[str]:
    """What the product gets wrong of one case."""
    step = Step(id="only", when=case.when, text="晚上好")
    trigger, everyone = Trigger(on=On.FRIEND_ADDED), Audience(everyone=True)
    plan = Template(id="plan", name="计划", version=1, trigger=trigger, audience=everyone, steps=(step,))
    one = Journey(
        template="plan",
        version=1,
        subject=Subject.MEMBER,
        whom="lin",
        run=1,
        anchor=case.anchor,
        changed=case.since,
        state=JourneyState.ACTIVE,
        zone=case.zone,
        heard={} if case.heard is None else {Signal.ORDER_PAID: case.heard},
    )
    best = choice(plan, one, "UTC", case.rates, Best(case.quiet, hold_out=0.0))
    due = next_due(plan, one, "UTC", chosen=best.at if best else None)
    assert due is not None
    slot = expected_slot(case)
    found = []
    if due.at != max(slot, case.anchor):
        found.append(f"{case}: due {due.at}, expected {slot}")
    if due.awaited is None and due.deadline != slot + case.when.window:
        found.append(f"{case}: until {due.deadline}, expected {slot + case.when.window}")
    return found + wrong_quiet(case, due.at) + wrong_quiet(case, case.night)


def wrong_quiet(case: Case, now: datetime) -> list[str]:
    awake = first_minute_awake(now, case.quiet, case.zone)
    verdict = may_send(Situation(zone=case.zone, quiet=case.quiet), now)
    said = verdict.until if isinstance(verdict, Later) else now if isinstance(verdict, Now) else None
    return [] if said == awake else [f"{case.quiet} in {case.zone} at {now}: {said}, expected {awake}"]


def run(cases: int, seed: int) -> list[str]:
    chance = Random(seed)
    return [line for _ in range(cases) for line in wrong(a_case(chance))]


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_wrong_in_five_hundred_cases(seed: int) -> None:
    assert run(100, seed) == []


@pytest.mark.full
@pytest.mark.parametrize("seed", range(5, 50))
def test_nothing_is_wrong_in_five_thousand_cases(seed: int) -> None:
    assert run(100, seed) == []
