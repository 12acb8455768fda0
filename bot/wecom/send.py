"""Sending: one request a parcel, once, and what the platform's answer means for each recipient.

What the platform would refuse is refused before anything leaves; files are handed over first, the message after them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from bot.gateway import Parcel
from bot.wecom import limit, payload, payload_app, payload_webhook
from bot.wecom.aibot import Aibots
from bot.wecom.appchat import Chats
from bot.wecom.card import card_body
from bot.wecom.client import WeComClient
from bot.wecom.media import FORGOTTEN, Library, files_of
from bot.wecom.moment import Moments
from bot.wecom.words import Body, Handed
from sop.card import Card
from sop.errors import Blocked, Busy, Refused, Unanswered
from sop.message import CAPABILITIES, Channel, Form
from sop.quota import GROUPS_PER_TASK, MEMBERS_PER_TASK
from sop.receipt import Sent
from storage.engine import Database
from storage.tag import TagStore
from storage.told import told_staff

MOST = {  # recipients of one request; one where nothing is said
    (Channel.APP, "staff"): 1000,
    (Channel.GROUP_SEND, "member"): MEMBERS_PER_TASK,
    (Channel.GROUP_SEND, "group"): GROUPS_PER_TASK,
}
NOBODY = (Channel.WEBHOOK, Channel.MOMENT)  # the address says it all
MOST_READERS = 1000  # of one change to a card
SAMPLE = "m" * 80  # as long as a file's number


@dataclass(eq=False)
class Sending:
    """The channels; whatever goes wrong is told by the kind of error, and nothing is repeated."""

    client: WeComClient
    aibots: Aibots
    db: Database | None = None

    def __post_init__(self) -> None:
        self.library = Library(self.client, self.db)
        self._chats, self._moments = Chats(self.client), Moments(self.client)
        self._recollected = self.db is None or self.client.shared.lasts
        self._recollecting = asyncio.Lock()

    async def send(self, parcel: Parcel) -> Sent:
        _must_be_sendable(parcel)
        handed = await self._handed(parcel)
        try:
            return await self._send(parcel, handed)
        except Refused as refusal:
            if refusal.code != FORGOTTEN or not await self._forgotten(parcel):
                raise
            raise Busy(refusal.reason, code=refusal.code, retry_after=1.0) from refusal

    async def _send(self, parcel: Parcel, handed: Handed) -> Sent:
        match parcel.channel:
            case Channel.APP:
                return await self._app(parcel, handed)
            case Channel.APPCHAT:
                return await self._appchat(parcel, handed)
            case Channel.WELCOME:
                return await self._welcome(parcel, handed)
            case Channel.GROUP_SEND:
                return await self._group_send(parcel, handed)
            case Channel.KF:
                return await self._kf(parcel, handed)
            case Channel.WEBHOOK:
                return await self._webhook(parcel, handed)
            case Channel.AIBOT:
                return await self.aibots.send(parcel, self.library.body)
            case Channel.MOMENT:
                return await self._moment(parcel, handed)

    # ------------------------------------------------------------ after it is said

    async def update_card(
        self, code: str, staff: Sequence[str], app: str, button: str, card: Card | None
    ) -> None:
        """Change a card somebody pressed (path 94888): the word on its button, or all of it."""
        if not staff or len(staff) > MOST_READERS:
            raise Refused(f"一次更新 1 到 {MOST_READERS} 人的卡片", code=40058)
        known = self.client.credentials.app(app)
        changed: Body = {"button": {"replace_name": button}} if card is None else {}
        if card is not None:
            changed = {"template_card": card_body(card, code)}
        body = {"userids": list(staff), "agentid": known.agent_id, "response_code": code, **changed}
        await self.client.post("message/update_template_card", self.client.credentials.of_app(known), body)

    async def unsay(self, number: str, app: str) -> None:
        """Take an app message back; the platform lets us for 24 hours."""
        credentials = self.client.credentials
        credential = credentials.of_app(credentials.app(app))
        await self.client.post("message/recall", credential, {"msgid": number})

    # ------------------------------------------------------------ files

    async def _handed(self, parcel: Parcel) -> Handed:
        """The numbers of the parcel's files, once everything else about it is known to be right."""
        files = files_of(parcel.content)
        if not files or parcel.channel is Channel.AIBOT:  # a bot hands its files over on its own connection
            return {}
        await self._body(parcel, dict.fromkeys(files, SAMPLE))
        return await self.library.handed(parcel.channel, parcel.content, parcel.sender)

    async def _forgotten(self, parcel: Parcel) -> bool:
        return await self.library.forget(parcel.channel, parcel.content, parcel.sender)

    async def _body(self, parcel: Parcel, handed: Handed) -> Body:
        match parcel.channel:
            case Channel.APP:
                return payload_app.app_body(0, parcel, handed)
            case Channel.APPCHAT:
                return payload_app.appchat_body(parcel, handed)
            case Channel.WEBHOOK:
                return payload_webhook.webhook_body(parcel, handed, await self._pictures(parcel))
            case Channel.KF:
                return payload.kf_body(parcel, handed)
            case Channel.MOMENT:
                return payload.moment_body(parcel, handed, ())
            case _:
                return payload.mass_body(parcel, handed)

    async def _pictures(self, parcel: Parcel) -> dict[str, bytes]:
        images = [media for media in parcel.content.media if media.form is Form.IMAGE]
        return {media.digest: await self.library.body(media) for media in images}

    # ------------------------------------------------------------ channels

    async def _app(self, parcel: Parcel, handed: Handed) -> Sent:
        credentials = self.client.credentials
        app = credentials.app(parcel.sender)
        await self._recollect()
        answer = await self.client.post(
            "message/send",
            credentials.of_app(app),
            payload_app.app_body(app.agent_id, parcel, handed),
            demands=limit.of_receivers(app.name, parcel.recipients, self.client.settings.accounts),
        )
        return Sent(str(answer.get("msgid") or parcel.key), _not_reached(parcel.recipients, answer))

    async def _recollect(self) -> None:
        """After a restart, what staff were told shortly before still counts: what is too much is dropped in silence."""
        async with self._recollecting:
            if self.db is None or self._recollected:
                return
            now = self.client.clock.now()
            for window in (limit.MINUTE_S, limit.HOUR_S):
                told = await self.db.read(partial(told_staff, since=now - timedelta(seconds=window)))
                for (sender, staff), count in told.items():
                    with suppress(Blocked):  # by an app there is no more
                        app = self.client.credentials.app(sender)
                        await self.client.shared.take(limit.spent_on(app.name, staff, window, count), now)
            self._recollected = True

    async def _appchat(self, parcel: Parcel, handed: Handed) -> Sent:
        credentials = self.client.credentials
        app = credentials.app(parcel.sender)
        body = payload_app.appchat_body(parcel, handed)
        demands = await self._chats.demands(parcel.recipients[0], app.name)
        await self.client.post("appchat/send", credentials.of_app(app), body, demands=demands)
        return Sent(parcel.key)

    async def _welcome(self, parcel: Parcel, handed: Handed) -> Sent:
        if not parcel.welcome_code:
            raise Refused("没有欢迎语凭证：可能已聊过天，或企业微信后台已配置欢迎语", code=41050)
        body = {"welcome_code": parcel.welcome_code, **payload.mass_body(parcel, handed)}
        await self.client.post("externalcontact/send_welcome_msg", self.client.credentials.contact(), body)
        return Sent(parcel.welcome_code)

    async def _group_send(self, parcel: Parcel, handed: Handed) -> Sent:
        answer = await self.client.post(
            "externalcontact/add_msg_template",
            self.client.credentials.contact(),
            payload.group_send_body(parcel, handed),
        )
        number = answer.get("msgid")
        if not number:
            raise Unanswered("企业微信没有给出群发任务编号")
        return Sent(str(number), tuple(str(one) for one in answer.get("fail_list") or ()))

    async def _kf(self, parcel: Parcel, handed: Handed) -> Sent:
        path = "kf/send_msg_on_event" if parcel.welcome_code else "kf/send_msg"
        body = payload.kf_body(parcel, handed)
        answer = await self.client.post(path, self.client.credentials.kf(), body)
        return Sent(str(answer.get("msgid") or body["msgid"]))

    async def _webhook(self, parcel: Parcel, handed: Handed) -> Sent:
        key = self.client.credentials.webhook(parcel.sender)
        body = payload_webhook.webhook_body(parcel, handed, await self._pictures(parcel))
        demands = limit.of_webhook(limit.mark_of(key))
        await self.client.post_open("webhook/send", {"key": key}, body, demands)
        return Sent(parcel.key)

    async def _moment(self, parcel: Parcel, handed: Handed) -> Sent:
        tags = await self._tags(parcel.content.seen_by)
        return Sent(await self._moments.create(payload.moment_body(parcel, handed, tags)))

    async def _tags(self, names: Sequence[str]) -> tuple[str, ...]:
        """The platform's ids of tags; with one unknown, too many people would see the moment."""
        numbers = [await self._tag(name) for name in names]
        if unknown := [name for name, number in zip(names, numbers, strict=True) if not number]:
            raise Refused(f"企业微信里没有标签 {'、'.join(unknown)}，请先同步标签", code=40068)
        return tuple(numbers)

    async def _tag(self, name: str) -> str:
        if self.db is None:
            return ""
        now = self.client.clock.now()
        return await self.db.read(lambda c: TagStore(c, now).platform_id(name)) or ""


def _must_be_sendable(parcel: Parcel) -> None:
    if not parcel.recipients and parcel.channel not in NOBODY:
        raise Refused("消息没有接收人", code=82001)
    most = MOST.get((parcel.channel, parcel.audience), 1)
    if len(parcel.recipients) > most:
        raise Refused(f"一次最多 {most} 个接收人", code=81017)
    if why := CAPABILITIES[parcel.channel].objection(parcel.content):
        raise Refused(why, code=40008)


def _not_reached(recipients: Sequence[str], answer: dict[str, Any]) -> tuple[str, ...]:
    """Recipients the platform named as invalid or unlicensed; it writes them in lower case."""
    named: set[str] = set()
    for field in ("invaliduser", "unlicenseduser"):
        named.update(str(answer.get(field) or "").lower().split("|"))
    return tuple(one for one in recipients if one.lower() in named)
