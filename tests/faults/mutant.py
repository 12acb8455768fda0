"""The product with one protection taken out: ``python mutant.py NAME run --config …``. The oracle must see the difference."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast

from sqlalchemy import UniqueConstraint

import sop.coupon
import storage.coupon
import storage.inbox
import storage.tables


def reply_before_commit() -> None:
    """Callbacks are acknowledged first and stored a moment later."""
    store = storage.inbox.Intake.put

    async def put(self: Any, knock: Any) -> None:
        async def later() -> None:
            await asyncio.sleep(0.2)
            await store(self, knock)

        later_on.add(asyncio.create_task(later()))

    later_on: set[asyncio.Task[None]] = set()
    storage.inbox.Intake.put = cast(Any, put)  # type: ignore[method-assign]


def no_member_key() -> None:
    """Nothing keeps a member from having a second coupon: neither the rule nor the schema."""
    table = storage.tables.coupon
    for constraint in list(table.constraints):
        if isinstance(constraint, UniqueConstraint) and "nth" in constraint.columns:
            table.constraints.remove(constraint)

    def claim(batch: Any, held: Any, now: Any) -> Any:
        return sop.coupon.Allowed(len(held) + 1, None)

    vars(storage.coupon)["claim"] = claim


MUTANTS = {"reply_before_commit": reply_before_commit, "no_member_key": no_member_key}

if __name__ == "__main__":
    MUTANTS[sys.argv.pop(1)]()
    from bot.cli.main import main

    main()
