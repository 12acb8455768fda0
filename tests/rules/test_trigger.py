"""Triggers of the calendar: holidays, and days kept of members."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from sop.errors import TemplateError
from sop.field import MemberDate, anniversaries, read_members
from sop.file import read, write
from sop.holiday import holiday_on, is_workday
from sop.journey import next_slot, starts
from sop.template import On, Trigger
from sop.update import TagChanged
from sop.zone import is_zone

ZONE = "Asia/Shanghai"
NINE = time(9)
PLAN = """
id = "plan"
name = "计划"
[trigger]
{trigger}
[audience]
everyone = true
[[step]]
id = "one"
when = {{ day = 0, time = 19:30:00 }}
text = "节日好"
"""


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "name", "workday"),
    [
        (date(2026, 2, 14), "", True),  # a Saturday made up for
        (date(2026, 2, 15), "春节", False),
        (date(2026, 2, 23), "春节", False),
        (date(2026, 2, 24), "", True),
        (date(2026, 10, 10), "", True),
        (date(2026, 11, 21), "", False),
        (date(2025, 10, 6), "国庆节", False),
    ],
)
def test_the_calendar_is_the_announced_one(day: date, name: str, workday: bool) -> None:
    assert (holiday_on(day), is_workday(day)) == (name, workday)


@pytest.mark.parametrize(
    ("holiday", "before", "after", "slot"),
    [
        ("春节", 0, at(2026, 1, 1), at(2026, 2, 15, 1)),
        ("春节", 3, at(2026, 1, 1), at(2026, 2, 12, 1)),
        ("", 0, at(2026, 6, 1), at(2026, 6, 19, 1)),
        ("", 0, at(2026, 6, 19, 1), at(2026, 9, 25, 1)),
        ("", 1, at(2026, 6, 18, 0, 59), at(2026, 6, 18, 1)),
        ("元旦", 0, at(2026, 1, 2), None),  # 2027 is not announced: nothing is guessed
    ],
)
def test_a_holiday_begins_on_its_first_day(
    holiday: str, before: int, after: datetime, slot: datetime | None
) -> None:
    trigger = Trigger(on=On.HOLIDAY, holiday=holiday, days_before=before, time=NINE)

    assert next_slot(trigger, after, ZONE) == slot


def test_a_day_of_members_is_looked_at_every_day_at_its_time() -> None:
    trigger = Trigger(on=On.DATE_FIELD, field="birthday", time=NINE)

    assert next_slot(trigger, at(2026, 3, 1, 0), ZONE) == at(2026, 3, 1, 1)
    assert next_slot(trigger, at(2026, 3, 1, 1), ZONE) == at(2026, 3, 2, 1)


@pytest.mark.parametrize(
    ("day", "kept"),
    [
        (date(2026, 2, 28), ("02-28", "02-29")),
        (date(2028, 2, 28), ("02-28",)),
        (date(2028, 2, 29), ("02-29",)),
        (date(2026, 3, 1), ("03-01",)),
    ],
)
def test_the_29th_of_february_is_kept_once_every_year(day: date, kept: tuple[str, ...]) -> None:
    assert anniversaries(day) == kept


def test_a_tag_taken_away_starts_what_waits_for_it() -> None:
    trigger = Trigger(on=On.TAG_REMOVED, tag="暂停")
    removed = TagChanged(at=at(2026, 1, 1), member="lin", tag="暂停", added=False, reason="")

    assert starts(trigger, removed)
    assert not starts(Trigger(on=On.TAG_ADDED, tag="暂停"), removed)


@pytest.mark.parametrize(
    "trigger",
    [
        'on = "holiday"\nholiday = "any"\ntime = 09:00:00',
        'on = "holiday"\nholiday = "春节"\ntime = 09:00:00\ndays_before = 2',
        'on = "date_field"\nfield = "birthday"\ntime = 09:00:00\ndays_before = 1',
        'on = "tag.removed"\ntag = "暂停"',
    ],
)
def test_what_is_read_is_written_alike(trigger: str) -> None:
    plan = read(PLAN.format(trigger=trigger))

    assert read(write(plan)) == plan


@pytest.mark.parametrize(
    ("trigger", "key"),
    [
        ('on = "holiday"\nholiday = "圣诞节"\ntime = 09:00:00', "trigger.holiday"),
        ('on = "holiday"\ntime = 09:00:00', "trigger.holiday"),
        ('on = "date_field"\ntime = 09:00:00', "trigger.field"),
        ('on = "date_field"\nfield = "birthday"\ntime = 09:00:00\ndays_before = 99', "trigger.days_before"),
    ],
)
def test_a_wrong_trigger_is_refused_at_its_key(trigger: str, key: str) -> None:
    with pytest.raises(TemplateError) as refused:
        read(PLAN.format(trigger=trigger))

    [problem] = refused.value.problems
    assert problem.key == key
    assert problem.expected
    assert problem.example


def test_days_are_read_from_a_file() -> None:
    brought = read_members(
        "\ufeffmember,birthday,入会\r\nlin,1990-02-28,2024-01-05\r\nzhou,,2024-02-01\r\n\r\n"
    )

    assert brought.dates == [
        MemberDate("lin", "birthday", date(1990, 2, 28), 2),
        MemberDate("lin", "入会", date(2024, 1, 5), 2),
        MemberDate("zhou", "入会", date(2024, 2, 1), 3),
    ]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ("name,birthday\n", 1, 1),
        ("member,a,a\n", 1, 3),
        ("member,birthday\nlin,1990-2-28\n", 2, 2),
        ("member,birthday\nlin,1990-02-30\n", 2, 2),
        ("member,birthday\n,1990-02-28\n", 2, 1),
        ("member,birthday\nlin,1990-02-28,x\n", 2, 3),
        ("member,birthday\nlin,1990-02-28\nlin,1990-03-01\n", 3, 2),
        ("member,zone\nlin,CST\n", 2, 2),
        ("member,zone\nlin,Asia/Shanghai\nlin,Europe/Berlin\n", 3, 2),
    ],
)
def test_a_file_with_a_mistake_is_refused_where_it_is(text: str, line: int, column: int) -> None:
    with pytest.raises(TemplateError) as refused:
        read_members(text)

    problem = refused.value.problems[0]
    assert (problem.line, problem.column) == (line, column)
    assert problem.expected


def test_zones_are_read_from_the_same_file() -> None:
    brought = read_members("member,birthday,时区\nlin,,America/New_York\nzhou,1990-02-28,\n")

    assert brought.zones == {"lin": "America/New_York"}
    assert [one.member for one in brought.dates] == ["zhou"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("asia/shanghai", "Asia/Shanghai"),
        ("Asia/Shanghia", "Asia/Shanghai"),
        ("New York", "America/New_York"),
        ("berlin", "Europe/Berlin"),
        ("北京", "Asia/Shanghai"),
    ],
)
def test_a_zone_that_is_none_is_answered_with_the_nearest(written: str, meant: str) -> None:
    with pytest.raises(TemplateError) as refused:
        read_members(f"member,zone\nlin,{written}\n")

    [problem] = refused.value.problems
    assert problem.example == meant
    assert is_zone(meant)
