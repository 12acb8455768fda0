"""The ready SOPs and the operators' page: every file and every example is read, played and said."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from pathlib import Path

import pytest
import tomlkit

from sop.audience import Facts
from sop.file import read, write
from sop.guide import KEYS
from sop.interaction import menu
from sop.journey import Journey, channel_for, next_due, next_slot
from sop.message import CAPABILITIES, Channel
from sop.render import FILTERS, WORDS, compose, words
from sop.template import Ask, AskKind, On, Subject, Template
from sop.timing import QuietHours, at_local, local, spoken

SOP = Path(__file__).parents[2] / "sop"
ZONE = "Asia/Shanghai"
THURSDAY = at_local(date(2026, 7, 2), time(19, 2), ZONE)
NIGHT = QuietHours(time(22), time(8))
TAGS = (
    "职场新人", "职场进阶", "创业人群", "在校学生", "爱提问", "待跟进", "想换口味", "待回访", "报名直播", "想看回放",
)  # fmt: skip
PEOPLE = [
    Facts(),
    *(Facts(tags=frozenset({tag})) for tag in TAGS),
]

LIBRARY = {
    path.stem: read(path.read_text(encoding="utf-8")) for path in sorted((SOP / "library").glob("*.toml"))
}
EVERY = pytest.mark.parametrize("template", LIBRARY.values(), ids=LIBRARY)


SCHEDULES = {
    "welcome": ["7月2日 周四 19:02"],
    "newcomer_group": ["7月3日 周五 19:00", "7月5日 周日 19:00", "7月9日 周四 19:00"],
    "seven_day_growth": [
        "7月3日 周五 19:30",
        "7月4日 周六 19:30",
        "7月5日 周日 19:30",
        "7月6日 周一 19:30",
        "7月7日 周二 19:30",
        "7月8日 周三 19:30",
        "7月9日 周四 19:30",
    ],
    "weekly_pick": ["7月8日 周三 19:30"],
    "weekly_light": ["7月4日 周六 19:30"],
    "topic_poll": ["7月15日 周三 19:30", "7月16日 周四 19:30", "7月24日 周五 19:30"],
    "monthly_checkin": [
        "8月1日 周六 09:30",
        "8月7日 周五 20:10",
        "8月14日 周五 20:10",
        "8月21日 周五 20:10",
        "8月28日 周五 20:10",
    ],
    "story_call": ["1月8日 周五 19:30", "1月10日 周日 19:30", "1月15日 周五 19:30"],
    "event_live": [
        "1月10日 周日 19:30",
        "1月15日 周五 19:30",
        "1月16日 周六 19:40",
        "1月17日 周日 19:30",
        "1月20日 周三 19:30",
    ],
    "repurchase": ["7月3日 周五 18:40", "7月9日 周四 18:40", "7月23日 周四 18:40"],
    "birthday": ["7月3日 周五 09:30"],
    "festival": ["9月24日 周四 16:00"],
    "coupon_winback": ["7月3日 周五 18:40", "7月7日 周二 18:40"],
}


def schedule(template: Template) -> list[str]:
    """When each step is due for who begins on Thursday evening, or at the next slot."""
    begun = next_slot(template.trigger, THURSDAY, ZONE) or THURSDAY
    walking = Journey(
        template=template.id, version=1, subject=template.subject, whom="x", run=1, anchor=begun
    )
    moments = []
    while (wait := next_due(template, walking, ZONE)) is not None:
        moments.append(spoken(wait.at, ZONE))
        walking = walking.advanced(template, wait.at)
    return moments


def test_every_ready_sop_is_played_here_and_carries_its_file_name() -> None:
    assert set(LIBRARY) == SCHEDULES.keys()
    assert all(template.id == name for name, template in LIBRARY.items())


@EVERY
def test_a_ready_sop_is_said_on_its_days(template: Template) -> None:
    assert schedule(template) == SCHEDULES[template.id]


@EVERY
def test_a_ready_sop_survives_being_written_again(template: Template) -> None:
    assert read(write(template)) == template


@EVERY
def test_every_wording_can_be_said_without_a_name_and_fits_its_channel(template: Template) -> None:
    item = template.items[0] if template.items else None
    said = words(
        day=1,
        link="https://example.com/l/abcdefghijklmnop",
        task="https://example.com/m/abcdefghijklmnop",
        joke=item.joke if item else "",
        question=item.question if item else "",
        menu=menu(item.options) if item else "",
        coupon={"name": "老朋友券"},
    )
    for step in template.steps:
        channel = channel_for(step, subject=template.subject, group_kind="customer") or Channel.GROUP_SEND
        for facts in (*PEOPLE, Facts(source="poster_0103")):
            rendered = compose(step, facts, said, longest=CAPABILITIES[channel].max_bytes)
            assert rendered.text, (step.id, rendered.problem)
            assert not rendered.problem
            assert "{" not in rendered.text
            assert "\n\n\n" not in rendered.text


@EVERY
def test_nothing_is_due_in_the_night(template: Template) -> None:
    if template.trigger.on is On.FRIEND_ADDED and template.id == "welcome":
        return
    begun = next_slot(template.trigger, THURSDAY, ZONE) or THURSDAY
    walking = Journey(
        template=template.id, version=1, subject=template.subject, whom="x", run=1, anchor=begun
    )
    while (wait := next_due(template, walking, ZONE)) is not None:
        assert not NIGHT.hold(wait.at, ZONE)
        assert local(wait.deadline, ZONE).time() <= time(22)
        walking = walking.advanced(template, wait.at)


def test_the_welcome_lives_twenty_seconds() -> None:
    [hello] = LIBRARY["welcome"].steps

    assert hello.when.window == timedelta(seconds=20)
    assert (hello.channel, hello.marketing) == (Channel.WELCOME, False)


def test_each_of_the_seven_days_has_an_article_and_a_small_task() -> None:
    plan = LIBRARY["seven_day_growth"]

    assert all(step.link and step.task for step in plan.steps)
    assert all("{{ link }}" in text and "{{ task }}" in text for step in plan.steps for text in step.texts)
    assert len({step.link for step in plan.steps}) == 7
    assert plan.exit.promoted
    assert plan.weekly_cap == 7


def test_the_light_interaction_comes_on_saturday_evening_from_a_deep_pool() -> None:
    weekly = LIBRARY["weekly_light"]
    [play] = weekly.steps

    assert weekly.subject is Subject.GROUP
    assert isinstance(play.task, Ask)
    assert play.task.kind is AskKind.LIGHT
    assert play.task.post_result
    assert len(weekly.items) >= max(12, play.task.weeks_apart)
    assert (
        len({item.joke for item in weekly.items})
        == len({item.question for item in weekly.items})
        == len(weekly.items)
    )
    assert all(
        3 <= len(item.options) <= 4 and any(option.tag for option in item.options) for item in weekly.items
    )


def test_winning_back_stops_when_the_member_buys() -> None:
    winback = LIBRARY["coupon_winback"]

    assert {str(signal) for signal in winback.exit.on} == {"order.paid", "coupon.redeemed"}
    assert winback.reentry.days == 90


# ---------------------------------------------------------------- the operators' page

PAGE = (SOP / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
MISSING = {
    "trigger": '[trigger]\non = "friend.added"\n',
    "audience": "[audience]\neveryone = true\n",
    "step": '[[step]]\nid = "x"\nwhen = { day = 0, time = 12:00:00 }\ntext = "好"\n',
}


def whole(block: str) -> str:
    """A piece of a template with the least around it that makes it whole."""
    there = tomlkit.parse(block)
    head = "" if "id" in there else 'id = "piece"\nname = "片段"\n'
    return head + block + "".join(text for key, text in MISSING.items() if key not in there)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_on_the_page_is_a_template(block: str) -> None:
    assert read(whole(block)).steps


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_on_the_page(key: str) -> None:
    assert f"`{key}`" in PAGE


@pytest.mark.parametrize("word", [*WORDS, *FILTERS])
def test_every_word_and_filter_is_on_the_page(word: str) -> None:
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("on", On)
def test_every_trigger_is_on_the_page(on: On) -> None:
    assert f'`"{on}"`' in PAGE
