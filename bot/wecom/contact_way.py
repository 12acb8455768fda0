"""Contact ways 渠道活码: QR codes that lead to staff (developer.work.weixin.qq.com path 92228).

A way is not listed to us when somebody else made it, nor shown in the console, so its number must be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.registry import MadeWay
from bot.wecom.client import WeComClient, part
from bot.wecom.paging import pages, rows, word
from sop.way import Scene, Way

SINGLE, MULTIPLE = 1, 2
SCENES = {Scene.MINI_PROGRAM: 1, Scene.QR: 2}
MOST_LISTED = 1000


@dataclass(eq=False)
class ContactWays:
    """Making, changing and finding ways to staff."""

    client: WeComClient

    async def add(self, way: Way) -> MadeWay:
        body = {
            "type": MULTIPLE if len(way.staff) > 1 else SINGLE,
            "scene": SCENES[way.scene],
            **_changing(way),
        }
        answer = await self._post("add_contact_way", body)
        return MadeWay(word(answer, "config_id"), str(answer.get("qr_code") or ""))

    async def get(self, number: str) -> tuple[str, MadeWay]:
        """The state of a way, and how it is reached."""
        told = part(await self._post("get_contact_way", {"config_id": number}), "contact_way")
        return str(told.get("state") or ""), MadeWay(number, str(told.get("qr_code") or ""))

    async def update(self, number: str, way: Way) -> None:
        await self._post("update_contact_way", {"config_id": number, **_changing(way)})

    async def delete(self, number: str) -> None:
        await self._post("del_contact_way", {"config_id": number})

    async def find(self, state: str, since: datetime) -> MadeWay | None:
        """A way made since then with this state: for adopting what was made without an answer."""
        span = {
            "start_time": int(since.timestamp()),
            "end_time": int(self.client.clock.now().timestamp()) + 1,
        }

        async def ask(cursor: str) -> dict[str, Any]:
            more = {"cursor": cursor} if cursor else {}
            return await self._post("list_contact_way", {**span, **more, "limit": MOST_LISTED})

        async for answer in pages(ask):
            for listed in rows(answer, "contact_way"):
                theirs, made = await self.get(word(listed, "config_id"))
                if theirs == state:
                    return made
        return None

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        contact = self.client.credentials.contact()
        return await self.client.post(f"externalcontact/{path}", contact, body)


def _changing(way: Way) -> dict[str, Any]:
    return {
        "remark": way.name,
        "skip_verify": way.needs_no_consent,
        "state": way.state,
        "user": list(way.staff),
    }
