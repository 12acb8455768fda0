"""智能机器人 on their way out: one adapter, and behind it the transport each bot is set up for.

A transport is anything with the two methods of :class:`Transport`. The day the platform opens another one,
it is written beside ``aibot_webhook`` and ``aibot_socket`` and named in ``Aibots``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from bot.chance import Chance
from bot.clock import Clock
from bot.gateway import Parcel
from bot.outgoing import Outgoing
from bot.wecom import limit
from bot.wecom.aibot_parse import read
from bot.wecom.aibot_payload import BodyOf, markdown
from bot.wecom.aibot_socket import Line
from bot.wecom.aibot_webhook import Responses
from bot.wecom.settings import Aibot, WeComSettings
from sop.errors import Busy, Refused
from sop.receipt import Sent
from storage.engine import Database
from storage.shared import Shared


class Transport(Protocol):
    """How the words of one bot leave."""

    @property
    def open(self) -> bool:
        """Whether anything can leave through this process now."""
        ...

    async def send(self, parcel: Parcel, ticket: Mapping[str, str], body_of: BodyOf) -> Sent:
        """``body_of`` gives the bytes of a file that the message carries."""
        ...


class Aibots:
    """Every bot that is set up, and its transport."""

    def __init__(
        self,
        settings: WeComSettings,
        outgoing: Outgoing,
        clock: Clock,
        chance: Chance,
        shared: Shared,
        db: Database | None,
    ) -> None:
        self.bots = {bot.name: bot for bot in settings.aibots}
        self.lines = {
            bot.name: Line(bot, settings.socket_base, outgoing, clock, chance)
            for bot in settings.aibots
            if bot.mode == "websocket"
        }
        responses = Responses(settings.api_base, outgoing, clock, db)
        self._transports: dict[str, Transport] = {name: self.lines.get(name, responses) for name in self.bots}
        self._clock, self._shared = clock, shared

    def silent(self) -> Collection[str]:
        """The bots whose words cannot leave through this process now."""
        return [name for name, transport in self._transports.items() if not transport.open]

    async def send(self, parcel: Parcel, body_of: BodyOf) -> Sent:
        bot = self._bot(parcel.sender)
        markdown(parcel.content)  # what is too long is refused before it costs a turn
        ticket = ticket_of(parcel)
        await self.turn(bot.name, parcel.recipients[0])
        return await self._transports[bot.name].send(parcel, ticket, body_of)

    async def turn(self, bot: str, chat: str) -> None:
        """Our turn to say something in a conversation."""
        wait = await self._shared.take(limit.of_conversation(bot, chat), self._clock.now())
        if wait > 0:
            raise Busy(f"这个会话说得太频繁，{wait:.0f} 秒后继续", retry_after=wait)

    def _bot(self, name: str) -> Aibot:
        if name not in self.bots:
            raise Refused(f"config.toml 里没有智能机器人 {name!r}；要它说话，请在 [[wecom.aibot]] 里加上")
        return self.bots[name]


def ticket_of(parcel: Parcel) -> dict[str, str]:
    """What :class:`bot.wecom.aibot_parse.Told` put into the ticket; nothing for a message nobody asked for."""
    if not parcel.ticket:
        return {}
    found = read(parcel.ticket.encode())
    if found is None:
        raise Refused("回复凭证无法读取")
    return {name: str(value) for name, value in found.items()}
