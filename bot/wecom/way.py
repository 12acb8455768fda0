"""Ways in: QR codes that lead to staff (渠道活码, developer.work.weixin.qq.com path 92228) or into groups (path 92229).

A way made by the API is not shown in the console, so its number must be kept. Only ways to staff are listed.
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
    """Ways to staff; an update leaves what it does not name."""

    client: WeComClient

    async def add(self, way: Way) -> MadeWay:
        sort = MULTIPLE if len(way.staff) > 1 else SINGLE
        answer = await self._post(
            "add_contact_way", {"type": sort, "scene": SCENES[way.scene], **_to_staff(way)}
        )
        return MadeWay(word(answer, "config_id"), str(answer.get("qr_code") or ""))

    async def get(self, number: str) -> tuple[str, MadeWay]:
        """The state of a way, and how it is reached."""
        told = part(await self._post("get_contact_way", {"config_id": number}), "contact_way")
        return str(told.get("state") or ""), MadeWay(number, str(told.get("qr_code") or ""))

    async def update(self, number: str, way: Way) -> None:
        await self._post("update_contact_way", {"config_id": number, **_to_staff(way)})

    async def delete(self, number: str) -> None:
        await self._post("del_contact_way", {"config_id": number})

    async def find(self, state: str, since: datetime) -> MadeWay | None:
        """A way made since then with this state: for adopting what was made without an answer."""
        now = self.client.clock.now()
        span = {"start_time": int(since.timestamp()), "end_time": int(now.timestamp()) + 1}

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


def _to_staff(way: Way) -> dict[str, Any]:
    return {
        "remark": way.name,
        "skip_verify": way.needs_no_consent,
        "state": way.state,
        "user": list(way.staff),
    }


@dataclass(eq=False)
class JoinWays:
    """Ways into groups; an update overwrites everything."""

    client: WeComClient

    async def add(self, way: Way) -> MadeWay:
        """Make it; its QR code is told only when asked for."""
        number = word(await self._post("add_join_way", _into_groups(way)), "config_id")
        return (await self.get(number))[1]

    async def get(self, number: str) -> tuple[str, MadeWay]:
        """The state of a way, and how it is reached."""
        told = part(await self._post("get_join_way", {"config_id": number}), "join_way")
        return str(told.get("state") or ""), MadeWay(number, str(told.get("qr_code") or ""))

    async def update(self, number: str, way: Way) -> None:
        await self._post("update_join_way", {"config_id": number, **_into_groups(way)})

    async def delete(self, number: str) -> None:
        await self._post("del_join_way", {"config_id": number})

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        contact = self.client.credentials.contact()
        return await self.client.post(f"externalcontact/groupchat/{path}", contact, body)


def _into_groups(way: Way) -> dict[str, Any]:
    room = {"room_base_name": way.room_name, "room_base_id": way.room_number} if way.room_name else {}
    return {
        "scene": SCENES[way.scene],
        "remark": way.name,
        "auto_create_room": int(way.opens_rooms),
        **room,
        "chat_id_list": list(way.groups),
        "state": way.state,
    }
