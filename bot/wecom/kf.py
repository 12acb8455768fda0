"""微信客服: what members said and did behind an account, page by page, and who looks after them.

developer.work.weixin.qq.com paths 94670 (stream) and 94669 (sessions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bot.gateway import KfPage, Unread
from bot.wecom import limit
from bot.wecom.client import WeComClient
from bot.wecom.kf_parse import CARE, DOOR, NUMBER, understood
from bot.wecom.legible import Item, legible, sorted_out, text
from bot.wecom.person import person
from sop.errors import Refused
from sop.kf import Care, KfMoved, KfSessionTold
from sop.update import MemberDescribed, Update

log = structlog.get_logger()

BAD_TOKEN, BAD_CURSOR = 95007, 50100
PATH = "kf/sync_msg"
PAGE = 1000
ACCOUNTS_AT_ONCE = MEMBERS_AT_ONCE = 100


@dataclass(eq=False)
class Kf:
    """The accounts' streams; reading may be repeated, since every item has a number of its own."""

    client: WeComClient

    # ------------------------------------------------------------ the stream

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
        updates, unread = sorted_out(_read(item, account) for item in answer.get("msg_list") or ())
        return KfPage(updates, str(answer.get("next_cursor") or cursor), bool(answer.get("has_more")), unread)

    # ------------------------------------------------------------ accounts and members

    async def accounts(self) -> tuple[str, ...]:
        """Accounts an app may look after by API."""
        found: list[str] = []
        while True:
            body = {"offset": len(found), "limit": ACCOUNTS_AT_ONCE}
            answer = await self._post("kf/account/list", body)
            page = [text(one, "open_kfid") for one in answer.get("account_list") or ()]
            found += [one for one in page if one]
            if len(page) < ACCOUNTS_AT_ONCE:
                return tuple(found)

    async def members(self, ids: Sequence[str]) -> tuple[MemberDescribed, ...]:
        """Who writes to an account: names, and the unionid by which the same person is known elsewhere."""
        found: list[MemberDescribed] = []
        for start in range(0, len(ids), MEMBERS_AT_ONCE):
            wanted = list(ids[start : start + MEMBERS_AT_ONCE])
            body = {"external_userid_list": wanted, "need_enter_session_context": 0}
            answer = await self._post("kf/customer/batchget", body)
            found += [self._described(one) for one in answer.get("customer_list") or ()]
        return tuple(found)

    def _described(self, told: Item) -> MemberDescribed:
        return MemberDescribed(
            at=self.client.clock.now(),
            member=text(told, "external_userid"),
            name=text(told, "nickname"),
            avatar=text(told, "avatar"),
            unionid=text(told, "unionid"),
            gender=int(told.get("gender") or 0),
            whole=False,  # of friendships it says nothing
        )

    # ------------------------------------------------------------ sessions

    async def session(self, account: str, member: str) -> KfSessionTold:
        """Who looks after a member now."""
        body = {"open_kfid": account, "external_userid": member}
        answer = await self._post("kf/service_state/get", body)
        return KfSessionTold(
            at=self.client.clock.now(),
            member=member,
            account=account,
            care=CARE[int(answer.get("service_state") or 0)],
            staff=person(text(answer, "servicer_userid")),
        )

    async def move(self, account: str, member: str, care: Care, staff: str = "") -> KfMoved:
        """Move a session; ``Refused`` where the platform knows no such way."""
        body: dict[str, Any] = {
            "open_kfid": account,
            "external_userid": member,
            "service_state": NUMBER[care],
        }
        if staff:
            body["servicer_userid"] = staff
        answer = await self._post("kf/service_state/trans", body)
        code = text(answer, "msg_code")
        at = self.client.clock.now()
        return KfMoved(at=at, member=member, account=account, care=care, staff=staff, code=code)

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self.client.post(path, self.client.credentials.kf(), body)


def _read(item: Any, account: str) -> Update | Unread | None:
    whole = {"open_kfid": account, **item} if isinstance(item, dict) else item
    return legible(understood, whole, DOOR)
