"""Template cards: their number, and what each sort looks like (developer.work.weixin.qq.com paths 90236 and 101032).

The platform wants a number never used before, of letters, digits and ``_-@``; an answer must tell the run.
So: the run, ``@``, and a mark of the message.
"""

from __future__ import annotations

import hashlib
import re

from bot.wecom.words import URL_BYTES, Body, few, fitting
from sop.card import (
    Action,
    Buttons,
    Card,
    Detailed,
    Fact,
    Jump,
    Menu,
    Notice,
    Opening,
    Picker,
    PictureNotice,
    Questionnaire,
    Vote,
)
from sop.errors import Refused
from sop.message import Choice

LONGEST = 128
MARK = 16
KEY_BYTES, OPTION_BYTES = 1024, 128
QUESTION, SUBMIT = "choice", "submit"
NOWHERE = 0

TYPES: dict[type[Card], str] = {
    Notice: "text_notice",
    PictureNotice: "news_notice",
    Buttons: "button_interaction",
    Vote: "vote_interaction",
    Questionnaire: "multiple_interaction",
}
NOTICES = (Notice, PictureNotice)

_MARKED = re.compile(rf"(.+)@[0-9a-f]{{{MARK}}}", re.DOTALL)
_ODD = re.compile(r"[^A-Za-z0-9_\-]")
_CODED = re.compile(r"@([0-9a-f]+)@")


def number_of(run: str, key: str) -> str:
    """The number for a card about ``run`` in the message known by ``key``."""
    mark = hashlib.sha256(key.encode()).hexdigest()[:MARK]
    number = f"{_ODD.sub(lambda odd: f'@{ord(odd[0]):x}@', run)}@{mark}"
    if len(number) > LONGEST:
        raise Refused(f"卡片编号过长：{run}")
    return number


def run_of(number: str) -> str:
    """The run inside a number; a number that is not ours stays as it is."""
    marked = _MARKED.fullmatch(number)
    if marked is None:
        return number
    return _CODED.sub(lambda coded: chr(int(coded[1], 16)), marked[1])


# ---------------------------------------------------------------- what a card looks like


def card_body(card: Card, key: str, *, robot: bool = False) -> Body:
    """The card as the platform wants it; ``key`` is the message's, and makes the card's number.

    What the platform would refuse is refused here, with what to change. A robot's card may ask the robot back.
    """
    return {**_shared(card, key), **_own(card, robot)}


def vote_of(choice: Choice, text: str) -> Vote:
    """A choice as a vote among staff."""
    options = tuple(Action(option.id, option.text) for option in choice.options)
    return Vote(task=choice.task, title=choice.question, text=text, key=QUESTION, options=options)


def _shared(card: Card, key: str) -> Body:
    body: Body = {"card_type": TYPES[type(card)], "main_title": _kept(title=card.title, desc=card.text)}
    if card.source is not None:
        source = card.source
        body["source"] = _kept(icon_url=source.icon, desc=source.words) | {"desc_color": int(source.colour)}
    if card.menu is not None:
        body["action_menu"] = _menu(card.menu)
    if card.menu is not None or not isinstance(card, NOTICES):
        body["task_id"] = number_of(card.task or QUESTION, key)
    return body


def _menu(menu: Menu) -> Body:
    few(menu.actions, 3, "卡片菜单的操作")
    _differ([action.key for action in menu.actions], KEY_BYTES, "卡片菜单的 key")
    return {"desc": menu.words, "action_list": [_told(one.key, one.text, "key") for one in menu.actions]}


def _own(card: Card, robot: bool) -> Body:
    match card:
        case Notice():
            return _notice(card, robot)
        case PictureNotice():
            return _picture_notice(card, robot)
        case Buttons():
            return _buttons(card)
        case Vote():
            return _vote(card)
        case Questionnaire():
            return _questionnaire(card)
    raise Refused(f"没有这种卡片：{type(card).__name__}", code=40008)


def _detailed(card: Detailed) -> Body:
    few(card.facts, 6, "卡片的内容行", least=0)
    body: Body = {}
    if card.quote is not None:
        body["quote_area"] = _opening(card.quote.opens) | _kept(
            title=card.quote.title, quote_text=card.quote.text
        )
    if card.note:
        body["sub_title_text"] = card.note
    if card.facts:
        body["horizontal_content_list"] = [_fact(fact) for fact in card.facts]
    if card.opens is not None:
        body["card_action"] = _opening(card.opens)
    return body


def _must_open(card: Detailed) -> None:
    if card.opens is None or _opening(card.opens)["type"] == NOWHERE:
        raise Refused("通知卡片必须有点击后打开的链接或小程序", code=40058)


