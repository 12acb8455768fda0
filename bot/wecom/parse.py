"""Translation: the decrypted XML of a callback becomes one typed update. Past this file nobody has seen XML.

wechatpy reads the XML and tells the kinds apart; the fields are taken from what it keeps of the document.
Whatever it or we stumble over becomes one ``Malformed``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.parsers.expat import ExpatError

from wechatpy.work import events, messages
from wechatpy.work.parser import parse_message

from bot.wecom import kf_parse
from bot.wecom.aibot_parse import parse_told
from bot.wecom.callback import LARGEST_BODY
from bot.wecom.card import run_of
from bot.wecom.legible import Item, reread
from bot.wecom.person import person
from bot.wecom.settings import Aibot
from sop.archive import ArchiveRang
from sop.errors import Malformed
from sop.kf import KfAccountsChanged, KfRang
from sop.update import (
    AppOpened,
    CardClicked,
    FriendAdded,
    FriendEdited,
    FriendLost,
    GroupChanged,
    GroupCreated,
    GroupDismissed,
    MembersJoined,
    MembersLeft,
    MessageHeard,
    StaffChanged,
    TagEdited,
    Unknown,
    Update,
)

LONGEST_ID = 64  # of staff; every other id of the platform is shorter
DEEPEST = 8  # an approval's tree is the deepest the platform sends

_WRONG = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    OSError,
    RecursionError,
    struct.error,
    ExpatError,
)


class TemplateCardEvent(events.BaseEvent):  # type: ignore[misc]
    """A click on a template card; wechatpy learns the event by this definition."""

    event = "template_card_event"


class TemplateCardMenuEvent(events.BaseEvent):  # type: ignore[misc]
    """A choice in the menu of a template card."""

    event = "template_card_menu_event"


class KfAuthEvent(events.BaseEvent):  # type: ignore[misc]
    """The administrator gave or took 微信客服 accounts."""

    event = "kf_account_auth_change"


class ArchiveNotifyEvent(events.BaseEvent):  # type: ignore[misc]
    """The archive's doorbell."""

    event = "msgaudit_notify"


class ChangeContactEvent(events.BaseEvent):  # type: ignore[misc]
    """A change in the corp's own address book."""

    event = "change_contact"


def parse(door: str, body: bytes, id: str = "") -> Update:
    """The update in a decrypted body that came to ``door`` (``app/{name}``, ``contact``, ``kf``, ``archive``)."""
    if (stream := _STREAMS.get(door)) is not None:
        return reread(stream, body)
    _must_be_inert(body)
    try:
        told = parse_message(body)
        letter = Letter(door, id, datetime.fromtimestamp(told.time, UTC), told._data)
        return _READERS.get(type(told), _unknown)(letter)
    except Malformed:
        raise
    except _WRONG as error:
        raise Malformed(f"callback cannot be read ({type(error).__name__})") from error


def parser_for(bots: Sequence[Aibot]) -> Callable[[str, bytes, str], Update]:
    """:func:`parse` that knows the doors ``aibot/{name}`` of these bots too."""
    by_door = {bot.door: bot for bot in bots}

    def parse_any(door: str, body: bytes, id: str = "") -> Update:
        if not door.startswith("aibot/"):
            return parse(door, body, id)
        if door not in by_door:
            raise Malformed(f"no 智能机器人 is configured for {door}")
        return parse_told(by_door[door], body, id)

    return parse_any


