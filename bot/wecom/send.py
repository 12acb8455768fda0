"""Sending: one request a parcel, once, and what the platform's answer means for each recipient."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.gateway import Parcel
from bot.wecom import limit, payload
from bot.wecom.aibot import Aibots
from bot.wecom.client import WeComClient
from sop.errors import Refused, Unanswered
from sop.message import Channel
from sop.receipt import Sent

MOST = {  # recipients of one request; one where nothing is said
    (Channel.APP, "staff"): 1000,
    (Channel.GROUP_SEND, "member"): 10_000,
    (Channel.GROUP_SEND, "group"): 2000,
}


@dataclass(eq=False)
class Sending:
    """The channels; whatever goes wrong is told by the kind of error, and nothing is repeated."""

    client: WeComClient
    aibots: Aibots

    async def send(self, parcel: Parcel) -> Sent:
        _must_be_sendable(parcel)
        match parcel.channel:
            case Channel.APP:
                return await self._app(parcel)
            case Channel.WELCOME:
                return await self._welcome(parcel)
            case Channel.GROUP_SEND:
                return await self._group_send(parcel)
            case Channel.KF:
                return await self._kf(parcel)
            case Channel.WEBHOOK:
                return await self._webhook(parcel)
            case Channel.AIBOT:
                return await self.aibots.send(parcel)

    async def _app(self, parcel: Parcel) -> Sent:
        credentials = self.client.credentials
        app = credentials.app(parcel.sender)
        answer = await self.client.post(
            "message/send",
            credentials.of_app(app),
            payload.app_body(app.agent_id, parcel),
            demands=limit.of_receivers(app.name, parcel.recipients),
        )
        return Sent(str(answer.get("msgid") or parcel.key), _not_reached(parcel.recipients, answer))

    async def _welcome(self, parcel: Parcel) -> Sent:
        if not parcel.welcome_code:
            raise Refused("没有欢迎语凭证：可能已聊过天，或企业微信后台已配置欢迎语", code=41050)
        body = {"welcome_code": parcel.welcome_code, **payload.mass_body(parcel)}
        await self.client.post("externalcontact/send_welcome_msg", self.client.credentials.contact(), body)
        return Sent(parcel.welcome_code)

    async def _group_send(self, parcel: Parcel) -> Sent:
        answer = await self.client.post(
            "externalcontact/add_msg_template",
            self.client.credentials.contact(),
            payload.group_send_body(parcel),
        )
        number = answer.get("msgid")
        if not number:
            raise Unanswered("企业微信没有给出群发任务编号")
        return Sent(str(number), tuple(str(one) for one in answer.get("fail_list") or ()))

    async def _kf(self, parcel: Parcel) -> Sent:
        path = "kf/send_msg_on_event" if parcel.welcome_code else "kf/send_msg"
        body = payload.kf_body(parcel)
        answer = await self.client.post(path, self.client.credentials.kf(), body)
        return Sent(str(answer.get("msgid") or body["msgid"]))

    async def _webhook(self, parcel: Parcel) -> Sent:
        key = self.client.credentials.webhook(parcel.sender)
        mark = hashlib.sha256(key.encode()).hexdigest()[:16]
        body = payload.webhook_body(parcel)
        await self.client.post_open("webhook/send", {"key": key}, body, limit.of_webhook(mark))
        return Sent(parcel.key)


def _must_be_sendable(parcel: Parcel) -> None:
    if not parcel.recipients and parcel.channel is not Channel.WEBHOOK:
        raise Refused("消息没有接收人", code=82001)
    most = MOST.get((parcel.channel, parcel.audience), 1)
    if len(parcel.recipients) > most:
        raise Refused(f"一次最多 {most} 个接收人", code=81017)


def _not_reached(recipients: Sequence[str], answer: dict[str, Any]) -> tuple[str, ...]:
    """Recipients the platform named as invalid or unlicensed; it writes them in lower case."""
    named: set[str] = set()
    for field in ("invaliduser", "unlicenseduser"):
        named.update(str(answer.get(field) or "").lower().split("|"))
    return tuple(one for one in recipients if one.lower() in named)
