"""The doors of 智能机器人 that are called back: told, stored, and answered in the same breath where that is possible.

What has no answer yet is answered with the beginning of a stream. The platform then comes again for the rest, to any
process: the answer waits in the ledger of sends, and who asks for it is given it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from aiohttp import web

from bot.chance import Chance
from bot.clock import patience
from bot.parcel import receipt_of
from bot.server import Answer, Doors
from bot.wecom import aibot_payload as payload
from bot.wecom.aibot import Aibots
from bot.wecom.aibot_click import clicked_card
from bot.wecom.aibot_parse import STREAM_LIFE, event_of, knock_of, read, stream_of
from bot.wecom.aibot_webhook import open_envelope, seal_envelope
from sop.errors import Busy, Refused
from sop.message import Channel
from sop.receipt import State
from storage import inbox
from storage.engine import Connection
from storage.inbox import DONE, PARKED, WAITING, Knock
from storage.outbox import Entry, OutboxStore

log = structlog.get_logger()

PATIENCE_S = (
    1.0  # real time in which an answer may still go with the acknowledgement; the platform waits five
)
LOOK_S = 0.03
UNFINISHED = STREAM_LIFE - timedelta(seconds=5)  # then a stream must end, for nobody comes for the rest
WORKING = "正在处理…"
LATE = "还在处理，好了再回复你。"
SPOILT = "这条没能处理，同事会来看。"
HEARD = "收到。"
FORGOTTEN = "这条消息找不到了，请再说一次。"

Reply = dict[str, Any]


@dataclass(eq=False)
class AibotDoors(Doors):
    """Like every door, but what is opened is JSON and the acknowledgement is an answer."""

    aibots: Aibots = field(kw_only=True)
    chance: Chance = field(kw_only=True)
    patience_s: float = PATIENCE_S

    async def _take(self, door: str, query: Mapping[str, str], sealed: bytes) -> Answer:
        now = self.clock.now()
        said = open_envelope(self.ciphers[door], query, sealed, freshness=self.freshness, now=now)
        told = read(said) or {}
        if stream_of(told):
            return partial(self._answer, door, query, told, None)
        knock = knock_of(self.corp, door, said, now)
        await self._intake.put(lambda: knock)
        self._noted(door)
        return partial(self._answer, door, query, told, knock)

    async def _answer(
        self, door: str, query: Mapping[str, str], told: Mapping[str, Any], knock: Knock | None
    ) -> web.Response:
        reply = await self._answered(door, told, knock)
        if reply is None:
            return web.Response()
        sealed = seal_envelope(
            self.ciphers[door],
            reply,
            nonce=query.get("nonce", ""),
            now=self.clock.now(),
            random16=self.chance.bytes(16),
        )
        return web.Response(body=sealed, content_type="application/json")

    # ------------------------------------------------------------ what to answer

    async def _answered(self, door: str, told: Mapping[str, Any], knock: Knock | None) -> Reply | None:
        try:
            if knock is None:
                return await self._continued(door, stream_of(told))
            return await self._first(door, told, knock)
        except Exception as error:  # it is stored; only the answer in the same breath is lost
            log.exception("bot not answered at once", door=door, reason=f"{type(error).__name__}: {error}")
            return None

    async def _first(self, door: str, told: Mapping[str, Any], knock: Knock) -> Reply | None:
        number = knock.key.hex()
        match told.get("msgtype"), event_of(told):
            case "event", "template_card_event":
                return await self._card(told)
            case "event", "enter_chat":
                entry = await self._soon(door, number)
                return payload.greeting(entry.message.content, entry.message.key) if entry else None
            case (("text" | "mixed" | "image" | "voice" | "file" | "video"), _):
                entry = await self._soon(door, number)
                feedback = payload.feedback_id(_key(number))
                if entry is None:
                    return payload.stream(number, WORKING, finish=False, feedback=feedback)
                return _whole(number, entry, feedback)
        return None

    async def _continued(self, door: str, number: str) -> Reply:
        """The platform came for more of a stream."""
        found = await self._look(door, number)
        if (entry := await self._given(found)) is not None:
            return _whole(number, entry)
        if found.state == PARKED:
            return payload.stream(number, SPOILT, finish=True)
        if found.state is None or (found.entry is None and found.state == DONE):
            return payload.stream(number, FORGOTTEN if found.state is None else HEARD, finish=True)
        if self.clock.now() >= found.received + UNFINISHED:
            return payload.stream(number, LATE, finish=True)
        return payload.stream(number, WORKING, finish=False)

    async def _card(self, told: Mapping[str, Any]) -> Reply | None:
        """A click is told once, and only in answer to it can the card be changed."""
        now = self.clock.now()
        shown = await self.db.read(lambda c: clicked_card(c, told, now))
        return None if shown is None else payload.update_card(*shown)

    # ------------------------------------------------------------ fetching

    async def _soon(self, door: str, number: str) -> Entry | None:
        """The answer, if it is there within a moment."""
        over = patience(self.patience_s)
        while True:
            found = await self._look(door, number)
            entry = await self._given(found)
            if entry is not None or found.state != WAITING or over():
                return entry
            await asyncio.sleep(LOOK_S)

    async def _look(self, door: str, number: str) -> _Found:
        now = self.clock.now()

        def look(connection: Connection) -> _Found:
            state, received = inbox.state_of(connection, _fact(number)) or (None, now)
            entry = OutboxStore(connection, now).by_key(_key(number))
            ours = entry is not None and f"aibot/{entry.message.sender}" == door
            return _Found(state, received, entry if ours else None)

        return await self.db.read(look)

    async def _given(self, found: _Found) -> Entry | None:
        """The answer, given away by this; given again to who asks again."""
        entry = found.entry
        if entry is None or entry.state is State.SENT:
            return entry
        if entry.state is not State.WAITING or not _can_be_fetched(entry):
            return None
        try:
            await self.aibots.turn(entry.message.sender, entry.recipient)
        except Busy:
            return None
        return entry if await self.db.write(lambda c: self._give(c, entry), urgent=True) else None

    def _give(self, connection: Connection, entry: Entry) -> bool:
        now = self.clock.now()
        known_as = payload.known_as(entry.message.content, entry.message.key)
        if not OutboxStore(connection, now).hand_over(entry.message.key, known_as):
            return False
        inbox.insert(connection, [receipt_of(entry, now)])
        self.metrics.messages.labels(str(Channel.AIBOT), str(State.SENT)).inc()
        return True


@dataclass(frozen=True)
class _Found:
    """What became of something the bot was told: its state in the inbox, when it arrived, and the answer."""

    state: int | None
    received: datetime
    entry: Entry | None


def _can_be_fetched(entry: Entry) -> bool:
    """A file cannot, nor can what is refused anyway; the sender will say why."""
    try:
        _whole("", entry)
    except Refused:
        return False
    return not entry.message.content.media


def _key(number: str) -> str:
    """Streams are numbered by what they answer, so any process finds the answer."""
    return f"reply:{number}"


def _fact(number: str) -> bytes:
    try:
        return bytes.fromhex(number)
    except ValueError:
        return b""


def _whole(number: str, entry: Entry, feedback: str = "") -> Reply:
    message = entry.message
    card = payload.card_of(message.content, message.key)
    text = payload.markdown(message.content)
    return payload.stream(number, text, finish=True, feedback=feedback, card=card)
