"""会话内容存档: group talk, the only way to hear it, from a feed of records already decrypted.

The platform's own archive comes through its C library alone (developer.work.weixin.qq.com path 91774), which
is not part of this yet; without a feed the archive says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.gateway import ArchivePage
from bot.wecom import limit
from bot.wecom.client import WeComClient
from bot.wecom.person import is_member, is_robot, person
from sop.errors import Blocked
from sop.update import MessageHeard, Update

log = structlog.get_logger()

PAGE = 1000
NOT_TALK = frozenset({"revoke", "agree", "disagree"})

_MENTION = re.compile(r"@([^\s@]{1,32})(?=[\s\u2005]|$)")


@dataclass(eq=False)
class Archive:
    """The archive's records in order; reading may be repeated."""

    client: WeComClient

    async def hear(self, seq: int) -> ArchivePage:
        """Records after ``seq``; what nobody said (recalls, switches, robots) is passed over."""
        feed = self.client.settings.archive_feed
        if not feed:
            raise Blocked(
                "读取群聊需要会话内容存档的官方 SDK，本版本尚未接入；"
                "请在 wecom.archive.feed_url 填写解密数据的地址，或不使用群聊内容"
            )
        answer = await self.client.call(
            "GET",
            "archive/feed",
            self.client.credentials.archive(),
            query={"seq": str(seq), "limit": str(PAGE)},
            address=feed,
            demands=limit.of_archive(),
        )
        records = answer.get("chatdata") or ()
        last = max([seq, *(int(record["seq"]) for record in records)])
        updates = tuple(update for record in records if (update := read(record)))
        return ArchivePage(updates, last, bool(answer.get("more")))


def read(record: Mapping[str, Any]) -> Update | None:
    """What a person said, as a record tells; None for everything else and for what cannot be read."""
    try:
        return _read(record)
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        log.warning("archive record cannot be read", error=type(error).__name__, seq=record.get("seq"))
        return None


def _read(record: Mapping[str, Any]) -> Update | None:
    if record.get("action") != "send" or record["msgtype"] in NOT_TALK or is_robot(str(record["from"])):
        return None
    kind, speaker = str(record["msgtype"]), str(record["from"])
    told = record.get(kind)
    text = str(told.get("content") or told.get("title") or "") if isinstance(told, Mapping) else ""
    return MessageHeard(
        at=datetime.fromtimestamp(int(record["msgtime"]) / 1000, UTC),
        id=f"archive:{record['msgid']}",
        member=person(speaker),
        text=text,
        via="archive",
        group=str(record.get("roomid") or ""),
        media=kind,
        mentions=mentions(text),
        from_staff=not is_member(speaker),
    )


def mentions(text: str) -> tuple[str, ...]:
    """Names after an @ sign; the archive keeps no ids for them."""
    return tuple(dict.fromkeys(_MENTION.findall(text)))
