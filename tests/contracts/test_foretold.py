"""What a rehearsal foretells is what happens: generated plans and communities, recipient by recipient, to the second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from sop.errors import TemplateError
from sop.file import read
from sop.quota import Span
from sop.timing import QuietHours
from storage.engine import SqliteDatabase
from storage.policy import House
from storage.tables import metadata
from tests.contracts.foretold import Case, Chat, Person, Told, both

START = datetime(
    2026, 3, 5, 11, 0, tzinfo=UTC
)  # Thursday, 19:00 in Shanghai; New York's clocks change on Sunday
DAYS = 9
FEW = 25
Play = Callable[[Case], tuple[Told, Told]]
HOURS = st.sampled_from(
    ["08:00:00", "12:30:00", "19:00:00", "19:30:00", "19:40:00", "21:00:00", "22:30:00", "23:50:00"]
)
SPANS = st.sampled_from(["30m", "2h", "5h", "24h", "3d"])
ZONES = st.sampled_from(["", "", "America/New_York", "Europe/Berlin", "Pacific/Auckland"])
PUSHED = st.lists(
    st.integers(1, 8 * 24 * 4).map(lambda n: timedelta(minutes=15 * n)), max_size=3, unique=True
).map(tuple)
HEAD = """
id = "plan"
name = "计划"
subject = "{subject}"

[trigger]
{trigger}

[audience]
{audience}

[rules]
{rules}

