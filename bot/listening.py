"""Listening to streams the platform keeps for us: 微信客服 and the archive, page after page.

Each page goes into the inbox in one transaction with how far we have read. Told twice, an item is one item; what cannot be
read is parked with its reason, and stops nothing behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from bot.bell import Bell
from bot.clock import Clock
from bot.gateway import Gateway, Unread
from sop import kf
from sop.errors import Busy, Refused
from sop.kf import Care, KfMoved
from sop.update import Update
from storage import inbox
from storage.alarm import raise_alarm
from storage.engine import Connection, Database
from storage.errand import Errand, ErrandStore
from storage.position import read_position, write_position

log = structlog.get_logger()

EMPTY_PAGES = 10  # in a row, on the same spot, though more is promised
WAIT_S = 30.0


@dataclass
class Listening:
    """The errands that read streams; the rest of their family is in ``bot.errands``."""

    db: Database
    gateway: Gateway
    clock: Clock
    woken: Bell  # the worker's

    # ------------------------------------------------------------ 微信客服

    async def kf(self, errand: Errand) -> None:
        account, patience, more = errand.whom, EMPTY_PAGES, True
        await self._look_back(f"微信客服 {account}", _heard(account), kf.KEPT)
        while more:
            cursor = await self.db.read(lambda c: read_position(c, f"kf:{account}"))
            page = await self.gateway.hear_kf(account, cursor=cursor, token=self._token(errand))
            more = page.more
            patience = EMPTY_PAGES if page.cursor != cursor or page.updates else patience - 1
            await self.take(
                page.updates, page.unread, {f"kf:{account}": page.cursor, _heard(account): self._now()}
            )
            if more and patience <= 0:
                raise Busy("客服消息一直说还有下一页却是空的，稍后再读", retry_after=WAIT_S)

    def _token(self, errand: Errand) -> str:
        """What the doorbell brought, while it is good."""
        until = str(errand.data.get("until") or "")
        good = until and self.clock.now() < datetime.fromisoformat(until)
        return str(errand.data.get("token", "")) if good else ""

    async def kf_accounts(self, errand: Errand) -> None:
        """Listen to accounts no bell has told us of."""
        accounts, now = await self.gateway.kf_accounts(), self.clock.now()

        def ask(connection: Connection) -> None:
            for account in accounts:
                if not read_position(connection, f"kf:{account}"):
                    ErrandStore(connection).remind(Errand(what="kf", whom=account, at=now))

        await self.db.write(ask)

    async def kf_member(self, errand: Errand) -> None:
        await self.take(await self.gateway.kf_members([errand.whom]))

    async def kf_session(self, errand: Errand) -> None:
        await self.take(
            [await self.gateway.kf_session(str(errand.data["account"]), str(errand.data["member"]))]
        )

    async def move_kf(self, errand: Errand) -> None:
        """Move a session; where the platform knows no way, say where it is instead."""
        account, member = str(errand.data["account"]), str(errand.data["member"])
        now = self.clock.now()
        try:
            moved = await self.gateway.move_kf(account, member, Care(errand.data["care"]))
        except Refused as error:
            told = await self.gateway.kf_session(account, member)
            moved = KfMoved(
                at=told.at,
                member=member,
                account=account,
                care=told.care,
                staff=told.staff,
                refused=error.reason,
            )
        await self.take([replace(moved, id=f"moved:{errand.id}:{now.isoformat()}")])

    # ------------------------------------------------------------ keeping

    def _now(self) -> str:
        return self.clock.now().isoformat()

    async def take(
        self,
        updates: Sequence[Update],
        unread: Sequence[Unread] = (),
        positions: dict[str, str] | None = None,
    ) -> None:
        """Keep what was heard, and in the same transaction how far we have read."""
        now = self.clock.now()
        knocks = [inbox.knock_of(update, lane=lane_of(update), now=now, named=True) for update in updates]
        aside = [(inbox.knock_at(one.door, one.body, now), one.reason) for one in unread]

        def store(connection: Connection) -> None:
            inbox.insert(connection, knocks)
            inbox.lay_aside(connection, aside)
            for name, value in (positions or {}).items():
                write_position(connection, name, value)

        await self.db.write(store)
        self.woken.ring()

    async def _look_back(self, what: str, position: str, kept: timedelta) -> None:
        """Who has not listened for longer than the platform keeps things must know that some are gone."""
        now = self.clock.now()
        last = await self.db.read(lambda c: read_position(c, position))
        if last and now - datetime.fromisoformat(last) > kept:
            days = (now - datetime.fromisoformat(last)).days
            text = f"{what} 已有 {days} 天没有读到；平台只保留 {kept.days} 天，更早的内容取不回来了"
            log.error("stream was left too long", what=what, days=days)
            await self.alarm(f"late:{position}:{now.date().isoformat()}", text)

    async def alarm(self, key: str, text: str) -> None:
        now = self.clock.now()
        await self.db.write(lambda c: raise_alarm(c, key, text, now))


def _heard(account: str) -> str:
    """The name under which is kept when we last listened to an account."""
    return f"heard:kf:{account}"


def lane_of(update: Update) -> str:
    """What an update must stay in order with: its group, else its member."""
    names = ("group", "member", "task")
    return next((str(value) for name in names if (value := getattr(update, name, ""))), "self")
