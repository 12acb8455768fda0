"""The platform's end of the long connections: one living connection a bot, the newest; frames in and acknowledgements out."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from bot.simulator.aibot_reply import INVALID_REQUEST, Exchange, push, take
from bot.simulator.calls import Refusal
from bot.simulator.limits import Limits
from bot.simulator.world import Bot, World, bot_talk, internal_talk

ARRIVAL_S = 2.0  # real time in which a frame is taken by whoever listens
CHUNK, CHUNKS = 512 * 1024, 100
LARGEST = {"image": 10 << 20, "video": 10 << 20, "voice": 2 << 20, "file": 20 << 20}
MEDIA_S = 3 * 86400

Frame = Mapping[str, Any]


@dataclass(eq=False)
class _Connection:
    """One connection; ``bot`` is known once it has subscribed."""

    request: web.Request
    socket: web.WebSocketResponse
    bot: Bot | None = None
    arrivals: dict[bytes, asyncio.Event] = field(default_factory=dict)

    async def say(self, frame: Frame) -> None:
        if not self.socket.closed:
            await self.socket.send_str(json.dumps(frame, ensure_ascii=False))

    async def tell(self, frame: Frame, mark: str) -> None:
        """Send, and wait until it was taken off the wire: the answer to a ping behind it tells."""
        arrived = self.arrivals.setdefault(mark.encode(), asyncio.Event())
        try:
            async with asyncio.timeout(ARRIVAL_S):
                await self.say(frame)
                await self.socket.ping(mark.encode())
                await arrived.wait()
        except (TimeoutError, ConnectionError):
            pass
        finally:
            self.arrivals.pop(mark.encode(), None)


@dataclass(eq=False)
class _Upload:
    type: str
    size: int
    chunks: int
    md5: str
    pieces: dict[int, bytes] = field(default_factory=dict)


class Sockets:
    """All long connections."""

    def __init__(self, world: World, limits: Limits) -> None:
        self.world, self._limits = world, limits
        self.living: dict[str, _Connection] = {}
        self.deaf = False  # swallow every frame and acknowledge nothing
        self._all: set[_Connection] = set()
        self._exchanges: dict[str, Exchange] = {}
        self._uploads: dict[str, _Upload] = {}
        self._commands = {
            "ping": self._ping,
            "aibot_respond_msg": self._respond,
            "aibot_respond_welcome_msg": self._respond,
            "aibot_respond_update_msg": self._respond,
            "aibot_send_msg": self._send,
            "aibot_upload_media_init": self._upload_init,
            "aibot_upload_media_chunk": self._upload_chunk,
            "aibot_upload_media_finish": self._upload_finish,
        }

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        connection = _Connection(request, socket)
        self._all.add(connection)
        try:
            async for message in socket:
                if message.type is WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type is WSMsgType.PONG and (
                    arrived := connection.arrivals.get(bytes(message.data))
                ):
                    arrived.set()
                elif message.type is WSMsgType.TEXT and not self.deaf:
                    await self._hear(connection, message.data)
        finally:
            self._all.discard(connection)
            self._forget(connection)
        return socket

    async def tell(self, bot: Bot, exchange: Exchange, told: Frame) -> None:
        """Tell a bot something; without a connection nobody hears it."""
        connection = self.living.get(bot.name)
        outcome = "nobody listens" if connection is None else "acked"
        door, plain = f"aibot/{bot.name}", json.dumps(told, ensure_ascii=False)
        with self.world.clock.hold():
            if connection is not None:
                self._exchanges[exchange.request] = exchange
                sort = "aibot_event_callback" if told.get("msgtype") == "event" else "aibot_msg_callback"
                frame = {"cmd": sort, "headers": {"req_id": exchange.request}, "body": dict(told)}
                await connection.tell(frame, exchange.request)
            self.world.journal.note(
                "callback", id=exchange.request, door=door, attempt=1, outcome=outcome, plain=plain
            )

    def cut(self, bot: str) -> None:
        """Break a connection without a word."""
        connection = self.living.get(bot)
        if connection is not None and connection.request.transport is not None:
            connection.request.transport.abort()

    async def aclose(self) -> None:
        await asyncio.gather(*(one.socket.close() for one in list(self._all)))

    # frames

    async def _hear(self, connection: _Connection, text: str) -> None:
        frame = json.loads(text)
        number = frame["headers"]["req_id"]
        try:
            body = await self._does(connection, str(frame.get("cmd")), number, frame.get("body") or {})
            ack = {"errcode": 0, "errmsg": "ok", **({"body": body} if body else {})}
        except Refusal as refusal:
            ack = {"errcode": refusal.code, "errmsg": refusal.reason}
        self.world.journal.note("frame", cmd=frame.get("cmd"), code=ack["errcode"], reason=ack["errmsg"])
        await connection.say({"headers": {"req_id": number}, **ack})

    async def _does(self, connection: _Connection, command: str, number: str, body: Frame) -> Frame | None:
        if command == "aibot_subscribe":
            await self._subscribe(connection, body)
            return None
        if connection.bot is None:
            raise Refusal(40014, "subscribe first")
        known = self._commands.get(command)
        if known is None:
            raise Refusal(40008, command)
        return known(connection.bot, number, body)

    async def _subscribe(self, connection: _Connection, body: Frame) -> None:
        wanted = (body.get("bot_id"), body.get("secret"))
        bot = next((bot for bot in self.world.bots.values() if (bot.bot_id, bot.secret) == wanted), None)
        if bot is None or bot.mode != "websocket":
            raise Refusal(40001, "bot_id or secret")
        connection.bot = bot
        old = self.living.get(bot.name)
        self.living[bot.name] = connection
        if old is not None and old is not connection:
            await self._kick(bot, old)

    async def _kick(self, bot: Bot, old: _Connection) -> None:
        event = {"eventtype": "disconnected_event", "disconnected_event": {}}
        number = self.world.number("botmsg")
        told = {
            "msgid": f"QXBOT-{number:06d}",
            "create_time": int(self.world.now().timestamp()),
            "aibotid": bot.bot_id,
            "msgtype": "event",
            "event": event,
        }
        await old.say({"cmd": "aibot_event_callback", "headers": {"req_id": f"req-{number}"}, "body": told})
        self.world.journal.note("act", act="kick", bot=bot.name)

    def _forget(self, connection: _Connection) -> None:
        if connection.bot is not None and self.living.get(connection.bot.name) is connection:
            del self.living[connection.bot.name]

    # commands

    def _ping(self, bot: Bot, number: str, body: Frame) -> None:
        return None

    def _respond(self, bot: Bot, number: str, body: Frame) -> None:
        exchange = self._exchanges.get(number)
        if exchange is None or exchange.bot != bot.name:
            raise Refusal(INVALID_REQUEST, "req_id")
        self._count(bot, exchange.group or exchange.staff)
        take(self.world, exchange, body)

    def _send(self, bot: Bot, number: str, body: Frame) -> None:
        chat = body.get("chatid")
        if not isinstance(chat, str) or not self._was_addressed(bot, chat):
            raise Refusal(40058, "nobody spoke to the bot there")
        self._count(bot, chat)
        group = chat in self.world.internal
        push(self.world, bot.name, internal_talk(chat) if group else bot_talk(bot.name, chat), body)

    def _was_addressed(self, bot: Bot, chat: str) -> bool:
        mine = (one for one in self._exchanges.values() if one.bot == bot.name)
        return any(chat == (one.group or one.staff) for one in mine)

    def _count(self, bot: Bot, chat: str) -> None:
        if not self._limits.conversation(bot.name, chat, self.world.now()):
            raise Refusal(45009)

    def _upload_init(self, bot: Bot, number: str, body: Frame) -> Frame:
        upload = _Upload(
            str(body.get("type")), int(body["total_size"]), int(body["total_chunks"]), str(body["md5"])
        )
        if not 0 < upload.size <= LARGEST.get(upload.type, 0) or not 0 < upload.chunks <= CHUNKS:
            raise Refusal(40035, "type, total_size or total_chunks")
        code = self.world.code("UPLOAD", MEDIA_S).code
        self._uploads[code] = upload
        return {"upload_id": code}

    def _upload_chunk(self, bot: Bot, number: str, body: Frame) -> None:
        upload = self._uploads.get(str(body.get("upload_id")))
        index = body.get("chunk_index")
        if upload is None or not isinstance(index, int) or not 0 <= index < upload.chunks:
            raise Refusal(40035, "upload_id or chunk_index")
        try:
            piece = base64.b64decode(str(body.get("base64_data")), validate=True)
        except binascii.Error as mistake:
            raise Refusal(40035, "base64_data") from mistake
        if len(piece) > CHUNK:
            raise Refusal(45002, "chunk")
        upload.pieces[index] = piece

    def _upload_finish(self, bot: Bot, number: str, body: Frame) -> Frame:
        upload = self._uploads.pop(str(body.get("upload_id")), None)
        if upload is None:
            raise Refusal(40035, "upload_id")
        content = b"".join(upload.pieces.get(index, b"") for index in range(upload.chunks))
        if (
            len(content) != upload.size
            or hashlib.md5(content, usedforsecurity=False).hexdigest() != upload.md5
        ):
            raise Refusal(40035, "size or md5")
        media = self.world.code("MEDIA", MEDIA_S, type=upload.type).code
        return {"type": upload.type, "media_id": media, "created_at": int(self.world.now().timestamp())}
