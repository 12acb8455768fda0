"""Errands: we ask the platform, and what it answers comes back through the inbox like everything that happens.

An errand may be asked again, so trouble only means later. Nothing here sends a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from bot.bell import Bell
from bot.clock import Clock
from bot.gateway import Gateway
from sop.errors import Busy, SendError
from sop.update import Update
from storage import inbox
from storage.engine import Connection, Database
from storage.errand import Errand, ErrandStore
from storage.position import read_position, write_position
from storage.tag import TagStore

log = structlog.get_logger()

AT_ONCE = 8


@dataclass
class Errands:
    """Runs waiting errands until told to stop."""

    db: Database
    gateway: Gateway
    clock: Clock
    bell: Bell
    woken: Bell  # the worker's
    idle_s: float = 60.0
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def run(self) -> None:
        wait = 0.0
        while True:
            with await self.bell.wait(wait):
                while await self.run_once():
                    pass
                next_at = await self.db.read(lambda c: ErrandStore(c).next_at())
                wait = self.idle_s
                if next_at is not None:
                    wait = min(wait, max(0.05, (next_at - self.clock.now()).total_seconds()))

    async def run_once(self) -> int:
        """Run what is due; returns how many that was."""
        now = self.clock.now()
        errands = await self.db.read(lambda c: ErrandStore(c).waiting(now, AT_ONCE * 4))
        await asyncio.gather(*(self._run(errand) for errand in errands))
        return len(errands)

    async def _run(self, errand: Errand) -> None:
        async with self._turns:
            try:
                await self._ways[errand.what](self, errand)
            except SendError as error:
                await self._failed(errand, error)
            except Exception as error:  # an answer we cannot read must not end the role
                log.exception("errand failed", what=errand.what, whom=errand.whom)
                await self._failed(errand, Busy(f"{type(error).__name__}: {error}"))
            else:
                await self.db.write(lambda c: ErrandStore(c).done(errand))

    async def _failed(self, errand: Errand, error: SendError) -> None:
        log.warning("errand waits", what=errand.what, whom=errand.whom, reason=error.reason, code=error.code)
        now = self.clock.now()
        await self.db.write(
            lambda c: ErrandStore(c).failed(errand, error.reason, now, retry_after=error.retry_after)
        )

    async def _tell(self, *updates: Update, lane: str = "", position: tuple[str, str] | None = None) -> None:
        """Put answers into the inbox, and in the same transaction how far we have read."""
        now = self.clock.now()
        knocks = [inbox.knock_of(update, lane=lane or _lane(update), now=now) for update in updates]

        def store(connection: Connection) -> None:
            if knocks:
                inbox.insert(connection, knocks)
            if position is not None:
                write_position(connection, *position)

        await self.db.write(store)
        self.woken.ring()

    # ------------------------------------------------------------ the questions

    async def _member(self, errand: Errand) -> None:
        await self._tell(await self.gateway.member(errand.whom))

    async def _group(self, errand: Errand) -> None:
        await self._tell(await self.gateway.group(errand.whom))

    async def _kf(self, errand: Errand) -> None:
        name, token, more = f"kf:{errand.whom}", str(errand.data.get("token", "")), True
        while more:
            cursor = await self.db.read(lambda c: read_position(c, name))
            page = await self.gateway.hear_kf(errand.whom, cursor=cursor, token=token)
            more = page.more
            await self._tell(*page.updates, position=(name, page.cursor))

    async def _archive(self, errand: Errand) -> None:
        more = True
        while more:
            seq = int(await self.db.read(lambda c: read_position(c, "archive")) or 0)
            page = await self.gateway.hear_archive(seq)
            more = page.more
            await self._tell(*page.updates, position=("archive", str(page.seq)))

    async def _task(self, errand: Errand) -> None:
        to_groups = bool(errand.data["to_groups"])
        await self._tell(await self.gateway.task(errand.whom, str(errand.data["sender"]), to_groups=to_groups))

    async def _remind(self, errand: Errand) -> None:
        await self.gateway.remind(errand.whom)

    async def _cancel(self, errand: Errand) -> None:
        await self.gateway.cancel(errand.whom)

    async def _mark(self, errand: Errand) -> None:
        """Write a tag to the platform on one friendship, making the corporate tag when there is none yet."""
        member, staff, name = (str(errand.data[key]) for key in ("member", "staff", "tag"))
        number = await self.db.read(lambda c: TagStore(c, self.clock.now()).platform_id(name))
        if not number:
            made = await self.gateway.add_tag(name, group=str(errand.data.get("group") or "群星"))
            number = made.id
            await self.db.write(lambda c: TagStore(c, self.clock.now()).remember(name, made.id, made.group))
        change = {"add": (number,)} if errand.data.get("added", True) else {"remove": (number,)}
        await self.gateway.mark(member, staff, **change)

    async def _directory(self, errand: Errand) -> None:
        """Ask for everything again that callbacks may have lost."""
        now = self.clock.now()
        wanted = [Errand(what="group", whom=group, at=now) for group in await self.gateway.groups()]
        for staff in await self.gateway.staff():
            wanted += [Errand(what="member", whom=m, at=now) for m in await self.gateway.members_of(staff)]

        def store(connection: Connection) -> None:
            for one in wanted:
                ErrandStore(connection).add(one)

        await self.db.write(store)

    _ways: dict[str, Callable[[Errands, Errand], Awaitable[None]]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        cls = type(self)
        self._ways = {
            "member": cls._member,
            "group": cls._group,
            "kf": cls._kf,
            "archive": cls._archive,
            "task": cls._task,
            "remind": cls._remind,
            "cancel": cls._cancel,
            "mark": cls._mark,
            "directory": cls._directory,
        }


def _lane(update: Update) -> str:
    return str(
        getattr(update, "group", "") or getattr(update, "member", "") or getattr(update, "task", "") or "self"
    )
