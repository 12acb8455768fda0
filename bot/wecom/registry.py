"""What WeCom keeps beside messages; each noun's calls live in a file of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from bot.registry import FriendPage, GroupPage, MadeWay
from bot.wecom.client import WeComClient
from bot.wecom.directory import Directory
from bot.wecom.greeting import Greetings
from bot.wecom.statistic import Statistics
from bot.wecom.way import ContactWays, JoinWays
from sop.greeting import Greeting
from sop.statistic import Statistic
from sop.way import Way, WayKind


class WeComRegistry:
    """The part of the gateway that implements what :class:`bot.registry.Registry` asks for beside messages."""

    def __init__(self, client: WeComClient) -> None:
        self._directory, self._statistics = Directory(client), Statistics(client)
        self._contact_ways, self._join_ways = ContactWays(client), JoinWays(client)
        self._greetings = Greetings(client)

    async def friend_page(self, staff: Sequence[str], cursor: str) -> FriendPage:
        return await self._directory.friend_page(staff, cursor)

    async def group_page(self, owners: Sequence[str], cursor: str) -> GroupPage:
        return await self._directory.group_page(owners, cursor)

    async def remark(self, member: str, staff: str, text: str) -> None:
        await self._directory.remark(member, staff, text)

    # ------------------------------------------------------------ ways in, and welcomes

    async def make_way(self, way: Way) -> MadeWay:
        return await self._ways(way.kind).add(way)

    async def find_way(self, way: Way, since: datetime) -> MadeWay | None:
        return await self._contact_ways.find(way.state, since) if way.kind is WayKind.CONTACT else None

    async def change_way(self, number: str, way: Way) -> None:
        await self._ways(way.kind).update(number, way)

    async def drop_way(self, number: str, kind: WayKind) -> None:
        await self._ways(kind).delete(number)

    def _ways(self, kind: WayKind) -> ContactWays | JoinWays:
        return self._contact_ways if kind is WayKind.CONTACT else self._join_ways

    async def add_greeting(self, greeting: Greeting) -> str:
        return await self._greetings.add(greeting)

    async def edit_greeting(self, number: str, greeting: Greeting) -> None:
        await self._greetings.edit(number, greeting)

    async def drop_greeting(self, number: str) -> None:
        await self._greetings.delete(number)

    # ------------------------------------------------------------ statistics

    async def owner_statistics(self, day: date, owners: Sequence[str]) -> tuple[Statistic, ...]:
        return await self._statistics.of_owners(day, owners)

    async def day_statistics(self, first: date, last: date, owners: Sequence[str]) -> tuple[Statistic, ...]:
        return await self._statistics.of_days(first, last, owners)

    async def staff_statistics(self, day: date, staff: str) -> tuple[Statistic, ...]:
        return await self._statistics.of_staff(day, staff)
