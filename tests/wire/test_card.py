"""Template cards: what each sort looks like, and what the platform would refuse is refused at home."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.simulator import card as platform
from bot.wecom.card import card_body
from sop.card import (
    Action,
    Beside,
    Button,
    Buttons,
    Card,
    Colour,
    Fact,
    Jump,
    Menu,
    Notice,
    Opening,
    Picker,
    Picture,
    PictureNotice,
    Questionnaire,
    Quote,
    Source,
    Style,
    Vote,
)
from sop.errors import Refused

WEB = Opening(url="https://qx.example.org/d")
MINI = Opening(app_id="wx1", page="a")
SOURCE = Source("群星", icon="https://qx.example.org/i.png", colour=Colour.RED)
MENU = Menu("更多", (Action("mute", "七天内不提醒"),))
TEA = (Action("tea", "冷泡茶"), Action("latte", "燕麦拿铁"))

CARDS: dict[str, tuple[Card, dict[str, Any]]] = {
    "a notice": (
        Notice(
            title="进阶群",
            text="本周",
            source=SOURCE,
            emphasis=("48", "次互动"),
            quote=Quote("上周 61 次", "对比", WEB),
            note="低于 50 次",
            facts=(
                Fact("群主", "林墨", staff="linmo"),
                Fact("看板", "打开", url=WEB.url),
                Fact("附件", "表", media="M"),
            ),
            jumps=(Jump("看全部", MINI), Jump("一行字")),
            opens=WEB,
        ),
        {
            "card_type": "text_notice",
            "main_title": {"title": "进阶群", "desc": "本周"},
            "source": {"icon_url": "https://qx.example.org/i.png", "desc": "群星", "desc_color": 2},
            "emphasis_content": {"title": "48", "desc": "次互动"},
            "quote_area": {"type": 1, "url": WEB.url, "title": "对比", "quote_text": "上周 61 次"},
            "sub_title_text": "低于 50 次",
            "horizontal_content_list": [
                {"keyname": "群主", "value": "林墨", "type": 3, "userid": "linmo"},
                {"keyname": "看板", "value": "打开", "type": 1, "url": WEB.url},
                {"keyname": "附件", "value": "表", "type": 2, "media_id": "M"},
            ],
            "jump_list": [
                {"type": 2, "appid": "wx1", "pagepath": "a", "title": "看全部"},
                {"type": 0, "title": "一行字"},
            ],
            "card_action": {"type": 1, "url": WEB.url},
        },
    ),
    "a notice with a picture": (
        PictureNotice(
            title="上新",
            picture=Picture("https://qx.example.org/p.png", 1.5),
            beside=Beside("https://qx.example.org/b.png", "杯", "新色", WEB),
            passages=(("一", "甲"),),
            opens=MINI,
        ),
        {
            "card_type": "news_notice",
            "main_title": {"title": "上新"},
            "card_image": {"url": "https://qx.example.org/p.png", "aspect_ratio": 1.5},
            "image_text_area": {
                "type": 1,
                "url": WEB.url,
                "image_url": "https://qx.example.org/b.png",
                "title": "杯",
                "desc": "新色",
            },
            "vertical_content_list": [{"title": "一", "desc": "甲"}],
            "card_action": {"type": 2, "appid": "wx1", "pagepath": "a"},
        },
    ),
    "buttons": (
        Buttons(
            title="确认？",
            buttons=(Button("yes", "确认", Style.STRONG),),
            picker=Picker("who", TEA, "选谁", chosen="tea"),
        ),
        {
            "card_type": "button_interaction",
            "main_title": {"title": "确认？"},
            "button_selection": {
                "question_key": "who",
                "title": "选谁",
                "selected_id": "tea",
                "option_list": [{"id": "tea", "text": "冷泡茶"}, {"id": "latte", "text": "燕麦拿铁"}],
            },
            "button_list": [{"text": "确认", "style": 2, "key": "yes"}],
        },
    ),
    "a vote": (
        Vote(title="喝什么？", key="q", options=TEA, many=True, checked=("tea",), closed=True, submit="投票"),
        {
            "card_type": "vote_interaction",
            "main_title": {"title": "喝什么？"},
            "checkbox": {
                "question_key": "q",
                "mode": 1,
                "option_list": [
                    {"id": "tea", "text": "冷泡茶", "is_checked": True},
                    {"id": "latte", "text": "燕麦拿铁", "is_checked": False},
                ],
                "disable": True,
            },
            "submit_button": {"text": "投票", "key": "submit"},
        },
    ),
    "a questionnaire": (
        Questionnaire(title="问卷", pickers=(Picker("a", TEA, closed=True),)),
        {
            "card_type": "multiple_interaction",
            "main_title": {"title": "问卷"},
            "select_list": [
                {
                    "question_key": "a",
                    "option_list": [{"id": "tea", "text": "冷泡茶"}, {"id": "latte", "text": "燕麦拿铁"}],
                    "disable": True,
                }
            ],
            "submit_button": {"text": "提交", "key": "submit"},
        },
    ),
}


@pytest.mark.parametrize("name", CARDS)
def test_a_card_looks_as_the_platform_wants_it(name: str) -> None:
    card, wanted = CARDS[name]

    body = card_body(card, "k1")

    body.pop("task_id", None)
    assert body == wanted


@pytest.mark.parametrize("name", CARDS)
def test_the_platform_takes_every_sort(name: str) -> None:
    platform.check(card_body(CARDS[name][0], "k1"))


def test_only_what_can_be_pressed_has_a_number() -> None:
    quiet, loud = Notice(title="a", opens=WEB), Notice(title="a", opens=WEB, menu=MENU)

    assert "task_id" not in card_body(quiet, "k1")
    assert card_body(loud, "k1")["task_id"] != card_body(loud, "k2")["task_id"]
    assert card_body(loud, "k1")["action_menu"] == {
        "desc": "更多",
        "action_list": [{"key": "mute", "text": "七天内不提醒"}],
    }


def test_a_question_to_the_robot_is_for_robots_only() -> None:
    card = Notice(title="a", opens=WEB, jumps=(Jump("问问", question="本周还差谁？"),))

    assert card_body(card, "k1", robot=True)["jump_list"] == [
        {"type": 3, "title": "问问", "question": "本周还差谁？"}
    ]
    with pytest.raises(Refused, match="智能机器人"):
        card_body(card, "k1")


def options(count: int, size: int = 1) -> tuple[Action, ...]:
    return tuple(Action(f"{number}".rjust(size, "o"), "甲") for number in range(count))


def vote(**told: Any) -> Card:
    return Vote(key="q", **{"options": TEA, **told})


def notice(**told: Any) -> Card:
    return Notice(title="a", **{"opens": WEB, **told})


TOO_MUCH: dict[str, tuple[Callable[[], Card], str]] = {
    "a notice that opens nothing": (lambda: Notice(title="a"), "点击后打开"),
    "a notice that leads nowhere": (lambda: notice(opens=Opening()), "点击后打开"),
    "a notice without words": (lambda: Notice(opens=WEB), "标题"),
    "seven facts": (lambda: notice(facts=(Fact("a", "b"),) * 7), "内容行"),
    "four jumps": (lambda: notice(jumps=(Jump("a"),) * 4), "跳转"),
    "a menu of four": (lambda: notice(menu=Menu("a", options(4))), "菜单"),
    "a menu of nothing": (lambda: notice(menu=Menu("a", ())), "菜单"),
    "a menu with one key twice": (lambda: notice(menu=Menu("a", (TEA[0], TEA[0]))), "重复"),
    "a picture notice without one": (lambda: PictureNotice(title="a", opens=WEB), "图片"),
    "a picture too wide": (lambda: PictureNotice(opens=WEB, picture=Picture("u", 2.3)), "宽高比"),
    "a picture too tall": (lambda: PictureNotice(opens=WEB, picture=Picture("u", 1.2)), "宽高比"),
    "five passages": (
        lambda: PictureNotice(opens=WEB, picture=Picture("u"), passages=(("a", "b"),) * 5),
        "段落",
    ),
    "no buttons": (lambda: Buttons(buttons=()), "按钮"),
    "seven buttons": (lambda: Buttons(buttons=tuple(Button(f"{n}", "a") for n in range(7))), "按钮"),
    "two buttons of one key": (lambda: Buttons(buttons=(Button("a", "b"), Button("a", "c"))), "重复"),
    "a key of 1025 bytes": (lambda: Buttons(buttons=(Button("k" * 1025, "a"),)), "1024"),
    "a key of nothing": (lambda: Buttons(buttons=(Button("", "a"),)), "不能为空"),
    "no options": (lambda: vote(options=()), "投票选项"),
    "21 options": (lambda: vote(options=options(21)), "投票选项"),
    "an option's id of 129 bytes": (lambda: vote(options=options(1, 129)), "128"),
    "one option twice": (lambda: vote(options=(TEA[0], TEA[0])), "重复"),
    "four pickers": (lambda: Questionnaire(pickers=tuple(Picker(f"{n}", TEA) for n in range(4))), "问卷题目"),
    "a picker of eleven": (lambda: Questionnaire(pickers=(Picker("a", options(11)),)), "下拉选项"),
    "a choice that is not there": (
        lambda: Questionnaire(pickers=(Picker("a", TEA, chosen="x"),)),
        "不在选项里",
    ),
    "a number too long": (lambda: vote(task="t" * 128), "卡片编号"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_card_the_platform_would_refuse_is_refused_with_what_to_change(name: str) -> None:
    make, reason = TOO_MUCH[name]

    with pytest.raises(Refused, match=reason):
        card_body(make(), "k1")
