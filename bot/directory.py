"""Walking through the platform's directory: staff, their friends, groups, tags, statistics.

A walk is cut into errands of one page each. How far it is stands in the errand, and a page and what it says are
stored in one transaction: a walk that was broken off goes on where it stopped. What is told as last time is not handled
again; what the walk did not see is asked for by itself, so that only a clear answer ends a friendship or a group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import structlog

from bot.bell import Bell
from bot.clock import Clock
from bot.registry import Registry
from sop.errors import NotFound, Refused
from sop.update import GroupDismissed
from storage import inbox
from storage.alarm import raise_alarm
from storage.engine import Connection, Database
from storage.errand import Errand, ErrandStore
from storage.group import GroupStore
from storage.member import MemberStore
from storage.position import first_position
from storage.sighting import FIRST_WALK, SightingStore
from storage.statistic import StatisticStore
from storage.tag import TagStore

log = structlog.get_logger()

AT_ONCE = 100  # staff in one question
MOST_RESTARTS = 3
REMEMBERED = 50  # cursors, to notice that pages go round in circles
WALKS = ("friends", "groups")


@dataclass
class DirectoryWalk:
    """Each method runs one errand: one question, and what follows from its answer."""

    db: Database
    registry: Registry
    clock: Clock
    woken: Bell  # the worker's

    async def _store(self, work: Callable[[Connection], object]) -> None:
        await self.db.write(work)
        self.woken.ring()

    # ------------------------------------------------------------ setting out

    async def begin(self, errand: Errand) -> None:
        """Tags and staff at once, friends and groups page by page; a walk still under way is let finish."""
        await self.tags(errand)
        now, staff = self.clock.now(), await self.registry.staff()
        full = bool(errand.data.get("full"))

        def plan(connection: Connection) -> None:
            first_position(connection, FIRST_WALK, now.isoformat())
            members, errands = MemberStore(connection, now), ErrandStore(connection)
            for one in staff:
                members.meet(one, staff=True)
                members.describe(one, staff=True)
            if errands.count(WALKS):
                log.warning("directory walk skipped", reason="the one before is still under way")
                return
            for wanted in [*_friend_walks(staff, now, full), _group_walk("all", (), now)]:
                errands.add(wanted)

        await self._store(plan)

    async def tags(self, errand: Errand) -> None:
        """Learn the numbers and names of corporate tags; what was renamed there is renamed here, and told."""
        told, now = await self.registry.tags(), self.clock.now()

        def take(connection: Connection) -> None:
            renamed = TagStore(connection, now).take_list((tag.id, tag.name, tag.group) for tag in told)
            for old, new in renamed:
                words = f"标签「{old}」在企业微信里改名为「{new}」，成员身上的已跟着改；模板里用到旧名的请一并修改"
                raise_alarm(connection, f"tag renamed:{old}:{new}:{now.date().isoformat()}", words, now)

        await self._store(take)

    # ------------------------------------------------------------ friends

    async def friends(self, errand: Errand) -> None:
        """One page of the friends of some staff; at the end, who was not seen is asked for one by one."""
        staff = tuple(str(one) for one in errand.data["staff"])
        try:
            page = await self.registry.friend_page(staff, str(errand.data["cursor"]))
        except NotFound:
            await self._start_over(errand)
            return
        except Refused as error:
            await self._halve(errand, staff, error)
            return
        walk, now = datetime.fromisoformat(str(errand.data["walk"])), self.clock.now()
        unlicensed = sorted({*errand.data.get("unlicensed", ()), *page.unlicensed})

        def store(connection: Connection) -> None:
            sightings = SightingStore(connection)
            changed = sightings.see(page.told, walk)
            told = page.told if errand.data.get("full") else changed
            inbox.insert(connection, [inbox.knock_of(one, lane=one.member, now=now) for one in told])
            if page.cursor:
                _go_on(connection, errand, page.cursor, now, unlicensed=unlicensed)
                return
            visible = [one for one in staff if one not in unlicensed]
            for member in sightings.unseen(visible, walk):
                ErrandStore(connection).add(Errand(what="member", whom=member, at=now))
            _tell_unlicensed(connection, unlicensed, now)

        await self._store(store)

    async def _halve(self, errand: Errand, staff: Sequence[str], error: Refused) -> None:
        """One employee the platform does not know spoils the question for all: ask for fewer, and name who it was."""
        now, middle = self.clock.now(), len(staff) // 2

        def split(connection: Connection) -> None:
            if middle == 0:
                words = f"读不到员工 {staff[0]} 的好友：{error.reason}"
                raise_alarm(connection, f"friends of {staff[0]}:{now.date().isoformat()}", words, now)
                return
            for number, half in enumerate((staff[:middle], staff[middle:])):
                data = {**errand.data, "staff": list(half), "cursor": "", "used": []}
                whom = f"{errand.whom}.{number}"
                ErrandStore(connection).add(Errand(what="friends", whom=whom, at=now, data=data))

        await self._store(split)

    # ------------------------------------------------------------ groups

    async def groups(self, errand: Errand) -> None:
        """One page of groups, each to be described; at the end, those not listed are asked for one by one."""
        owners = tuple(str(one) for one in errand.data["owners"])
        try:
            page = await self.registry.group_page(owners, str(errand.data["cursor"]))
        except NotFound:
            await self._start_over(errand)
            return
        walk, now = datetime.fromisoformat(str(errand.data["walk"])), self.clock.now()
        if page.too_many:
            await self._ask_by_owner(walk)
            return

        def store(connection: Connection) -> None:
            groups, errands = GroupStore(connection, now), ErrandStore(connection)
            groups.saw(page.groups, walk)
            for group in page.groups:
                errands.add(Errand(what="group", whom=group, at=now))
            if page.cursor:
                _go_on(connection, errand, page.cursor, now)
                return
            for group in groups.unlisted(walk, owners):
                errands.add(Errand(what="group", whom=group, at=now, data={"gone": True}))

        await self._store(store)

    async def _ask_by_owner(self, walk: datetime) -> None:
        staff = await self.registry.staff()

        def plan(connection: Connection) -> None:
            for start in range(0, len(staff), AT_ONCE):
                wanted = _group_walk(f"{start}", staff[start : start + AT_ONCE], walk)
                ErrandStore(connection).add(wanted)

        await self._store(plan)

    async def group(self, errand: Errand) -> None:
        """Describe one group; one that is on no list and unknown when asked for is over."""
        now = self.clock.now()
        try:
            told = await self.registry.group(errand.whom)
        except NotFound as error:
            if not errand.data.get("gone"):
                raise Refused(f"群 {errand.whom} 查不到，可能已解散") from error
            knock = inbox.knock_of(GroupDismissed(at=now, group=errand.whom), lane=errand.whom, now=now)
        else:
            knock = inbox.knock_of(told, lane=errand.whom, now=now)
        await self._store(lambda c: inbox.insert(c, [knock]))

    # ------------------------------------------------------------ statistics

    async def statistics(self, errand: Errand) -> None:
        """One day of every owner and of the corp; staff are asked for one by one, for the platform adds them up."""
        day, staff, now = date.fromisoformat(errand.whom), await self.registry.staff(), self.clock.now()
        told = [
            *await self.registry.owner_statistics(day, staff),
            *await self.registry.day_statistics(day, day, staff),
        ]

        def store(connection: Connection) -> None:
            StatisticStore(connection, now).put(told)
            for one in staff:
                data = {"day": day.isoformat(), "staff": one}
                wanted = Errand(what="staff_statistics", whom=f"{day}:{one}", at=now, data=data)
                ErrandStore(connection).add(wanted)

        await self._store(store)

    async def staff_statistics(self, errand: Errand) -> None:
        day, staff = date.fromisoformat(str(errand.data["day"])), str(errand.data["staff"])
        told = await self.registry.staff_statistics(day, staff)
        now = self.clock.now()
        await self._store(lambda c: StatisticStore(c, now).put(told))

    async def _start_over(self, errand: Errand) -> None:
        """The platform has forgotten our place: from the beginning, but not for ever."""
        restarts = int(errand.data.get("restarts", 0)) + 1
        if restarts > MOST_RESTARTS:
            raise Refused("企业微信反复丢失翻页位置，这一轮没有读完，下一轮再读")
        data = {**errand.data, "cursor": "", "used": [], "restarts": restarts}
        now = self.clock.now()
        await self._store(lambda c: ErrandStore(c).advance(errand, data, now))


def _friend_walks(staff: Sequence[str], now: datetime, full: bool) -> list[Errand]:
    walks = []
    for start in range(0, len(staff), AT_ONCE):
        data = {
            "staff": list(staff[start : start + AT_ONCE]),
            "cursor": "",
            "walk": now.isoformat(),
            "full": full,
        }
        walks.append(Errand(what="friends", whom=str(start), at=now, data=data))
    return walks


def _group_walk(whom: str, owners: Sequence[str], walk: datetime) -> Errand:
    data: dict[str, Any] = {"owners": list(owners), "cursor": "", "walk": walk.isoformat()}
    return Errand(what="groups", whom=whom, at=walk, data=data)


def _go_on(connection: Connection, errand: Errand, cursor: str, now: datetime, **more: Any) -> None:
    """The next page, unless we have been there: then the list would never end."""
    used = [str(one) for one in errand.data.get("used", ())]
    if cursor == errand.data["cursor"] or cursor in used:
        raise Refused("企业微信的翻页位置重复，这一轮没有读完，下一轮再读")
    data = {**errand.data, **more, "cursor": cursor, "used": [*used, cursor][-REMEMBERED:]}
    ErrandStore(connection).advance(errand, data, now)


def _tell_unlicensed(connection: Connection, staff: Sequence[str], now: datetime) -> None:
    for one in staff:
        words = f"员工 {one} 没有互通账号许可，读不到 TA 的好友；请在管理后台分配许可"
        raise_alarm(connection, f"unlicensed:{one}:{now.date().isoformat()}", words, now)