def _notice(card: Notice, robot: bool) -> Body:
    _must_open(card)
    if not (card.title or card.note):
        raise Refused("通知卡片要有标题或说明", code=44004)
    body = _detailed(card) | _jumps(card.jumps, robot)
    if any(card.emphasis):
        body["emphasis_content"] = _kept(title=card.emphasis[0], desc=card.emphasis[1])
    return body


def _picture_notice(card: PictureNotice, robot: bool) -> Body:
    _must_open(card)
    few(card.passages, 4, "图文卡片的段落", least=0)
    if card.picture is None and card.beside is None:
        raise Refused("图文卡片要有一张图片", code=44004)
    body = _detailed(card) | _jumps(card.jumps, robot)
    if card.picture is not None:
        if not 1.3 <= card.picture.ratio <= 2.25:
            raise Refused("卡片图片的宽高比应在 1.3 到 2.25 之间", code=40058)
        body["card_image"] = {"url": card.picture.url, "aspect_ratio": card.picture.ratio}
    if card.beside is not None:
        beside = card.beside
        words = _kept(title=beside.title, desc=beside.text)
        body["image_text_area"] = _opening(beside.opens) | {"image_url": beside.picture} | words
    if card.passages:
        body["vertical_content_list"] = [_kept(title=title, desc=text) for title, text in card.passages]
    return body


def _buttons(card: Buttons) -> Body:
    few(card.buttons, 6, "卡片按钮")
    _differ([button.key for button in card.buttons], KEY_BYTES, "卡片按钮的 key")
    buttons = [{"text": one.text, "style": int(one.style), "key": one.key} for one in card.buttons]
    picker = {"button_selection": _picker(card.picker)} if card.picker is not None else {}
    return _detailed(card) | picker | {"button_list": buttons}


def _vote(card: Vote) -> Body:
    few(card.options, 20, "投票选项")
    _differ([option.key for option in card.options], OPTION_BYTES, "投票选项的 id")
    options = [
        {"id": one.key, "text": one.text, "is_checked": one.key in card.checked} for one in card.options
    ]
    box: Body = {"question_key": card.key, "mode": int(card.many), "option_list": options}
    return {"checkbox": box | ({"disable": True} if card.closed else {}), **_submit(card.submit)}


def _questionnaire(card: Questionnaire) -> Body:
    few(card.pickers, 3, "问卷题目")
    _differ([picker.key for picker in card.pickers], KEY_BYTES, "问卷题目的 key")
    return {"select_list": [_picker(picker) for picker in card.pickers], **_submit(card.submit)}


def _submit(words: str) -> Body:
    return {"submit_button": {"text": words, "key": SUBMIT}}


def _picker(picker: Picker) -> Body:
    few(picker.options, 10, "下拉选项")
    _differ([option.key for option in picker.options], OPTION_BYTES, "下拉选项的 id")
    if picker.chosen and picker.chosen not in {option.key for option in picker.options}:
        raise Refused(f"默认选中的 {picker.chosen} 不在选项里", code=40058)
    body = {"question_key": picker.key, **_kept(title=picker.title, selected_id=picker.chosen)}
    body["option_list"] = [_told(one.key, one.text, "id") for one in picker.options]
    return body | ({"disable": True} if picker.closed else {})


def _fact(fact: Fact) -> Body:
    body: Body = {"keyname": fact.name, "value": fact.value}
    if fact.url:
        return body | {"type": 1, "url": fact.url}
    if fact.media:
        return body | {"type": 2, "media_id": fact.media}
    return body | ({"type": 3, "userid": fact.staff} if fact.staff else {})


def _jumps(jumps: tuple[Jump, ...], robot: bool) -> Body:
    few(jumps, 3, "卡片的跳转", least=0)
    return {"jump_list": [_jump(jump, robot) for jump in jumps]} if jumps else {}


def _jump(jump: Jump, robot: bool) -> Body:
    if not jump.question:
        return _opening(jump.opens) | {"title": jump.title}
    if not robot:
        raise Refused("只有智能机器人的卡片能带提问跳转", code=40058)
    return {"type": 3, "title": jump.title, "question": fitting(jump.question, 200, "提问")}


def _opening(opens: Opening) -> Body:
    if opens.url:
        return {"type": 1, "url": fitting(opens.url, URL_BYTES, "链接")}
    if opens.app_id:
        return {"type": 2, "appid": opens.app_id, **_kept(pagepath=opens.page)}
    return {"type": NOWHERE}


def _told(key: str, text: str, name: str) -> Body:
    return {name: key, "text": text}


def _kept(**fields: str) -> Body:
    return {name: value for name, value in fields.items() if value}


def _differ(keys: list[str], most: int, what: str) -> None:
    """Refuse keys that are empty, too long or twice there."""
    for key in keys:
        if not key:
            raise Refused(f"{what}不能为空", code=40058)
        fitting(key, most, what)
    if len(set(keys)) < len(keys):
        raise Refused(f"{what}不能重复", code=40058)
