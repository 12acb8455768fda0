"""What employees say to an app and do with it, and what the platform says of the app.

Structures: developer.work.weixin.qq.com pages 90239 (messages) and 90240 (events).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot.wecom.card import run_of
from bot.wecom.letter import Letter, many
from sop.notice import PlatformTold
from sop.staff import StaffChanged
from sop.update import AppOpened, CardClicked, MessageHeard, Update


def _text(letter: Letter) -> Update:
    return _heard(letter, letter.text("Content"))


def _file(letter: Letter) -> Update:
    """A picture, a voice or a video: its number opens it for three days."""
    return _heard(letter, "", file=letter.text("MediaId"))


def _place(letter: Letter) -> Update:
    return _heard(letter, letter.text("Label"))


def _link(letter: Letter) -> Update:
    return _heard(letter, letter.text("Title"))


def _heard(letter: Letter, text: str, *, file: str = "") -> Update:
    return MessageHeard(
        at=letter.at,
        id=letter.id,
        member=letter.sender,
        text=text,
        via="app",
        account=letter.app,
        media=letter.must("MsgType").lower(),
        from_staff=True,
        file=file,
    )


def _opened(letter: Letter) -> Update:
    return AppOpened(at=letter.at, id=letter.id, staff=letter.sender, key=letter.text("EventKey"))


def _came(letter: Letter) -> Update:
    return StaffChanged(at=letter.at, id=letter.id, staff=letter.sender, present=True)


def _went(letter: Letter) -> Update:
    return StaffChanged(at=letter.at, id=letter.id, staff=letter.sender, present=False)


def _pressed(letter: Letter) -> Update:
    return _card(letter, menu=False)


def _chose_in_menu(letter: Letter) -> Update:
    return _card(letter, menu=True)


def _card(letter: Letter, *, menu: bool) -> Update:
    return CardClicked(
        at=letter.at,
        id=letter.id,
        staff=letter.sender,
        task=run_of(letter.text("TaskId")),
        key=letter.text("EventKey"),
        app=letter.app,
        response_code=letter.text("ResponseCode"),
        options=tuple(_chosen(item) for item in letter.items("SelectedItems", "SelectedItem")),
        menu=menu,
    )


def _chosen(item: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return str(item["QuestionKey"]), tuple(str(option) for option in many(item["OptionIds"], "OptionId"))


def told(letter: Letter) -> Update:
    """A notice: nothing we act on by itself, kept with all it says."""
    app = letter.app if letter.door.startswith("app/") else ""
    return PlatformTold(at=letter.at, id=letter.id, name=letter.name, app=app, facts=letter.facts)


MESSAGES: dict[str, Callable[[Letter], Update]] = {
    "text": _text,
    "image": _file,
    "voice": _file,
    "video": _file,
    "location": _place,
    "link": _link,
}

DEEDS: dict[str, Callable[[Letter], Update]] = {
    "enter_agent": _opened,
    "click": _opened,
    "subscribe": _came,
    "unsubscribe": _went,
    "template_card_event": _pressed,
    "template_card_menu_event": _chose_in_menu,
}

NOTICES = (
    "location",
    "view",
    "view_miniprogram",
    "scancode_push",
    "scancode_waitmsg",
    "pic_sysphoto",
    "pic_photo_or_album",
    "pic_weixin",
    "location_select",
    "batch_job_result",
    "open_approval_change",
    "share_agent_change",
    "share_chain_change",
    "inactive_alert",
    "close_inactive_agent",
    "reopen_inactive_agent",
    "low_active_alert",
    "low_active",
    "active_restored",
    "taskcard_click",
)

EVENTS = DEEDS | dict.fromkeys(NOTICES, told)
