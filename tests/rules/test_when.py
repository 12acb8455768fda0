"""When a step is due: on a date, on working days, after what a member does, in whose time zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise

import pytest

from sop.audience import Audience
from sop.errors import TemplateError
from sop.file import read, write
from sop.journey import DueStep, Fate, Journey, JourneyState, fate, fate_reason, next_due
from sop.template import (
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
    When,
)
from sop.timing import at_local, spoken
from sop.why import Standing, of_template

ZONE = "Asia/Shanghai"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
THURSDAY = at_local(date(2026, 9, 24), time(19, 30), ZONE)  # 中秋节 begins on the 25th
HALF_PAST_SEVEN = time(19, 30)
ORDERED = AfterEvent(event=Signal.ORDER_PAID, delay=2 * HOUR, within=3 * DAY)


def plan(when: When) -> Template:
    step = Step(id="only", when=when, text="晚上好")
    trigger, everyone = Trigger(on=On.FRIEND_ADDED), Audience(everyone=True)
    return Template(id="plan", name="计划", version=1, trigger=trigger, audience=everyone, steps=(step,))


def journey(anchor: datetime = THURSDAY, zone: str = "") -> Journey:
    return Journey(
        template="plan", version=1, subject=Subject.MEMBER, whom="lin", run=1, anchor=anchor, zone=zone
    )


def due(when: When, walked: Journey | None = None) -> DueStep:
    found = next_due(plan(when), walked or journey(), ZONE)
    assert found is not None
    return found


# ---------------------------------------------------------------- dates and working days


def test_a_date_is_a_day_of_the_calendar_whenever_one_began() -> None:
    assert (
        spoken(due(OnDate(date=date(2026, 12, 24), time=HALF_PAST_SEVEN)).at, ZONE) == "12月24日 周四 19:30"
    )


def test_a_date_that_is_over_is_missed() -> None:
    wait = due(OnDate(date=date(2026, 9, 23), time=HALF_PAST_SEVEN))

    assert fate(wait, THURSDAY) is Fate.SKIPPED


@pytest.mark.parametrize(
    ("day", "moved_to"),
    [
        (date(2026, 9, 24), "9月24日 周四"),
        (date(2026, 9, 25), "9月28日 周一"),  # 中秋节, with the weekend
        (date(2026, 9, 20), "9月20日 周日"),  # made up
        (date(2026, 10, 1), "10月8日 周四"),  # 国庆节
        (date(2026, 10, 10), "10月10日 周六"),  # made up
        (date(2026, 2, 14), "2月14日 周六"),  # made up, before 春节
        (date(2026, 2, 15), "2月24日 周二"),
    ],
)
def test_a_working_day_follows_the_calendar_of_holidays_and_make_up_days(day: date, moved_to: str) -> None:
    wait = due(OnDate(date=day, time=HALF_PAST_SEVEN, workday=True), journey(THURSDAY - 365 * DAY))

    assert spoken(wait.at, ZONE) == f"{moved_to} 19:30"


@pytest.mark.parametrize(
    "when",
    [
        OnDay(day=1, time=HALF_PAST_SEVEN, workday=True),
        OnWeekday(weekday=4, time=HALF_PAST_SEVEN, workday=True),
        AtBest(day=1, workday=True),
    ],
)
def test_every_kind_of_local_day_can_be_moved_to_a_working_day(when: When) -> None:
    assert spoken(due(when).at, ZONE) == "9月28日 周一 19:30"


# ---------------------------------------------------------------- after what a member does


def test_who_has_not_done_it_is_waited_for() -> None:
    wait = due(ORDERED)

    assert wait.at == THURSDAY + 3 * DAY
    assert fate(wait, wait.at) is Fate.SKIPPED
    assert fate_reason(wait, Fate.SKIPPED, ZONE) == "等了 3 天，没有等到「已经下单」，跳过"


def test_who_does_it_is_written_to_so_long_after_the_last_time() -> None:
    template, walked = plan(ORDERED), journey()

    once = walked.told(template, Signal.ORDER_PAID, THURSDAY + HOUR)
    twice = once.told(template, Signal.ORDER_PAID, THURSDAY + 5 * HOUR)

    assert due(ORDERED, once).at == THURSDAY + 3 * HOUR
    assert due(ORDERED, twice).at == THURSDAY + 7 * HOUR
    assert twice.told(template, Signal.ORDER_PAID, THURSDAY + 4 * HOUR) == twice


@pytest.mark.parametrize(("signal", "at"), [(Signal.REPLIED, THURSDAY + HOUR), (Signal.ORDER_PAID, THURSDAY)])
def test_other_deeds_and_what_began_the_journey_do_not_count(signal: Signal, at: datetime) -> None:
    assert journey().told(plan(ORDERED), signal, at) == journey()


def test_what_was_done_before_its_turn_counts_and_is_not_late() -> None:
    arrived = replace(journey(), heard={Signal.ORDER_PAID: THURSDAY + HOUR}, changed=THURSDAY + 2 * DAY)

    wait = due(ORDERED, arrived)

    assert wait.at == THURSDAY + 2 * DAY
    assert fate(wait, wait.at) is Fate.ON_TIME


def test_a_journey_that_is_over_hears_nothing() -> None:
    over = replace(journey(), state=JourneyState.DONE)

    assert over.told(plan(ORDERED), Signal.ORDER_PAID, THURSDAY + HOUR) == over


# ---------------------------------------------------------------- whose clock


def test_a_journey_goes_by_its_own_clock() -> None:
    wait = due(OnDay(day=1, time=HALF_PAST_SEVEN), journey(zone="America/New_York"))

    assert spoken(wait.at, "America/New_York") == "9月25日 周五 19:30"


@pytest.mark.parametrize(
    ("zone", "weekday", "moment", "says"),
    [
        ("Asia/Shanghai", 0, time(7), "周一 07:00"),
        ("America/New_York", 5, time(20), "周六 20:00"),
    ],
)
def test_a_weekday_stays_that_weekday_where_the_reader_is(
    zone: str, weekday: int, moment: time, says: str
) -> None:
    for begins in range(14):
        wait = due(OnWeekday(weekday=weekday, time=moment), journey(THURSDAY + begins * 7 * HOUR, zone))

        assert spoken(wait.at, zone).endswith(says)


def test_nine_o_clock_stays_nine_o_clock_across_a_clock_change() -> None:
    began = at_local(date(2026, 10, 30), time(12), "America/New_York")  # clocks go back on 1 November
    moments = [due(OnDay(day=day, time=time(9)), journey(began, "America/New_York")).at for day in (1, 2, 3)]

    assert [spoken(at, "America/New_York")[-5:] for at in moments] == ["09:00"] * 3
    assert [b - a for a, b in pairwise(moments)] == [25 * HOUR, 24 * HOUR]


# ---------------------------------------------------------------- as operators write it

FILE = """
id = "plan"
name = "计划"

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "only"
when = {when}
text = "晚上好"
"""


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{ date = 2026-12-24, time = 19:30:00 }", OnDate(date=date(2026, 12, 24), time=HALF_PAST_SEVEN)),
        (
            "{ day = 3, time = 12:30:00, workday = true }",
            OnDay(day=3, time=time(12, 30), workday=True),
        ),
        ("{ best = true, day = 3 }", AtBest(day=3)),
        (
            '{ best = true, day = 3, from = 09:00:00, to = 21:00:00, window = "2h" }',
            AtBest(day=3, earliest=time(9), latest=time(21), window=2 * HOUR),
        ),
        (
            '{ after_event = "order.paid", delay = "2h", within = "3d" }',
            AfterEvent(event=Signal.ORDER_PAID, delay=2 * HOUR, within=3 * DAY),
        ),
    ],
)
def test_every_kind_is_read_and_comes_back_unchanged(written: str, meant: When) -> None:
    template = read(FILE.replace("{when}", written))

    assert template.steps[0].when == meant
    assert read(write(template)) == template


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("{ date = 2026-12-24 }", "time"),
        ("{ date = 9999-12-24, time = 19:30:00 }", "date"),
        ("{ date = 2026-12-24, day = 1, time = 19:30:00 }", "when"),
        ("{ best = true }", "day"),
        ("{ best = true, day = 0 }", "day"),
        ("{ best = true, day = 1, weekday = 'sat' }", "when"),
        ("{ best = true, day = 1, time = 19:30:00 }", "time"),
        ("{ best = true, day = 1, from = 21:00:00, to = 21:00:00 }", "to"),
        ('{ after_event = "paid" }', "after_event"),
        ('{ after_event = "order.paid", within = "0s" }', "within"),
        ('{ after = "2h", workday = true }', "workday"),
    ],
)
def test_a_mistake_is_refused_with_what_was_expected(written: str, key: str) -> None:
    with pytest.raises(TemplateError) as refused:
        read(FILE.replace("{when}", written))

    problem = refused.value.problems[0]
    assert problem.key.endswith(key)
    assert problem.expected
    assert problem.example


def test_a_group_does_nothing_one_could_wait_for() -> None:
    weekly = FILE.replace('on = "friend.added"', 'on = "weekly"\nweekday = "sat"\ntime = 09:00:00')

    with pytest.raises(TemplateError, match="群没有这样的信号"):
        read(f'subject = "group"\n{weekly}'.replace("{when}", '{ after_event = "order.paid" }'))


def test_why_says_what_is_waited_for() -> None:
    walked = replace(journey(), changed=THURSDAY)

    waiting = of_template(plan(ORDERED), ZONE, Standing(journey=walked))
    heard = of_template(
        plan(ORDERED), ZONE, Standing(journey=replace(walked, heard={Signal.ORDER_PAID: THURSDAY}))
    )

    assert waiting.line == "已进入「计划」，等对方「已经下单」，再发「only」"
    assert heard.line == "已进入「计划」，下一步还没到时候"
