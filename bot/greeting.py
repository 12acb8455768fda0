"""Greetings go into the platform's library; which group says which is its owner's choice there."""

from __future__ import annotations

from dataclasses import dataclass

from bot.clock import Clock
from bot.registry import Registry
from sop.errors import Refused, SendError
from storage.engine import Database
from storage.errand import Errand
from storage.greeting import GreetingStore
from storage.way import Standing


@dataclass
class GreetingErrands:
    """Runs the errand ``greeting`` about one name; ``do`` is keep or drop."""

    db: Database
    registry: Registry
    clock: Clock

    async def run(self, errand: Errand) -> None:
        now = self.clock.now()
        try:
            await {"keep": self._keep, "drop": self._drop}[str(errand.data["do"])](errand.whom)
        except Refused as error:
            reason = error.reason
            await self.db.write(
                lambda c: GreetingStore(c, now).settle(errand.whom, Standing.REFUSED, reason=reason)
            )
            raise
        except SendError as error:
            reason = error.reason
            await self.db.write(lambda c: GreetingStore(c, now).explain(errand.whom, reason))
            raise

    async def _keep(self, name: str) -> None:
        now = self.clock.now()
        kept = await self.db.read(lambda c: GreetingStore(c, now).get(name))
        if kept is None or kept.standing is not Standing.MAKING:
            return
        number = kept.number
        if number:
            await self.registry.edit_greeting(number, kept.greeting)
        else:
            number = await self.registry.add_greeting(kept.greeting)
        await self.db.write(lambda c: GreetingStore(c, now).settle(name, Standing.READY, number=number))

    async def _drop(self, name: str) -> None:
        now = self.clock.now()
        kept = await self.db.read(lambda c: GreetingStore(c, now).get(name))
        if kept is not None and kept.number:
            await self.registry.drop_greeting(kept.number)
        await self.db.write(lambda c: GreetingStore(c, now).remove(name))
