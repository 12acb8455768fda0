"""微信客服: what members said and did behind an account, page by page (the platform's page 94670)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.gateway import KfPage
from bot.wecom import limit
from bot.wecom.client import WeComClient
from sop.errors import Refused
from sop.kf import KfEntered, KfFailed
from sop.update import MessageHeard, Unknown, Update

log = structlog.get_logger()

BY_MEMBER = 3
BAD_TOKEN, BAD_CURSOR = 95007, 50100
PATH = "kf/sync_msg"
PAGE = 1000


@dataclass(eq=False)
class Kf:
    """The accounts' streams; reading may be repeated, since every item has a number of its own."""

    client: WeComClient

    async def hear(self, account: str, *, cursor: str, token: str) -> KfPage:
        """The page after ``cursor``; a stale token or a lost cursor is done without, for items have ids."""
        try:
            return await self._page(account, cursor, token)
        except Refused as error:
            if error.code == BAD_TOKEN and token:
                return await self._page(account, cursor, "")
            if error.code == BAD_CURSOR and cursor:
                log.warning("kf starts over", account=account)
                return await self._page(account, "", token)
            raise

    async def _page(self, account: str, cursor: str, token: str) -> KfPage:
        body: dict[str, Any] = {"open_kfid": account, "limit": PAGE, "voice_format": 0}
        if cursor:
            body["cursor"] = cursor
        if token:
            body["token"] = token
        demands = limit.of_corp(PATH) if token else [*limit.of_untokened(account), *limit.of_corp(PATH)]
        answer = await self.client.post(PATH, self.client.credentials.kf(), body, demands=demands)
        updates = tuple(update for item in answer.get("msg_list") or () if (update := read(item, account)))
        return KfPage(updates, str(answer.get("next_cursor") or cursor), bool(answer.get("has_more")))


def read(item: Mapping[str, Any], account: str = "") -> Update | None:
    """The update an item of a stream means; None for one that cannot be read, so that it stops no other."""
    try:
        return _read(item, account)
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        log.warning("kf item cannot be read", error=type(error).__name__, item=str(item.get("msgid", "")))
        return None


def _read(item: Mapping[str, Any], account: str) -> Update:
    id, at = f"kf:{item['msgid']}", datetime.fromtimestamp(int(item["send_time"]), UTC)
    kind = str(item["msgtype"])
    if kind == "event":
        return _event(id, at, item["event"], account)
    if int(item.get("origin", BY_MEMBER)) != BY_MEMBER:
        return Unknown(at=at, id=id, name=f"kf/servicer/{kind}")
    told = item.get(kind) or {}
    return MessageHeard(
        at=at,
        id=id,
        member=str(item["external_userid"]),
        text=str(told.get("content") or told.get("title") or told.get("name") or ""),
        via="kf",
        account=str(item.get("open_kfid") or account),
        media=kind,
        menu=str(told.get("menu_id") or ""),
    )


def _event(id: str, at: datetime, event: Mapping[str, Any], account: str) -> Update:
    kind = str(event["event_type"])
    where = str(event.get("open_kfid") or account)
    if kind == "enter_session":
        return KfEntered(
            at=at,
            id=id,
            member=str(event["external_userid"]),
            account=where,
            scene=str(event.get("scene_param") or event.get("scene") or ""),
            welcome_code=str(event.get("welcome_code") or ""),
        )
    if kind == "msg_send_fail":
        return KfFailed(
            at=at,
            id=id,
            member=str(event["external_userid"]),
            account=where,
            message=str(event["fail_msgid"]),
            reason=int(event.get("fail_type") or 0),
        )
    return Unknown(at=at, id=id, name=f"kf/{kind}")
