"""Internal groups our app makes: an operator asks, the platform is asked, and the group is known from then on."""

from __future__ import annotations

from dataclasses import dataclass

from bot.clock import Clock
from bot.gateway import Gateway
from sop.errors import Refused
from sop.group import GroupKind
from storage.alarm import raise_alarm
from storage.engine import Connection, Database
from storage.errand import Errand
from storage.group import GroupStore


@dataclass
class ChatErrands:
    """Runs the errand ``appchat`` about one group; ``do`` is found or change. Both may be asked again."""

    db: Database
    gateway: Gateway
    clock: Clock

    async def run(self, errand: Errand) -> None:
        try:
            await {"found": self._found, "change": self._change}[str(errand.data["do"])](errand)
        except Refused as refusal:
            now, told = (
                self.clock.now(),
                f"内部群「{errand.data.get('name') or errand.whom}」没有办成：{refusal.reason}",
            )
            await self.db.write(lambda c: raise_alarm(c, f"appchat:{errand.whom}:{now.date()}", told, now))
            raise

    async def _found(self, errand: Errand) -> None:
        data, now = errand.data, self.clock.now()
        name, staff = str(data["name"]), tuple(str(one) for one in data["staff"])
        app = str(data.get("app") or "")
        await self.gateway.create_chat(
            name, owner=str(data["owner"]), staff=staff, number=errand.whom, app=app
        )

        def know(connection: Connection) -> None:
            GroupStore(connection, now).meet(errand.whom, kind=str(GroupKind.INTERNAL), name=name)

        await self.db.write(know)

    async def _change(self, errand: Errand) -> None:
        data = errand.data
        add, remove = (tuple(str(one) for one in data.get(key) or ()) for key in ("add", "remove"))
        await self.gateway.change_chat(
            errand.whom,
            name=str(data.get("name") or ""),
            owner=str(data.get("owner") or ""),
            add=add,
            remove=remove,
            app=str(data.get("app") or ""),
        )
