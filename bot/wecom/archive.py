"""会话内容存档: what people say in groups, from the platform's library or from a feed of records already decrypted.

developer.work.weixin.qq.com paths 91774 (records) and 91782 (agreements).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.clean_json import read_json
from bot.gateway import ArchivePage, Unread
from bot.wecom import errcode, limit
from bot.wecom.archive_key import ArchiveKeys
from bot.wecom.archive_library import Library, VendorLibrary
from bot.wecom.archive_parse import DOOR, SEALED_DOOR, last_seq, understood
from bot.wecom.client import WeComClient
from bot.wecom.legible import Item, legible, sorted_out, text, unread
from bot.wecom.person import person
from sop.archive import ArchiveDecided
from sop.errors import Blocked, Busy, Malformed, Misconfigured, Refused, Unanswered
from sop.update import Update

PAGE = 1000
TIMEOUT_S = 10
PAIRS_AT_ONCE = 100
AGREED = "Agree"
NOT_SET_UP = (
    "读取群聊需要会话内容存档：在 wecom.archive.library 填官方 C SDK 的路径（developer.work.weixin.qq.com 的 91774 页下载，"
    "注意区分 x86 和 arm），并填好 secret 和 private_key_file；或在 wecom.archive.feed_url 填解密数据的地址"
)


@dataclass(eq=False)
class Archive:
    """The archive's records in order; reading may be repeated."""

    client: WeComClient
    library: Library | None = None  # instead of the one the settings name
    keys: ArchiveKeys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = ArchiveKeys(self.client.settings.archive_key_file)
        self._loading = asyncio.Lock()

    async def hear(self, seq: int) -> ArchivePage:
        """Records after ``seq``; what nobody did is passed over, what cannot be read is handed on with its reason."""
        settings = self.client.settings
        if self.library is not None or settings.archive_library:
            return await self._from_library(seq)
        if settings.archive_feed:
            return await self._from_feed(seq)
        raise Blocked(NOT_SET_UP)

    def opens(self, version: int) -> bool:
        """Is the private key of this version there?"""
        return self.keys.has(version)

    # ------------------------------------------------------------ already decrypted

    async def _from_feed(self, seq: int) -> ArchivePage:
        answer = await self.client.call(
            "GET",
            "archive/feed",
            self.client.credentials.archive(),
            query={"seq": str(seq), "limit": str(PAGE)},
            demands=limit.of_archive(),
            address=self.client.settings.archive_feed,
        )
        records = _listed(answer)
        updates, unread = sorted_out(legible(understood, record, DOOR) for record in records)
        return ArchivePage(updates, last_seq(records, seq), bool(answer.get("more")), unread)

    # ------------------------------------------------------------ sealed

    async def _from_library(self, seq: int) -> ArchivePage:
        await self.client.turn(limit.of_archive())
        with self.client.clock.hold():
            async with self._loading:
                if self.library is None:
                    self.library = await asyncio.to_thread(self._load)
                return await asyncio.to_thread(self._page, self.library, seq)

    def _load(self) -> Library:
        settings, credential = self.client.settings, self.client.credentials.archive()
        return VendorLibrary.load(settings.archive_library, settings.corp_id, credential.secret)

    def _page(self, library: Library, seq: int) -> ArchivePage:
        records = _listed(_answered(library.chat_data(seq, PAGE, TIMEOUT_S)))
        lacking: dict[int, int] = {}
        updates, unread = sorted_out(self._opened(library, record, lacking) for record in records)
        return ArchivePage(updates, last_seq(records, seq), len(records) >= PAGE, unread, lacking)

    def _opened(self, library: Library, record: Any, lacking: dict[int, int]) -> Update | Unread | None:
        """What is in a sealed record; one that cannot be opened stops no other."""
        try:
            version = int(record["publickey_ver"])
            if not self.keys.has(version):
                lacking[version] = min(lacking.get(version, record["seq"]), int(record["seq"]))
            key = self.keys.open(version, record["encrypt_random_key"])
            plain = library.decrypt(key, record["encrypt_chat_msg"])
            told = read_json(plain)
        except (Malformed, Misconfigured, Refused) as error:
            return unread(record, SEALED_DOOR, str(error))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            return unread(record, SEALED_DOOR, f"record cannot be opened ({type(error).__name__})")
        return legible(understood, told, DOOR)

    # ------------------------------------------------------------ who agreed

    async def agreed_in_group(self, group: str) -> tuple[ArchiveDecided, ...]:
        """What the members of a group decided about being archived there."""
        answer = await self._ask("msgaudit/check_room_agree", {"roomid": group})
        return tuple(self._decided(one, group) for one in _listed(answer, "agreeinfo"))

    async def agreed_alone(self, pairs: Collection[tuple[str, str]]) -> tuple[ArchiveDecided, ...]:
        """What members decided about their chats with an employee; ``pairs`` of (member, employee)."""
        asked, found = sorted(pairs), list[ArchiveDecided]()
        for start in range(0, len(asked), PAIRS_AT_ONCE):
            info = [
                {"userid": staff, "exteranalopenid": member}  # so the platform spells it
                for member, staff in asked[start : start + PAIRS_AT_ONCE]
            ]
            answer = await self._ask("msgaudit/check_single_agree", {"info": info})
            found += [self._decided(one, person(text(one, "userid"))) for one in _listed(answer, "agreeinfo")]
        return tuple(found)

    def _decided(self, told: Item, scope: str) -> ArchiveDecided:
        return ArchiveDecided(
            at=self.client.clock.now(),
            member=text(told, "exteranalopenid"),
            scope=scope,
            agreed=text(told, "agree_status") == AGREED,
            asked=True,
        )

    async def _ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self.client.post(path, self.client.credentials.archive(), body)


def _answered(whole: bytes) -> dict[str, Any]:
    """The library's JSON, with an error of the platform inside it raised as such."""
    try:
        answer = read_json(whole)
    except (ValueError, RecursionError) as mistake:
        raise Busy("会话存档 SDK 返回的内容读不懂，稍后再试") from mistake
    if not isinstance(answer, dict):
        raise Busy("会话存档 SDK 返回的内容读不懂，稍后再试")
    code = answer.get("errcode") or 0
    if code:
        raise errcode.error_of(int(code)) or Unanswered(f"会话存档返回 {code}")
    return answer


def _listed(answer: Mapping[str, Any], name: str = "chatdata") -> Sequence[Any]:
    found = answer.get(name) or ()
    return found if isinstance(found, list) else ()