@dataclass(frozen=True)
class Letter:
    """A callback as read: where it came to, its identity, when it happened, and its fields."""

    door: str
    id: str
    at: datetime
    fields: Mapping[str, Any]

    def text(self, name: str) -> str:
        """The text of a field, empty when it is missing."""
        value = self.fields.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise Malformed(f"{name} is not a text")
        return value

    def must(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise Malformed(f"{name} is missing")
        if len(value) > LONGEST_ID:
            raise Malformed(f"{name} is longer than {LONGEST_ID} characters")
        return value

    def number(self, name: str) -> int:
        return int(self.text(name) or 0)

    @property
    def staff(self) -> str:
        return person(self.must("UserID"))

    @property
    def app(self) -> str:
        return self.door.removeprefix("app/")


# ---------------------------------------------------------------- the app


def _message(letter: Letter) -> Update:
    kind = letter.must("MsgType").lower()
    text = letter.text("Content") if kind == "text" else letter.text("Label") or letter.text("Title")
    return MessageHeard(
        at=letter.at,
        id=letter.id,
        member=person(letter.must("FromUserName")),
        text=text,
        via="app",
        account=letter.app,
        media=kind,
        from_staff=True,
    )


def _opened(letter: Letter) -> Update:
    return AppOpened(
        at=letter.at, id=letter.id, staff=person(letter.must("FromUserName")), key=letter.text("EventKey")
    )


def _came(letter: Letter) -> Update:
    return StaffChanged(at=letter.at, id=letter.id, staff=person(letter.must("FromUserName")), present=True)


def _went(letter: Letter) -> Update:
    return StaffChanged(at=letter.at, id=letter.id, staff=person(letter.must("FromUserName")), present=False)


def _card(letter: Letter) -> Update:
    return CardClicked(
        at=letter.at,
        id=letter.id,
        staff=person(letter.must("FromUserName")),
        task=run_of(letter.text("TaskId")),
        key=letter.text("EventKey"),
        app=letter.app,
        response_code=letter.text("ResponseCode"),
        options=tuple(_chosen(item) for item in _many(letter.fields.get("SelectedItems"), "SelectedItem")),
    )


def _chosen(item: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return str(item["QuestionKey"]), tuple(str(option) for option in _many(item["OptionIds"], "OptionId"))


def _employee(letter: Letter) -> Update:
    present = {"create_user": True, "delete_user": False}.get(letter.text("ChangeType"))
    if present is None:
        return _unknown(letter)
    return StaffChanged(at=letter.at, id=letter.id, staff=letter.staff, present=present)


# ---------------------------------------------------------------- members


def _contact(letter: Letter) -> Update:
    return _CONTACT.get(letter.must("ChangeType"), _unknown)(letter)


def _friend_added(letter: Letter) -> Update:
    return FriendAdded(
        at=letter.at,
        id=letter.id,
        member=letter.must("ExternalUserID"),
        staff=letter.staff,
        source=letter.text("State"),
        welcome_code=letter.text("WelcomeCode"),
        half=letter.text("ChangeType") == "add_half_external_contact",
    )


def _friend_edited(letter: Letter) -> Update:
    return FriendEdited(at=letter.at, id=letter.id, member=letter.must("ExternalUserID"), staff=letter.staff)


def _deleted_by_staff(letter: Letter) -> Update:
    return FriendLost(
        at=letter.at,
        id=letter.id,
        member=letter.must("ExternalUserID"),
        staff=letter.staff,
        by="staff",
        transferred=letter.text("Source") == "DELETE_BY_TRANSFER",
    )


def _deleted_by_member(letter: Letter) -> Update:
    return FriendLost(
        at=letter.at, id=letter.id, member=letter.must("ExternalUserID"), staff=letter.staff, by="member"
    )


# ---------------------------------------------------------------- groups and tags


def _chat(letter: Letter) -> Update:
    match letter.must("ChangeType"):
        case "create":
            return GroupCreated(at=letter.at, id=letter.id, group=letter.must("ChatId"))
        case "dismiss":
            return GroupDismissed(at=letter.at, id=letter.id, group=letter.must("ChatId"))
        case "update":
            return _chat_updated(letter)
    return _unknown(letter)


def _chat_updated(letter: Letter) -> Update:
    detail = letter.text("UpdateDetail")
    moved = {"add_member": (MembersJoined, "JoinScene"), "del_member": (MembersLeft, "QuitScene")}.get(detail)
    people = tuple(person(str(item)) for item in _many(letter.fields.get("MemChangeList"), "Item"))
    if moved is None or not people:  # without the list, only asking the platform tells who
        return GroupChanged(at=letter.at, id=letter.id, group=letter.must("ChatId"), detail=detail)
    kind, scene = moved
    return kind(
        at=letter.at,
        id=letter.id,
        group=letter.must("ChatId"),
        members=people,
        scene=letter.number(scene),
        before=letter.text("LastMemVer"),
        after=letter.text("CurMemVer"),
    )


def _tag(letter: Letter) -> Update:
    return TagEdited(
        at=letter.at,
        id=letter.id,
        tag=letter.text("Id"),
        what="tag" if letter.text("TagType") == "tag" else "tag_group",
        change=letter.must("ChangeType"),
    )


# ---------------------------------------------------------------- doorbells, and what has no name


def _kf(letter: Letter) -> Update:
    return KfRang(at=letter.at, id=letter.id, account=letter.must("OpenKfId"), token=letter.text("Token"))


def _kf_accounts(letter: Letter) -> Update:
    added, removed = (
        tuple(str(one) for one in _many(letter.fields, name))
        for name in ("AuthAddOpenKfId", "AuthDelOpenKfId")
    )
    return KfAccountsChanged(at=letter.at, id=letter.id, added=added, removed=removed)


def _archive(letter: Letter) -> Update:
    return ArchiveRang(at=letter.at, id=letter.id)


def _unknown(letter: Letter) -> Update:
    parts = (letter.must("MsgType"), letter.text("Event"), letter.text("ChangeType"))
    name = "/".join(part for part in parts if part)
    return Unknown(at=letter.at, id=letter.id, name=name.removeprefix("event/"))


_CONTACT: dict[str, Callable[[Letter], Update]] = {
    "add_external_contact": _friend_added,
    "add_half_external_contact": _friend_added,
    "edit_external_contact": _friend_edited,
    "del_external_contact": _deleted_by_staff,
    "del_follow_user": _deleted_by_member,
}

_READERS: dict[type, Callable[[Letter], Update]] = {
    messages.TextMessage: _message,
    messages.ImageMessage: _message,
    messages.VoiceMessage: _message,
    messages.VideoMessage: _message,
    messages.LocationMessage: _message,
    messages.LinkMessage: _message,
    events.EnterAgentEvent: _opened,
    events.ClickEvent: _opened,
    events.SubscribeEvent: _came,
    events.UnsubscribeEvent: _went,
    TemplateCardEvent: _card,
    TemplateCardMenuEvent: _card,
    ChangeContactEvent: _employee,
    events.ChangeExternalContactEvent: _contact,
    events.ChangeExternalChatEvent: _chat,
    events.ChangeExternalTagEvent: _tag,
    events.KFMsgOrEventEvent: _kf,
    KfAuthEvent: _kf_accounts,
    ArchiveNotifyEvent: _archive,
}


_STREAMS: dict[str, Callable[[Item], Update | None]] = {kf_parse.DOOR: kf_parse.understood}


def _many(holder: Any, name: str) -> list[Any]:
    """The items ``name`` inside ``holder``: one or many look different after XML, none is nothing at all."""
    items = holder.get(name) if isinstance(holder, Mapping) else None
    if not isinstance(items, list):
        items = [items]
    return [item for item in items if item is not None]


def _must_be_inert(body: bytes) -> None:
    """Refuse what a parser should never see: huge, deep, or with declarations of its own."""
    if len(body) > LARGEST_BODY:
        raise Malformed("callback is too large")
    depth, at = 0, body.find(b"<")
    while at >= 0:
        if body.startswith(b"<![CDATA[", at):
            end = body.find(b"]]>", at)
        else:
            end = body.find(b">", at)
            depth += _step(body, at, end)
        if end < 0 or depth > DEEPEST:
            raise Malformed("callback is torn or too deep")
        at = body.find(b"<", end)


def _step(body: bytes, at: int, end: int) -> int:
    """How a tag changes the depth."""
    match body[at + 1 : at + 2]:
        case b"!":
            raise Malformed("callback declares entities or comments")
        case b"/":
            return -1
        case b"?":
            return 0
    return 0 if body[end - 1 : end] == b"/" else 1
