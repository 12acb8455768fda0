"""Template files: every mistake is named with its place, what was expected and an example that works."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time, timedelta
from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from sop.audience import Audience, Is, Not, Some
from sop.errors import Problem, TemplateError
from sop.file import edit, read, write
from sop.guide import KEYS
from sop.interaction import Item, options_of
from sop.link import allowed, objection
from sop.message import Channel
from sop.template import (
    After,
    AfterEvent,
    Ask,
    AskKind,
    AtBest,
    CheckIn,
    Confirm,
    Exit,
    GiveCoupon,
    Goal,
    NoConfirm,
    On,
    OnDate,
    OnDay,
    OnMiss,
    OnWeekday,
    Reentry,
    Reward,
    Signal,
    Step,
    StepLink,
    Template,
    Trigger,
    Variant,
)
from sop.timing import QuietHours

GOOD = """\
# 新朋友的前七天
id = "seven"   # 编号
name = "7天成长计划"

[trigger]
on = "friend.added"

[audience]
include = '职场新人 | 创业人群'
exclude = 'tier:core'

[rules]
quiet_hours = { from = 22:00:00, to = 08:00:00 }
weekly_cap = 7
again = "30d"

[exit]
promoted = true

[[step]]
id = "day1"
when = { day = 1, time = 19:30:00, window = "2h" }
link = { url = "https://example.com/1" }
text = \"\"\"
晚上好，{{ member.name | default: "朋友" }}
今天读这篇：{{ link }}
\"\"\"

  [[step.variant]]
  for = '创业人群'
  text = "创业路上的朋友，晚上好：{{ link }}"

