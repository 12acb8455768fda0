"""Internal groups our app makes and speaks in (应用群聊); nobody's answers there reach us.

developer.work.weixin.qq.com path 90248. Only a self-built app seen by the whole corp may do this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bot.gateway import Chat
from bot.wecom import limit
from bot.wecom.client import WeComClient, part
from bot.wecom.credential import Credential
from bot.wecom.person import person
from bot.wecom.words import Body
from sop.errors import Refused
from storage.shared import Demand

LONGEST_NAME = 50  # characters
SMALLEST, LARGEST = 2, 2000
REMEMBER = timedelta(days=1)  # how many sit in a group

_NUMBER = re.compile(r"[0-9A-Za-z]{1,32}")


@dataclass(eq=False)
class Chats:
    """Groups of staff, made and changed by us."""

    client: WeComClient

    async def create(self, name: str, owner: str, staff: Sequence[str], number: str, app: str = "") -> str:
        """Make a group with a number of our choosing, and return it; the same number makes no second group."""
        _must_be_name(name)
        if not SMALLEST <= len(staff) <= LARGEST:
            raise Refused(f"内部群要有 {SMALLEST} 到 {LARGEST} 名员工", code=40058)
        if not _NUMBER.fullmatch(number):
            raise Refused("内部群编号只能是 1 到 32 位字母和数字", code=86001)
        body: Body = {"name": name, "owner": owner, "userlist": list(staff), "chatid": number}
        try:
            await self._change("appchat/create", body, app)
        except Refused as refusal:
            if not await self._is_ours(number, app):
                raise refusal
        await self._remember(number, len(staff))
        return number

    async def _is_ours(self, number: str, app: str) -> bool:
        """Whether a group of this number is there already, made by an attempt whose answer was lost."""
        try:
            return (await self.get(number, app)).number == number
        except Refused:
            return False

    async def change(
        self,
        number: str,
        *,
        name: str = "",
        owner: str = "",
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        app: str = "",
    ) -> None:
        if name:
            _must_be_name(name)
        told: Body = {"name": name, "owner": owner, "add_user_list": list(add), "del_user_list": list(remove)}
        wanted = {field: value for field, value in told.items() if value}
        await self._change("appchat/update", {"chatid": number, **wanted}, app)
        await self.client.shared.forget(_size(number))

    async def get(self, number: str, app: str = "") -> Chat:
        answer = await self.client.get("appchat/get", self._credential(app), chatid=number)
        info = part(answer, "chat_info")
        staff = tuple(person(str(one)) for one in info.get("userlist") or ())
        await self._remember(number, len(staff))
        return Chat(number, str(info.get("name") or ""), person(str(info.get("owner") or "")), staff)

    async def demands(self, number: str, app: str) -> list[Demand]:
        """What a message into a group counts against; how many read it is asked once a day."""
        known = await self.client.shared.get(_size(number), self.client.clock.now())
        people = int(known) if known else len((await self.get(number, app)).staff)
        return limit.of_appchat(app, max(1, people))

    async def _change(self, path: str, body: Body, app: str) -> dict[str, Any]:
        demands = limit.of_appchat_change(path)
        return await self.client.post(path, self._credential(app), body, demands=demands)

    async def _remember(self, number: str, people: int) -> None:
        now = self.client.clock.now()
        await self.client.shared.put(_size(number), str(people), now + REMEMBER, now)

    def _credential(self, app: str) -> Credential:
        credentials = self.client.credentials
        return credentials.of_app(credentials.app(app))


def _size(number: str) -> str:
    return f"appchat:size:{number}"


def _must_be_name(name: str) -> None:
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Refused(f"内部群名应为 1 到 {LONGEST_NAME} 个字", code=40058)
