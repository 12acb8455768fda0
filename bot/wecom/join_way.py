"""Join ways 入群活码: QR codes that lead into groups (developer.work.weixin.qq.com path 92229)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.registry import MadeWay
from bot.wecom.client import WeComClient, part
from bot.wecom.paging import word
from sop.way import Scene, Way

SCENES = {Scene.MINI_PROGRAM: 1, Scene.QR: 2}


@dataclass(eq=False)
class JoinWays:
    """Making and changing ways into groups; an update overwrites everything."""

    client: WeComClient

    async def add(self, way: Way) -> MadeWay:
        """Make it; its QR code is told only when asked for."""
        number = word(await self._post("add_join_way", _whole(way)), "config_id")
        return (await self.get(number))[1]

    async def get(self, number: str) -> tuple[str, MadeWay]:
        """The state of a way, and how it is reached."""
        told = part(await self._post("get_join_way", {"config_id": number}), "join_way")
        return str(told.get("state") or ""), MadeWay(number, str(told.get("qr_code") or ""))

    async def update(self, number: str, way: Way) -> None:
        await self._post("update_join_way", {"config_id": number, **_whole(way)})

    async def delete(self, number: str) -> None:
        await self._post("del_join_way", {"config_id": number})

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        contact = self.client.credentials.contact()
        return await self.client.post(f"externalcontact/groupchat/{path}", contact, body)


def _whole(way: Way) -> dict[str, Any]:
    room = {"room_base_name": way.room_name, "room_base_id": way.room_number} if way.room_name else {}
    return {
        "scene": SCENES[way.scene],
        "remark": way.name,
        "auto_create_room": int(way.opens_rooms),
        **room,
        "chat_id_list": list(way.groups),
        "state": way.state,
    }