[[step]]
id = "day2"
when = { day = 2, time = 19:30:00 }
text = "打个卡：{{ task }}"
[step.task]
kind = "check_in"
[[step.task.reward]]
days = 7
tag = "打卡7天"
"""


def problems_of(text: str) -> tuple[Problem, ...]:
    try:
        read(text)
    except TemplateError as error:
        return error.problems
    return ()


def test_a_good_file_becomes_a_template() -> None:
    template = read(GOOD)

    assert template.trigger == Trigger(on=On.FRIEND_ADDED)
    assert template.quiet == QuietHours(time(22), time(8))
    assert template.reentry == Reentry(again=True, days=30)
    assert template.exit == Exit(promoted=True)
    assert [step.id for step in template.steps] == ["day1", "day2"]
    assert template.steps[0].when == OnDay(day=1, time=time(19, 30), window=timedelta(hours=2))
    assert template.steps[1].task == CheckIn((Reward(7, "打卡7天"),))


# One broken file for each kind of mistake: what is replaced, by what, and the line and the words of the complaint.
BROKEN = [
    ('id = "seven"', 'id = "Seven-1"', 2, "不能做编号"),
    ('id = "seven"', "id = 7", 2, "这里写的是数 7"),
    ('name = "7天成长计划"', "name = “7天成长计划”", 3, "中文引号"),
    ('name = "7天成长计划"', "name ＝ 7天", 3, "等号"),
    ('name = "7天成长计划"', "name =", 3, "没有值"),
    ('name = "7天成长计划"', "name = 成长", 3, "没有加引号"),
    ('name = "7天成长计划"', 'name = "成长', 3, "没有合上"),
    ('name = "7天成长计划"', '名字 = "成长"', 3, "只能用英文"),
    ('name = "7天成长计划"', 'name = "a"\nname = "b"', 4, "写了两次"),
    ('name = "7天成长计划"', "", 1, "缺少 name"),
    ('name = "7天成长计划"', 'name = "  "', 3, "是空的"),
    ('name = "7天成长计划"', f'name = "{"长" * 65}"', 3, "太长"),
    ("[trigger]", "[triger]", 5, "没有 triger 这个键"),
    ("[trigger]", "[trigger]\n[trigger]", 6, "写了两次"),
    ("friend.added", "freind.added", 6, "freind.added"),
    ('on = "friend.added"', 'on = "tag.added"', 5, "缺少 tag"),
    ('on = "friend.added"', 'on = "weekly"\nweekday = "someday"\ntime = 9:00', 8, "时间写法"),
    ('on = "friend.added"', 'on = "weekly"\nweekday = "someday"\ntime = 09:00:00', 7, "不是星期几"),
    ('on = "friend.added"', 'on = "silence"\ndays = 0', 7, "超出了范围"),
    ('on = "friend.added"', 'on = "date"\ndate = 2026-13-01\ntime = 09:00:00', 7, "日期写法"),
    ('on = "friend.added"', 'on = "date"\ndate = 2026-10-01T09:00:00\ntime = 09:00:00', 7, "日期加时间"),
    ("include = ", "everyone = true\ninclude = ", 10, "include 不起作用"),
    ("include = '职场新人 | 创业人群'", "", 8, "谁也收不到"),
    ("'职场新人 | 创业人群'", "'职场新人 | | 创业人群'", 9, "缺少一个标签"),
    ("'职场新人 | 创业人群'", "''", 9, "缺少一个标签"),
    ("tier:core", "tier:gold", 10, "没有 “tier:gold”"),
    ("from = 22:00:00", 'from = "22:00"', 13, "是文字，不是时间"),
    ("to = 08:00:00", "to = 22:00:00", 13, "一样"),
    ("weekly_cap = 7", "weekly_cap = 7.5", 14, "这里写的是数 7.5"),
    ("weekly_cap = 7", "weekly_cap = true", 14, "这里写的是true"),
    ("weekly_cap = 7", "weekly_cap = -1", 14, "超出了范围"),
    ("weekly_cap = 7", "weekly_caps = 7", 14, "没有 weekly_caps 这个键"),
    ("weekly_cap = 7", "hold_out = 0.9", 14, "超出了范围"),
    ('again = "30d"', 'again = "a month"', 15, "不是时长"),
    ('again = "30d"', 'again = "36h"', 15, "不是整天数"),
    ("promoted = true", "promoted = 1", 18, "这里写的是数 1"),
    ("promoted = true", 'on = ["order.payed"]', 18, "order.payed"),
    ('id = "day2"', 'id = "day1"', 34, "用过了"),
    ("day = 2", "day = 0", 35, "比上一步还早"),
    ("day = 2", 'day = 2, after = "1h"', 35, "只能写一个"),
    ("day = 2, time = 19:30:00", "", 35, "没有写清楚"),
    ("day = 2, time = 19:30:00", 'day = 2, time = "19:30"', 35, "是文字，不是时间"),
    ("day = 2, time = 19:30:00", "day = 2", 35, "缺少 time"),
    ('window = "2h"', 'window = "0s"', 22, "窗口是 0"),
    ('window = "2h"', "window = 2", 22, "这里写的是数 2"),
    ('id = "day2"', 'id = "day2"\nchannel = "sms"', 35, "sms"),
    ('id = "day2"', 'id = "day2"\nchannel = "webhook"', 35, "到不了成员"),
    ('id = "day2"', 'id = "day2"\non_no_confirm = { do = "deputy" }', 35, "缺少 deputy"),
    ('id = "day2"', 'id = "day2"\nsuccess = "clicked"', 35, "clicked"),
    ("https://example.com/1", "javascript:alert(1)", 23, "http"),
    ("https://example.com/1", "https://a:b@example.com/", 23, "密码"),
    ("{{ link }}\n", "{{ lnik }}\n", 26, "没有变量 lnik"),
    ("{{ link }}\n", "{{ link \n", 26, "模板写法有误"),
    ("{{ link }}\n", "{{ link | upper }}\n", 26, "没有过滤器 upper"),
    ("{{ link }}\n", "{% include 'x' %}\n", 26, "include"),
    ("{{ link }}\n", "{{ coupon.name }}\n", 24, "这一步不发券"),
    (' | default: "朋友"', "", 25, "可能走群发"),
    ('id = "day1"', 'id = "day1"\nchannel = "group_send"', 26, "群发"),
    ("打个卡：{{ task }}", "{{ link }}", 36, "没有 link"),
    ("打个卡：{{ task }}", "{{ joke }}", 36, "题库"),
    ("打个卡：{{ task }}", "长" * 700, 36, "放不下"),
    ("创业路上的朋友", "{{ member.nam }}", 31, "没有变量 member.nam"),
    ("for = '创业人群'", "", 29, "缺少 for"),
    ('kind = "check_in"', 'kind = "checkin"', 38, "checkin"),
    ('kind = "check_in"', 'kind = "coupon"', 37, "缺少 batch"),
    ('kind = "check_in"', 'kind = "light"', 1, "题库是空的"),
    ('kind = "check_in"', 'kind = "poll"\nquestion = "?"\noptions = ["a"]', 40, "1 个选项"),
    ('kind = "check_in"', 'kind = "poll"\nquestion = "?"\noptions = ["a", "a"]', 40, "一样"),
    ('kind = "check_in"', 'kind = "poll"\nquestion = "?"\noptions = ["a", 3]', 40, "不是文字"),
    ('kind = "check_in"', 'kind = "link"', 37, "要有 link"),
    ("days = 7", "days = 0", 40, "超出了范围"),
    ('tag = "打卡7天"', "", 40, "没有写奖励什么"),
    ("[[step.task.reward]]", "[step.task.reward]", 39, "这里写的是一张表"),
]


@pytest.mark.parametrize(("good", "bad", "line", "says"), BROKEN, ids=lambda value: str(value)[:30])
def test_a_mistake_is_named_with_its_line_and_a_way_out(good: str, bad: str, line: int, says: str) -> None:
    assert good in GOOD

    problems = problems_of(GOOD.replace(good, bad, 1))

    found = [problem for problem in problems if problem.line == line and says in problem.reason]
    assert found, [str(problem) for problem in problems]
    assert all(problem.expected and problem.column >= 1 for problem in found)
    assert all(problem.example for problem in found)


def test_all_mistakes_are_named_at_once_in_the_order_of_lines() -> None:
    problems = problems_of(
        GOOD.replace("19:30:00", '"19:30"').replace("friend.added", "friend").replace("7天", "")
    )

    assert [problem.line for problem in problems] == [6, 22, 35]
    assert [problem.key for problem in problems] == ["trigger.on", "step[1].when.time", "step[2].when.time"]


def test_a_text_for_a_time_is_answered_with_that_time() -> None:
    [problem, *_] = problems_of(GOOD.replace("time = 19:30:00", 'time = "7:30"', 1))

    assert problem.example == "time = 07:30:00"


def test_the_column_of_an_expression_points_into_it() -> None:
    [problem] = problems_of(GOOD.replace("tier:core", "已购 & tier:gold"))

    assert (problem.line, problem.column) == (10, 17)


def test_the_column_of_a_text_points_into_it() -> None:
    [problem] = problems_of(GOOD.replace("{{ link }}\n", "{{ now }}\n"))

    assert (problem.line, problem.column) == (26, 10)


def test_the_source_is_named() -> None:
    with pytest.raises(TemplateError) as refused:
        read("id = 1", source="mine.toml")

    assert str(refused.value).startswith("mine.toml:1:1 ")


def test_a_group_has_no_tags_and_no_events_of_its_own() -> None:
    problems = problems_of(GOOD.replace('name = "7', 'subject = "group"\nname = "7'))

    assert {"trigger.on", "audience.include", "audience.exclude"} <= {problem.key for problem in problems}


def test_nobody_but_its_owner_can_confirm_for_a_group() -> None:
    group = GOOD.replace('name = "7', 'subject = "group"\nname = "7')

    problems = problems_of(
        group.replace('id = "day2"', 'id = "day2"\non_no_confirm = { do = "deputy", deputy = "suhe" }')
    )

    assert "群里的消息只有群主能确认，换不了人" in [problem.reason for problem in problems]


@pytest.mark.parametrize("text", ["", "[[[", "a" * 300_000, "\x00", "[[step]]\n" * 50, "a = [" * 2000])
def test_a_file_of_rubbish_is_refused(text: str) -> None:
    assert problems_of(text)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 8), st.text(alphabet="[]{}=\"'#\n,.:a1职", max_size=4))
def test_a_damaged_file_is_read_or_refused_but_never_breaks(at: int, size: int, put: str) -> None:
    damaged = GOOD[:at] + put + GOOD[at + size :]

    assert all(1 <= problem.line <= damaged.count("\n") + 1 for problem in problems_of(damaged))


WRONG: list[Any] = [
    3,
    "x",
    True,
    1.5,
    [],
    [1],
    {},
    {"a": 1},
    [{}],
    [[1]],
    time(1),
    date(2026, 1, 1),
    "",
    -5,
    float("nan"),
]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from paths(one, (*path, key))


@pytest.mark.parametrize("path", list(paths(tomlkit.parse(GOOD).unwrap())), ids=str)
def test_a_value_of_any_other_kind_is_refused_or_read_but_never_breaks(path: tuple[Any, ...]) -> None:
    for value in WRONG:
        changed = tomlkit.parse(GOOD).unwrap()
        holder = changed
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = value

        assert all(problem.reason for problem in problems_of(tomlkit.dumps(changed)))


# ---------------------------------------------------------------- writing

NAMES = st.sampled_from(["a", "b2", "day_1", "seven_days"])
TEXTS = st.sampled_from(
    ["晚上好", "第一行\n第二行\n", "\n空行开头", '引号"和\\反斜杠', "'''", '"""', "  空格 ", "{{ day }}"]
)
AUDIENCES = st.sampled_from([Is("职场新人"), Not(Is("已购")), Some((Is("a b"), Is('c"d')))])
SPANS = st.integers(1, 10**6).map(lambda seconds: timedelta(seconds=seconds))
MOMENTS = st.builds(time, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
DATES = st.dates(date(2000, 1, 1), date(2099, 12, 31))
OPTIONS = st.sampled_from(
    [options_of([("美式", "美式党"), ("拿铁", "")]), options_of([("a", ""), ("b", "c"), ("d", "")])]
)
TASKS = st.one_of(
    st.none(),
    st.builds(CheckIn, st.sampled_from([(), (Reward(7, "t"), Reward(14, coupon="c"))])),
    st.builds(Ask, kind=st.just(AskKind.POLL), question=st.just("？"), options=OPTIONS, closes=SPANS),
    st.builds(Ask, kind=st.just(AskKind.QUESTION), question=st.just("？"), closes=SPANS),
    st.builds(
        Ask,
        kind=st.just(AskKind.LIGHT),
        closes=SPANS,
        post_result=st.booleans(),
        weeks_apart=st.integers(1, 9),
    ),
    st.just(GiveCoupon("summer")),
)
WHENS = st.one_of(
    st.builds(OnDay, day=st.integers(0, 9), time=MOMENTS, window=SPANS),
    st.builds(OnWeekday, weekday=st.integers(0, 6), time=MOMENTS, week=st.integers(1, 4), window=SPANS),
    st.builds(After, delay=SPANS, window=SPANS),
    st.builds(OnDate, date=DATES, time=MOMENTS, window=SPANS, workday=st.booleans()),
    st.builds(AtBest, day=st.integers(1, 9), window=SPANS, workday=st.booleans()),
    st.builds(AfterEvent, event=st.sampled_from(Signal), delay=SPANS, within=SPANS, window=SPANS),
)
STEPS = st.builds(
    Step,
    id=NAMES,
    when=WHENS,
    text=TEXTS,
    name=st.sampled_from(["", "第一天"]),
    channel=st.sampled_from([None, Channel.KF, Channel.GROUP_SEND]),
    variants=st.lists(st.builds(Variant, AUDIENCES, TEXTS), max_size=2).map(tuple),
    link=st.sampled_from([None, StepLink("https://example.com/1", "第一课"), StepLink("/m/me")]),
    task=TASKS,
    on_miss=st.sampled_from(OnMiss),
    confirm=st.sampled_from([Confirm(), Confirm(NoConfirm.DEPUTY, timedelta(hours=1), "zhangsan")]),
    success=st.sampled_from([None, Signal.LINK_VISITED]),
    marketing=st.booleans(),
)
TRIGGERS = st.one_of(
    st.sampled_from(
        [Trigger(on=on) for on in (On.FRIEND_ADDED, On.MEMBER_JOINED, On.ORDER_PAID, On.GROUP_JOINED)]
    ),
    st.just(Trigger(on=On.TAG_ADDED, tag="已购")),
    st.just(Trigger(on=On.TIER_CHANGED, tier="core")),
    st.builds(Trigger, on=st.just(On.SILENCE), days=st.integers(1, 365)),
    st.builds(Trigger, on=st.just(On.WEEKLY), weekday=st.integers(0, 6), time=MOMENTS),
    st.builds(Trigger, on=st.just(On.MONTHLY), day=st.integers(1, 31), time=MOMENTS),
    st.builds(Trigger, on=st.just(On.DATE), date=DATES, time=MOMENTS),
)
ITEM = Item("coffee", "段子\n两行", "喝什么？", options_of([("美式", "美式党"), ("拿铁", "")]))
TEMPLATES = st.builds(
    Template,
    id=NAMES,
    name=st.sampled_from(["7天", 'a"b']),
    version=st.integers(1, 9),
    description=st.sampled_from(["", "说明"]),
    trigger=TRIGGERS,
    audience=st.builds(Audience, include=AUDIENCES, exclude=st.none() | AUDIENCES)
    | st.just(Audience(everyone=True)),
    steps=STEPS.map(lambda step: (step,)),
    exit=st.builds(Exit, promoted=st.booleans(), left=st.booleans(), tags=st.none() | AUDIENCES)
    | st.just(Exit(on=frozenset({Signal.ORDER_PAID, Signal.REPLIED}))),
    goal=st.sampled_from([None, Goal(Signal.PROMOTED), Goal(tag="已购", within_days=3)]),
    quiet=st.sampled_from([None, QuietHours(time(22), time(8))]),
    weekly_cap=st.sampled_from([None, 0, 3]),
    reentry=st.sampled_from([Reentry(), Reentry(again=True), Reentry(again=True, days=90)]),
    hold_out=st.sampled_from([0.0, 0.1, 0.5]),
    approval_above=st.sampled_from([None, 500]),
    items=st.just((ITEM,)),
)


@settings(max_examples=150, deadline=None)
@given(TEMPLATES)
def test_what_is_written_is_read_back_equal(template: Template) -> None:
    assert read(write(template)) == template


def test_an_edit_keeps_comments_order_and_spacing() -> None:
    edited = edit(
        GOOD, {("step", 0, "text"): "换一句\n", ("rules", "weekly_cap"): 3, ("exit", "promoted"): None}
    )

    assert read(edited).weekly_cap == 3
    assert read(edited).steps[0].text == "换一句\n"
    kept = [line for line in GOOD.splitlines() if "member.name" not in line and "今天读" not in line]
    lost = [line for line in kept if line not in edited.splitlines()]
    assert lost == ["weekly_cap = 7", "promoted = true"]


def test_an_edit_of_nothing_changes_nothing() -> None:
    assert edit(GOOD, {}) == GOOD


def test_an_edit_can_open_a_table() -> None:
    assert read(edit(GOOD, {("goal", "tag"): "已购"})).goal == Goal(tag="已购")


# ---------------------------------------------------------------- the guide


def test_every_example_of_the_guide_is_toml_or_part_of_it() -> None:
    for key, guide in KEYS.items():
        assert guide.expected, key
        tomlkit.parse(f"x = {guide.example}" if guide.example.startswith("{") else guide.example)


# ---------------------------------------------------------------- links


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//example.com",
        "example.com",
        "http://",
        "https://a:b@example.com",
        "https://example.com/a b",
        "https://example.com\\@evil",
        "https://example.com/\u200b",
        "https://[::1",
        "https://example.com:99999",
        "/m/../console",
        "/console/",
        "ftp://example.com",
        "https://" + "a" * 3000,
        "",
    ],
)
def test_a_link_leads_only_where_operators_may_send_people(url: str) -> None:
    assert objection(url)


@pytest.mark.parametrize("url", ["https://example.com/a?b=c#d", "http://例子.中国/文章", "/m/check-in"])
def test_ordinary_addresses_and_our_own_pages_are_allowed(url: str) -> None:
    assert allowed(url)
