"""A 智能机器人 on its long connection: frames out and in, each request acknowledged, the heart beating.

Every frame is JSON ``{cmd, headers: {req_id}, body}``; an acknowledgement has no ``cmd``. There is no encryption beside TLS's.
One bot has one living connection; whoever connects later takes it over (developer.work.weixin.qq.com path 101463,
and the vendor's own client for Node).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

import structlog

from bot.chance import Chance
from bot.clock import Clock
from bot.gateway import Parcel
from bot.outgoing import Outgoing, Socket
from bot.wecom import aibot_payload as payload
from bot.wecom.aibot_parse import event_of, read
from bot.wecom.errcode import error_of
from bot.wecom.settings import Aibot
from bot.wecom.words import Body
from sop.errors import Blocked, Busy, Refused, SendError, Unanswered
from sop.receipt import Sent

log = structlog.get_logger()

BEAT_S = 30.0
MISSED = 2  # heartbeats without an answer, and the connection counts as dead
ACK_S = 5.0  # real time
TOO_LATE = frozenset(
    {846605, 846608}
)  # the number is not known any more, the stream is over: nothing was said
CALLBACKS = frozenset({"aibot_msg_callback", "aibot_event_callback"})
CHUNK, CHUNKS = 512 * 1024, 100
LARGEST_MEDIA = {"image": 10 << 20, "video": 10 << 20, "voice": 2 << 20, "file": 20 << 20}

Frame = Mapping[str, Any]
Hear = Callable[[dict[str, Any], str], Awaitable[None]]  # what the bot is told, and the number to repeat


class Lost(Exception):
    """The connection ended, or nobody answers at its other end."""


class TakenOver(Exception):
    """Somebody else connected as this bot."""


@dataclass(eq=False)
class Line:
    """One bot's long connection, for as long as somebody holds it."""

    bot: Aibot
    url: str
    outgoing: Outgoing
    clock: Clock
    chance: Chance
    ack_s: float = ACK_S
    _socket: Socket | None = None
    _acks: dict[str, asyncio.Future[Frame]] = field(default_factory=dict)
    _turns: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    @property
    def open(self) -> bool:
        return self._socket is not None

    # ------------------------------------------------------------ holding it

    async def hold(
        self, hear: Hear, *, opened: Callable[[], None], beat: Callable[[], Awaitable[None]]
    ) -> None:
        """Connect and listen until the connection ends, which is always an error: it says why.

        ``hear`` gets everything the bot is told, in order, and ``beat`` is called with every heartbeat.
        """
        async with self.outgoing.socket(self.url) as socket:
            works = [asyncio.create_task(self._listen(socket, hear))]
            try:
                await self._subscribe(socket)
                self._socket = socket
                opened()
                works.append(asyncio.create_task(self._live(socket, beat)))
                await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
                for work in works:
                    if work.done():
                        work.result()
            finally:
                self._socket = None
                await _stop(works)
                self._give_up()

    async def _subscribe(self, socket: Socket) -> None:
        body = {"bot_id": self.bot.bot_id, "secret": self.bot.secret}
        ack = await self._ask(socket, "aibot_subscribe", body)
        if _code(ack):
            raise Blocked(
                f"企业微信不接受智能机器人 {self.bot.name} 的长连接，请核对 bot_id 和 secret（错误码 {_code(ack)}）",
                code=_code(ack),
            )

    async def _live(self, socket: Socket, beat: Callable[[], Awaitable[None]]) -> None:
        missed = 0
        while missed < MISSED:
            await self.clock.sleep(BEAT_S)
            with self.clock.hold():
                await beat()
                try:
                    await self._ask(socket, "ping", None)
                    missed = 0
                except SendError:
                    missed += 1
        raise Lost("heartbeats are not answered")

    async def _listen(self, socket: Socket, hear: Hear) -> None:
        while (text := await socket.hear()) is not None:
            frame = read(text.encode("utf-8", "surrogatepass"))
            headers = (frame or {}).get("headers")
            number = headers.get("req_id") if isinstance(headers, Mapping) else None
            if frame is None or not isinstance(number, str):
                log.warning("frame not understood", bot=self.bot.name, size=len(text))
            elif "cmd" not in frame:
                self._acknowledge(number, frame)
            elif str(frame["cmd"]) in CALLBACKS and isinstance(frame.get("body"), dict):
                with self.clock.hold():
                    await hear(frame["body"], number)
                if event_of(frame["body"]) == "disconnected_event":
                    raise TakenOver(self.bot.name)
        raise Lost("the connection has ended")

    def _acknowledge(self, number: str, frame: Frame) -> None:
        waiting = self._acks.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(frame)

    def _give_up(self) -> None:
        for waiting in self._acks.values():
            if not waiting.done():
                waiting.set_exception(Unanswered("长连接断开了，不知是否送达"))

    # ------------------------------------------------------------ asking

    async def _ask(self, socket: Socket, command: str, body: Any, number: str = "") -> Frame:
        """One frame and its acknowledgement; frames of one number go one after another."""
        number = number or f"{command}_{self.chance.token(8)}"
        frame: dict[str, Any] = {"cmd": command, "headers": {"req_id": number}}
        if body is not None:
            frame["body"] = body
        async with self._turns.setdefault(number, asyncio.Lock()):
            self._acks[number] = asyncio.get_running_loop().create_future()
            try:
                with self.clock.hold():
                    await socket.say(frame)
                    async with asyncio.timeout(self.ack_s):
                        return await self._acks[number]
            except TimeoutError:
                raise Unanswered(f"{command} 没有得到确认") from None
            finally:
                del self._acks[number]

    async def ask(self, command: str, body: Frame, number: str = "") -> Frame:
        """What the platform acknowledges with; the error its number stands for, when it refuses."""
        if self._socket is None:
            raise Busy("长连接还没有接上，接上后继续", retry_after=1.0)
        ack = await self._ask(self._socket, command, body, number)
        if (code := _code(ack)) and (error := error_of(code)) is not None:
            raise error
        return ack

    # ------------------------------------------------------------ saying

    async def send(self, parcel: Parcel, ticket: Mapping[str, str], body_of: payload.BodyOf) -> Sent:
        """An answer to what is still open, else a push to where the bot was spoken to before."""
        number, kind = ticket.get("request", ""), ticket.get("kind", "")
        if kind == "greeting":
            await self.ask("aibot_respond_welcome_msg", payload.greeting(parcel.content, parcel.key), number)
            return _sent(parcel)
        shown = await self._media(parcel, body_of)
        if number and kind == "message":
            try:
                await self.ask("aibot_respond_msg", shown or _answer(parcel), number)
                return _sent(parcel)
            except Refused as refusal:
                if refusal.code not in TOO_LATE:
                    raise
        chat = {"chatid": ticket.get("chat") or parcel.recipients[0]}
        sort = {"chat_type": 2 if parcel.audience == "group" else 1}
        shown = shown or payload.message(parcel.content, parcel.key)
        await self.ask("aibot_send_msg", {**chat, **sort, **shown})
        return _sent(parcel)

    async def _media(self, parcel: Parcel, body_of: payload.BodyOf) -> Body | None:
        """The one file a message is, handed over; None for words and cards."""
        if not parcel.content.media:
            return None
        media = parcel.content.media[0]
        number = await self.upload(str(media.form), media.name, await body_of(media))
        return payload.media_message(str(media.form), number)

    async def update_card(self, number: str, card: Body, userids: Collection[str]) -> None:
        """Show a card anew to who clicked it; taken within five seconds of the click."""
        await self.ask("aibot_respond_update_msg", payload.update_card(card, userids), number)

    async def upload(self, kind: str, name: str, content: bytes) -> str:
        """The media id of a file handed over in pieces; it lives for three days."""
        most = LARGEST_MEDIA.get(kind)
        if most is None or not 0 < len(content) <= min(most, CHUNK * CHUNKS):
            raise Refused(f"{kind} 文件为空、过大或不被支持", code=40007)
        pieces = [content[start : start + CHUNK] for start in range(0, len(content), CHUNK)]
        about = {"type": kind, "filename": name, "total_size": len(content), "total_chunks": len(pieces)}
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        upload = _told(await self.ask("aibot_upload_media_init", {**about, "md5": digest}), "upload_id")
        for index, piece in enumerate(pieces):
            data = {
                "upload_id": upload,
                "chunk_index": index,
                "base64_data": base64.b64encode(piece).decode(),
            }
            await self.ask("aibot_upload_media_chunk", data)
        return _told(await self.ask("aibot_upload_media_finish", {"upload_id": upload}), "media_id")


def _answer(parcel: Parcel) -> Body:
    """The whole answer at once: the first piece of a stream is also its last."""
    number = hashlib.sha256(parcel.key.encode()).hexdigest()[:32]
    return payload.stream(
        number,
        payload.markdown(parcel.content),
        finish=True,
        feedback=payload.feedback_id(parcel.key),
        card=payload.card_of(parcel.content, parcel.key),
    )


def _sent(parcel: Parcel) -> Sent:
    return Sent(payload.known_as(parcel.content, parcel.key))


def _code(ack: Frame) -> int:
    code = ack.get("errcode", 0)
    if not isinstance(code, int):
        raise Unanswered("企业微信的确认没有可读的错误码")
    return code


def _told(ack: Frame, name: str) -> str:
    body = ack.get("body")
    found = body.get(name) if isinstance(body, Mapping) else ack.get(name)
    if not isinstance(found, str) or not found:
        raise Unanswered(f"企业微信的确认缺少 {name}")
    return found


async def _stop(works: list[asyncio.Task[None]]) -> None:
    for work in works:
        work.cancel()
    await asyncio.gather(*works, return_exceptions=True)
