"""The 智能机器人 called back: a JSON envelope around what it is told, and around what it answers at once.

The receive id of an enterprise's own bot is empty, and an answer repeats the nonce of the question
(developer.work.weixin.qq.com paths 101033, 101031).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from bot.cipher import Cipher
from bot.clock import Clock
from bot.gateway import Parcel
from bot.outgoing import Outgoing
from bot.wecom.aibot_parse import read
from bot.wecom.aibot_payload import BodyOf, feedback_id, known_as, message
from bot.wecom.callback import LARGEST_BODY, Freshness, opened
from bot.wecom.errcode import error_of
from bot.wecom.settings import PLATFORM
from sop.errors import Blocked, Busy, Malformed, Refused, Unanswered
from sop.receipt import Sent
from storage import response
from storage.engine import Database


def open_envelope(
    cipher: Cipher, query: Mapping[str, str], body: bytes, *, freshness: Freshness, now: datetime
) -> bytes:
    """What the bot is told; ``Malformed`` when not from WeCom, not for this bot or not of today."""
    if len(body) > LARGEST_BODY:
        raise Malformed("body is too large")
    sealed = (read(body) or {}).get("encrypt")
    if not isinstance(sealed, str) or not sealed.isascii():
        raise Malformed("body holds nothing sealed")
    return opened(cipher, query, sealed, freshness=freshness, now=now)


def seal_envelope(
    cipher: Cipher, reply: Mapping[str, Any], *, nonce: str, now: datetime, random16: bytes
) -> bytes:
    """An answer as the platform takes it in the response to its question."""
    sealed = cipher.seal(json.dumps(reply, ensure_ascii=False).encode(), random16)
    timestamp = int(now.timestamp())
    signature = cipher.sign(str(timestamp), nonce, sealed)
    return json.dumps(
        {"encrypt": sealed, "msgsignature": signature, "timestamp": timestamp, "nonce": nonce}
    ).encode()


@dataclass(eq=False)
class Responses:
    """Answers that the platform did not come to fetch: each response_url takes one, within the hour.

    (developer.work.weixin.qq.com path 101138.) That it is used is written down before anything leaves.
    """

    api_base: str
    outgoing: Outgoing
    clock: Clock
    db: Database | None
    open: bool = True

    async def send(self, parcel: Parcel, ticket: Mapping[str, str], body_of: BodyOf) -> Sent:
        if parcel.content.media:
            raise Refused("URL 回调的智能机器人发不了文件，请改用长连接")
        url = ticket.get("url", "")
        if not url:
            raise Refused("URL 回调的智能机器人只能回复，不能主动发消息；要主动发请改用长连接")
        if not self._is_theirs(url):
            raise Refused("回复地址不是企业微信的")
        if self.db is None:
            raise Blocked("没有数据库，记不住回复地址是否用过")
        now = self.clock.now()
        if not await self.db.write(lambda c: response.use(c, url, now)):
            raise Refused("这条消息的回复地址已经用过一次，不能再用")
        try:
            return await self._post(url, parcel)
        except Busy:  # it never left
            await self.db.write(lambda c: response.give_back(c, url))
            raise

    async def _post(self, url: str, parcel: Parcel) -> Sent:
        address, _, query = url.partition("?")
        body = message(parcel.content, parcel.key, feedback=feedback_id(parcel.key))
        answer = await self.outgoing.json("POST", address, query=dict(parse_qsl(query)), body=body)
        code = answer.get("errcode", 0)
        if not isinstance(code, int):
            raise Unanswered("企业微信的答复没有可读的错误码")
        if code and (error := error_of(code)) is not None:
            raise error
        return Sent(known_as(parcel.content, parcel.key))

    def _is_theirs(self, url: str) -> bool:
        """An address from a message is followed to the platform only."""
        return any(url.startswith(f"{base.rstrip('/')}/") for base in (self.api_base, PLATFORM))
