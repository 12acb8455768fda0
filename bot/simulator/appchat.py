"""Internal groups an app makes and speaks in (developer.work.weixin.qq.com path 90248)."""

from __future__ import annotations

import re

from bot.simulator.calls import Answer, Api, Call, Refusal
from bot.simulator.message import content_of_push, show_push
from bot.simulator.talks import deliver
from bot.simulator.world import AppChat, appchat_talk

LONGEST_NAME = 50
SMALLEST, LARGEST = 2, 2000
SORTS = frozenset({"text", "image", "voice", "video", "file", "textcard", "news", "mpnews", "markdown"})

_NUMBER = re.compile(r"[0-9A-Za-z]{1,32}")


def create(call: Call) -> Answer:
    world, app = call.world, _app(call)
    staff = _staff(call, "userlist")
    if not SMALLEST <= len(staff) <= LARGEST:
        raise Refusal(40035, "userlist")
    number = call.text("chatid", default="") or world.id("chatQX")
    if not _NUMBER.fullmatch(number):
        raise Refusal(86001)
    if number in world.chats:
        raise Refusal(86215)
    if not call.limits.appchat_made(call.now):
        raise Refusal(45009)
    owner = call.text("owner", default="") or staff[0]
    world.chats[number] = AppChat(number, _name(call), owner, list(dict.fromkeys([owner, *staff])), app)
    return {"chatid": number}


def change(call: Call) -> Answer:
    chat = _own(call)
    if not call.limits.appchat_changed(call.now):
        raise Refusal(45009)
    gone = set(_staff(call, "del_user_list"))
    staff = [one for one in [*chat.staff, *_staff(call, "add_user_list")] if one not in gone]
    if not SMALLEST <= len(set(staff)) <= LARGEST:
        raise Refusal(40035, "too few or too many members")
    chat.staff = list(dict.fromkeys(staff))
    chat.name = _name(call) or chat.name
    chat.owner = call.text("owner", default="") or chat.owner
    return {}


def get(call: Call) -> Answer:
    chat = _own(call)
    info = {"chatid": chat.number, "name": chat.name, "owner": chat.owner, "userlist": chat.staff}
    return {"chat_info": {**info, "chat_type": 0}}


def send(call: Call) -> Answer:
    """Everybody in the group sees it, but for those who have seen too much of the app; no number comes back."""
    chat = _own(call)
    sort, content = content_of_push(call, SORTS)
    if not call.limits.appchat(chat.app, len(chat.staff), call.now):
        raise Refusal(45009)
    readers = [one for one in chat.staff if call.limits.appchat_reader(chat.app, one, call.now)]
    show_push(call.world, appchat_talk(chat.number), f"app/{chat.app}", sort, content, "")
    deliver(call.world, "appchat", chat.number, str(content.get("content", f"[{sort}]")), readers=readers)
    return {}


def _app(call: Call) -> str:
    if not call.world.rules.whole_corp_sees_app:
        raise Refusal(48002, "the app's visible range is not the root department")
    return call.holder.name.removeprefix("app/")


def _own(call: Call) -> AppChat:
    app, chat = _app(call), call.world.chats.get(call.text("chatid"))
    if chat is None:
        raise Refusal(86003)
    if chat.app != app:
        raise Refusal(86008)
    return chat


def _name(call: Call) -> str:
    name = call.text("name", default="")
    if len(name) > LONGEST_NAME:
        raise Refusal(40035, "name")
    return name


def _staff(call: Call, field: str) -> list[str]:
    known = {staff.lower(): staff for staff in call.world.staff}
    named = call.texts(field, most=LARGEST)
    if any(name.lower() not in known for name in named):
        raise Refusal(60111, field)
    return [known[name.lower()] for name in named]


CALLS = {
    "appchat/create": Api("POST", create, frozenset({"app"})),
    "appchat/update": Api("POST", change, frozenset({"app"})),
    "appchat/get": Api("GET", get, frozenset({"app"})),
    "appchat/send": Api("POST", send, frozenset({"app"})),
}