[exit]
{exit}
"""


# ---------------------------------------------------------------- what is generated


@st.composite
def moments(draw: st.DrawFn, number: int, *, personal: bool) -> str:
    """When a step is due, in one of the seven ways."""
    day, hour, workday = (
        number + draw(st.integers(0, 1)),
        draw(HOURS),
        draw(st.sampled_from(["", ", workday = true"])),
    )
    ways = [
        f"day = {day}, time = {hour}{workday}",
        f'weekday = "{draw(st.sampled_from(["fri", "sat", "mon"]))}", time = {hour}',
        f"date = 2026-03-{5 + day:02d}, time = {hour}",
        f'after = "{draw(SPANS)}"',
        f"best = true, day = {day + 1}{workday}",
    ]
    if number:
        ways.append(f'wait = "{draw(SPANS)}"')
    if personal:
        ways.append(f'after_event = "answered", delay = "{draw(SPANS)}", within = "{draw(SPANS)}"')
    return f'{{ {draw(st.sampled_from(ways))}, window = "{draw(SPANS)}" }}'


@st.composite
def steps(draw: st.DrawFn, number: int, count: int, *, personal: bool, arms: bool) -> str:
    """One step: perhaps by another channel, without its words, with a variant, or with branches."""
    channel = draw(st.sampled_from(["", "", 'channel = "kf"\n'])) if personal else ""
    text, more = draw(st.sampled_from(WORDS if personal else WORDS[:4] + WORDS[-1:]))
    if channel and draw(st.booleans()):
        text = "你好，{{ member.name }}"
    lines = [
        f'[[step]]\nid = "s{number}"\nwhen = {draw(moments(number, personal=personal))}\n{channel}'
        f'on_miss = "{draw(st.sampled_from(["late", "skip", "ask"]))}"\ntext = "第 {number} 句：{text}"\n{more}'
    ]
    if draw(st.integers(0, 4)) == 0:
        lines[0] += "marketing = false\n"
    further = [f"s{at}" for at in range(number + 1, count)] + ["end"]
    kind = draw(st.integers(0, 3))
    if personal and kind == 0:
        ways = [("answered", draw(st.sampled_from(further))), ("else", draw(st.sampled_from(further)))]
        lines[0] += f'decide = "{draw(SPANS)}"\n'
        lines += [f'[[step.branch]]\non = "{on}"\nto = "{to}"\n' for on, to in ways]
    elif kind == 1:
        lines[0] += f'then = "{draw(st.sampled_from(further))}"\n'
    if personal and draw(st.booleans()):
        lines.append('[[step.variant]]\nfor = "甲"\ntext = "给甲的一句"\n')
    if arms:
        lines.append('[[step.variant]]\narm = "问句"\ntext = "问一句？"\n')
    return "\n".join(lines)


WORDS = [
    ("在吗", ""),
    ("在吗", ""),
    ("晚上好", ""),
    ("读这篇 {{ link }}", 'link = { url = "https://example.com/1" }\n'),
    ("打个卡 {{ task }}", 'task = { kind = "check_in" }\n'),
    ("送你一张 {{ coupon.name }}", 'task = { kind = "coupon", batch = "没有这个" }\n'),
    ("在群里吗 {{ group.name }}", ""),
]
TRIGGERS = {
    "member": ['on = "friend.added"', 'on = "date_field"\nfield = "生日"\ntime = 10:00:00'],
    "group": [],
    "": ['on = "weekly"\nweekday = "fri"\ntime = 12:00:00', 'on = "weekly"\nweekday = "thu"\ntime = 19:00:00',
         'on = "date"\ndate = 2026-03-06\ntime = 23:30:00', 'on = "monthly"\nday = 6\ntime = 08:30:00'],
}  # fmt: skip


@st.composite
def plans(draw: st.DrawFn, *, personal: bool) -> str:
    subject, count = "member" if personal else "group", draw(st.integers(1, 4))
    arms = draw(st.booleans())
    rules = [
        draw(
            st.sampled_from(
                ["", "weekly_cap = 1", "weekly_cap = 2", "weekly_cap = 3", "weekly_cap = 7", "weekly_cap = 0"]
            )
        ),
        draw(
            st.sampled_from(
                [
                    "",
                    "quiet_hours = { from = 19:20:00, to = 20:05:00 }",
                    "quiet_hours = { from = 21:30:00, to = 08:10:00 }",
                ]
            )
        ),
        draw(st.sampled_from(["", "hold_out = 0.3"])),
    ]
    audience = ["everyone = true"] + (
        ["include = '甲 | 乙'", "include = '!甲'"] if personal else ["include = 'kind:customer'"]
    )
    exits = ["", "tags = '丙'", 'on = ["answered"]'] if personal else [""]
    head = HEAD.format(
        subject=subject,
        trigger=draw(st.sampled_from(TRIGGERS[subject] + TRIGGERS[""])),
        audience=draw(st.sampled_from(audience)),
        rules="\n".join(rules),
        exit=draw(st.sampled_from(exits)),
    )
    arm = '[[arm]]\nname = "问句"\nshare = 0.5\n' if arms else ""
    said = [draw(steps(at, count, personal=personal, arms=arms)) for at in range(count)]
    return "\n".join([head, arm, *said])


def readable(text: str) -> bool:
    """Steps out of order are refused, and so is a personal word where one text goes to many."""
    try:
        read(text)
    except TemplateError:
        return False
    return True


@st.composite
def people(draw: st.DrawFn) -> tuple[Person, ...]:
    found = [draw(st.builds(
        Person,
        id=st.just(f"wm{number}"),
        name=st.sampled_from(["", "小林"]),
        tags=st.sets(st.sampled_from("甲乙丙"), max_size=2).map(lambda tags: tuple(sorted(tags))),
        friend=st.sampled_from(["linmo", "linmo", "linmo", "suhe", "suhe", ""]),
        half=st.sampled_from([False, False, False, True]),
        opted_out=st.sampled_from([False, False, False, True]),
        zone=ZONES,
        pushed=PUSHED,
        spent=st.sampled_from([None, None, None, None, timedelta(days=1), timedelta(days=3)]),
        wrote=st.sampled_from([None, timedelta(hours=1), timedelta(hours=40)]),
        day=st.sampled_from([None, date(1990, 3, 6), date(1990, 3, 8)]),
    )) for number in range(draw(st.integers(2, 6)))]  # fmt: skip
    return tuple(found)


@st.composite
def chats(draw: st.DrawFn) -> tuple[Chat, ...]:
    found = [draw(st.builds(
        Chat,
        id=st.just(f"wr{number}"),
        kind=st.sampled_from(["customer", "customer", "internal", "imported"]),
        owner=st.sampled_from(["suhe", "linmo", ""]),
        zone=ZONES,
        pushed=PUSHED,
    )) for number in range(draw(st.integers(2, 4)))]  # fmt: skip
    return tuple(found)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    personal = draw(st.integers(0, 3)) > 0
    house = House(
        weekly_cap=draw(st.sampled_from([None, 1, 3, 7])),
        quiet=draw(st.sampled_from([None, QuietHours(time(22), time(9)), QuietHours(time(12), time(13))])),
        spacing=draw(st.sampled_from([timedelta(), timedelta(minutes=30), timedelta(hours=6)])),
        hour_hold_out=draw(st.sampled_from([0.0, 0.5, 1.0])),
        group_send_limit=draw(st.sampled_from([Span.MONTH, Span.MONTH, Span.WEEK, Span.DAY])),
    )  # fmt: skip
    return Case(
        text=draw(plans(personal=personal).filter(readable)),
        start=START,
        days=DAYS,
        people=draw(people()) if personal else (),
        chats=() if personal else draw(chats()),
        house=house,
        answer_rate=draw(st.sampled_from([0.0, 0.5, 1.0])),
    )


# ---------------------------------------------------------------- the law


@contextmanager
def theatre(folder: Path) -> Iterator[Play]:
    """Plays one case after another over one database, so that its statements are compiled once."""
    with asyncio.Runner() as runner:
        db = SqliteDatabase(f"sqlite:///{folder / 'foretold.sqlite'}", synchronous="OFF")
        runner.run(db.__aenter__())
        try:
            runner.run(db.write(metadata.create_all))
            yield lambda case: runner.run(both(db, case))
        finally:
            runner.run(db.__aexit__(None, None, None))


def law(folder: Path, examples: int) -> None:
    """What is foretold happens, of so many cases."""
    with theatre(folder) as play:

        @seed(20260305)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(cases())
        def holds(case: Case) -> None:
            foretold, happened = play(case)

            assert foretold.lines == happened.lines
            assert foretold.tasks == happened.tasks

        holds()


def test_a_rehearsal_foretells_what_happens(tmp_path: Path) -> None:
    law(tmp_path, FEW)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_rehearsal_foretells_what_happens_in_five_hundred_communities(tmp_path: Path) -> None:
    law(tmp_path, 500)
