"""会话内容存档: each decrypted record is one typed update (developer.work.weixin.qq.com path 91774)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bot.clean_json import read_json
from bot.wecom.legible import LONGEST_NUMBER, Item, instant, maybe, must, text
from bot.wecom.person import is_member, is_robot, person
from sop.archive import ArchiveDecided
from sop.errors import Malformed
from sop.update import MessageHeard, MessageRecalled, Update

DOOR = "archive/record"  # under these names is kept what cannot be read, and what cannot be opened
SEALED_DOOR = "archive/sealed"
INSIDE = {"docmsg": "doc", "markdown": "info", "news": "info"}  # where a kind's object has another name
LARGEST_SEQ = 2**63 - 1
WORDS = {  # which fields of a kind say something in words, the first that does counts
    "text": ("content",),
    "markdown": ("content",),
    "link": ("title", "description"),
    "weapp": ("title", "displayname"),
    "location": ("title", "address"),
    "file": ("filename",),
    "docmsg": ("title",),
    "todo": ("title", "content"),
    "vote": ("votetitle",),
    "collect": ("title",),
    "redpacket": ("wish",),
    "external_redpacket": ("wish",),
    "meeting": ("topic",),
    "calendar": ("title",),
    "chatrecord": ("title",),
    "sphfeed": ("feed_desc", "sph_name"),
    "qydiskfile": ("filename",),
}
_MENTION = re.compile(r"@([^\s@]{1,32})(?=[\s\u2005]|$)")
_QUOTES = (  # how the clients of the two worlds write a quotation into a text
    re.compile(
        r"(?:这是一条引用/回复消息|這是一條引用/回覆訊息|This is a quote/reply)\s*[:：]\s*"
        r"[\"“][^\n]{1,64}?[:：]\s*(?P<quoted>.*?)[\"”]\s*\n-{6,}[ \t]*\n(?P<said>.*)",
        re.DOTALL,
    ),
    re.compile(
        r"「[^：:\n]{1,64}[：:]\s*(?P<quoted>.*?)」[ \t]*\n(?:- ){5,}-?[ \t]*\n(?P<said>.*)", re.DOTALL
    ),
)


def archive_id(msgid: str) -> str:
    """The identity of the update a record is."""
    return f"archive:{msgid}"


def understood(record: Item) -> Update | None:
    """The update a record means; None for what nobody did: a change of devices, a robot's words."""
    action = must(record, "action")
    if action not in ("send", "recall") or is_robot(must(record, "from")):
        return None
    must(record, "msgid", most=LONGEST_NUMBER)
    return _READERS.get(must(record, "msgtype"), _heard)(record)


def _heard(record: Item) -> Update:
    kind, speaker = must(record, "msgtype"), must(record, "from")
    quoted, said = parted(_words(kind, record.get(INSIDE.get(kind, kind))))
    group = maybe(record, "roomid")
    return MessageHeard(
        at=_at(record),
        id=archive_id(record["msgid"]),
        member=person(speaker),
        text=said,
        via="archive",
        group=group,
        account="" if group else _employee(record),
        media=kind,
        mentions=mentions(said),
        from_staff=not is_member(speaker),
        quoted=quoted,
    )


def _recalled(record: Item) -> Update:
    return MessageRecalled(
        at=_at(record),
        id=archive_id(record["msgid"]),
        message=archive_id(must(record["revoke"], "pre_msgid", most=LONGEST_NUMBER)),
        member=person(record["from"]),
        group=maybe(record, "roomid"),
    )


def _decided(record: Item) -> Update:
    """Whether somebody agreed to being archived, in this group or in the chat with this employee."""
    kind = record["msgtype"]
    member = maybe(record[kind], "userid") or record["from"]
    scope = maybe(record, "roomid") or _employee(record)
    if not scope:
        raise Malformed("agreement to nothing in particular")
    return ArchiveDecided(
        at=_at(record),
        id=archive_id(record["msgid"]),
        member=person(member),
        scope=scope,
        agreed=kind == "agree",
    )


_READERS: dict[str, Callable[[Item], Update]] = {
    "revoke": _recalled,
    "agree": _decided,
    "disagree": _decided,
}


def _at(record: Item) -> Any:
    return instant(int(record["msgtime"]) / 1000)


def _employee(record: Item) -> str:
    """With whom a member chats alone: the first of both sides who is of the corp."""
    sides = [record["from"], *(record.get("tolist") or ())]
    found = next((one for one in sides if not is_member(one) and not is_robot(one)), "")
    return person(maybe({"tolist": found}, "tolist"))


def _words(kind: str, told: Any) -> str:
    if kind == "mixed":
        return "\n".join(part for part in map(_part, told["item"]) if part)
    if kind == "news":
        told = (told.get("item") or [{}])[0]
        return text(told, "title")
    if kind == "chatrecord" and not text(told, "title"):
        return ""
    return text(told, *WORDS.get(kind, ())) if isinstance(told, Mapping) else ""


def _part(item: Item) -> str:
    """A part of a mixed message: its object comes as JSON inside a text."""
    told, kind = item.get("content"), str(item.get("type"))
    if isinstance(told, str):
        told = read_json(told)
    return _words(kind, told) if kind != "mixed" else ""


def parted(said: str) -> tuple[str, str]:
    """What was quoted, and what was said to it; quotations come as words in front, in the client's language."""
    for form in _QUOTES:
        found = form.match(said)
        if found is not None:
            return found["quoted"].strip(), found["said"].strip()
    return "", said


def mentions(said: str) -> tuple[str, ...]:
    """Names after an @ sign; the archive keeps no ids for them."""
    return tuple(dict.fromkeys(_MENTION.findall(said)))


def last_seq(records: Iterable[Any], seq: int) -> int:
    """Where to go on; a record without a number that could be one does not count."""
    numbers = (record.get("seq") for record in records if isinstance(record, Mapping))
    return max([seq, *(one for one in numbers if type(one) is int and one <= LARGEST_SEQ)])
