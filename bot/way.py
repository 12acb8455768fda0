"""Ways in are made, changed and taken away at the platform; asked twice, one is found instead of made again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bot.clock import Clock
from bot.registry import MadeWay, Registry
from sop.errors import Refused, SendError
from storage.engine import Database
from storage.errand import Errand
from storage.way import KeptWay, Standing, WayStore

SKEW = timedelta(minutes=2)  # between the platform's clock and ours


@dataclass
class WayErrands:
    """Runs the errand ``way`` about one state; ``do`` is make, change or drop."""

    db: Database
    registry: Registry
    clock: Clock

    async def run(self, errand: Errand) -> None:
        now = self.clock.now()
        kept = await self.db.read(lambda c: WayStore(c, now).get(errand.whom))
        if kept is None:
            return
        try:
            await {"make": self._make, "change": self._change, "drop": self._drop}[str(errand.data["do"])](
                kept
            )
        except Refused as error:
            reason = error.reason
            await self.db.write(
                lambda c: WayStore(c, now).settle(errand.whom, Standing.REFUSED, reason=reason)
            )
            raise
        except SendError as error:
            reason = error.reason
            await self.db.write(lambda c: WayStore(c, now).explain(errand.whom, reason))
            raise

    async def _make(self, kept: KeptWay) -> None:
        if kept.standing is not Standing.MAKING:
            return
        made: MadeWay | None = await self.registry.find_way(kept.way, kept.created_at - SKEW)
        made = made or await self.registry.make_way(kept.way)
        await self._ready(kept, made)

    async def _change(self, kept: KeptWay) -> None:
        if kept.number:
            await self.registry.change_way(kept.number, kept.way)
            await self._ready(kept, MadeWay(kept.number, kept.image))

    async def _ready(self, kept: KeptWay, made: MadeWay) -> None:
        now = self.clock.now()
        await self.db.write(
            lambda c: WayStore(c, now).settle(
                kept.way.state, Standing.READY, number=made.number, image=made.image
            )
        )

    async def _drop(self, kept: KeptWay) -> None:
        """Gone there, it stays here: who came through it is still known by it."""
        if kept.number:
            await self.registry.drop_way(kept.number, kept.way.kind)
        now = self.clock.now()
        await self.db.write(lambda c: WayStore(c, now).settle(kept.way.state, Standing.DROPPED))
