"""Translation: the decrypted XML of a callback becomes one typed update. Past this file nobody has seen XML.

wechatpy reads the XML; the fields are taken from what it keeps of the document. What each message and event means
stands in ``parse_app`` and ``parse_contact``. Whatever it or we stumble over becomes one ``Malformed``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from xml.parsers.expat import ExpatError

from wechatpy.work.parser import parse_message

from bot.wecom import archive_parse, kf_parse, parse_app, parse_contact
from bot.wecom.aibot_parse import parse_told
from bot.wecom.callback import LARGEST_BODY
from bot.wecom.legible import Item, reread
from bot.wecom.letter import Letter
from bot.wecom.parse_contact import unknown
from bot.wecom.settings import Aibot
from sop.archive import ArchiveRang
from sop.errors import Malformed
from sop.kf import KfAccountsChanged, KfRang
from sop.notice import PlatformTold
from sop.update import Unknown, Update

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


def parse(door: str, body: bytes, id: str = "") -> Update:
    """The update in a decrypted body that came to ``door`` (``app/{name}``, ``contact``, ``kf``, ``archive``)."""
    if (stream := _STREAMS.get(door)) is not None:
        return reread(stream, body)
    _must_be_inert(body)
    try:
        told = parse_message(body)
        letter = Letter(door, id, datetime.fromtimestamp(told.time, UTC), told._data)
        update = _reader(letter)(letter)
    except Malformed:
        raise
    except _WRONG as error:
        raise Malformed(f"callback cannot be read ({type(error).__name__})") from error
    unread = () if isinstance(update, PlatformTold | Unknown) else letter.unread
    return replace(update, extra=unread) if unread else update


def _reader(letter: Letter) -> Callable[[Letter], Update]:
    kind = letter.must("MsgType").lower()
    if kind == "event":
        return _EVENTS.get(letter.must("Event").lower(), unknown)
    return parse_app.MESSAGES.get(kind, unknown)


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


# ---------------------------------------------------------------- doorbells


def _kf(letter: Letter) -> Update:
    return KfRang(at=letter.at, id=letter.id, account=letter.must("OpenKfId"), token=letter.text("Token"))


def _kf_accounts(letter: Letter) -> Update:
    added, removed = letter.ids("AuthAddOpenKfId"), letter.ids("AuthDelOpenKfId")
    return KfAccountsChanged(at=letter.at, id=letter.id, added=added, removed=removed)


def _archive(letter: Letter) -> Update:
    return ArchiveRang(at=letter.at, id=letter.id)


_EVENTS: dict[str, Callable[[Letter], Update]] = {
    **parse_app.EVENTS,
    **parse_contact.EVENTS,
    "kf_msg_or_event": _kf,
    "kf_account_auth_change": _kf_accounts,
    "msgaudit_notify": _archive,
}


def _sealed(record: Item) -> Update | None:
    version = record.get("publickey_ver")
    raise Malformed(f"这条存档记录还没有解开；第 {version} 版私钥放好以后会自动补读，不用重放")


_STREAMS: dict[str, Callable[[Item], Update | None]] = {
    kf_parse.DOOR: kf_parse.understood,
    archive_parse.DOOR: archive_parse.understood,
    archive_parse.SEALED_DOOR: _sealed,
}


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
