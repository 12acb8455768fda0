"""What a start does before the first callback comes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from bot.app import App, Role
from bot.cli.run import catch_up
from bot.clock import TurnedClock
from bot.config import from_plain
from storage.engine import SqliteDatabase, Work
from storage.errand import ErrandStore
from storage.position import positions_below

T = TypeVar("T")


class SlowDatabase(SqliteDatabase):
    """On a machine that has much else to do."""

    async def read(self, work: Work[T]) -> T:
        await asyncio.sleep(0.05)
        return await super().read(work)


@pytest.mark.parametrize(
    ("secret", "role", "asked"),
    [("s", Role.TICK, ["directory"]), ("s", Role.WORK, []), ("", Role.TICK, [])],
)
async def test_a_start_asks_once_who_is_there(
    clock: TurnedClock, tmp_path: Path, secret: str, role: Role, asked: list[str]
) -> None:
    plain = {
        "storage": {"database": f"sqlite:///{tmp_path / 'q.sqlite'}"},
        "wecom": {"corp_id": "ww1", "contact": {"secret": secret}},
    }

    async with App(from_plain(plain), clock=clock, roles=[role]) as app:
        await catch_up(app)
        await catch_up(app)

        waiting = await app.db.read(lambda c: ErrandStore(c).waiting(clock.now(), 10))

    assert [errand.what for errand in waiting] == asked


async def test_no_slot_is_missed_while_the_roles_are_still_starting(
    clock: TurnedClock, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'q.sqlite'}"
    config = from_plain({"storage": {"database": url}})

    async with App(config, clock=clock, roles=[Role.TICK], store=SlowDatabase(url), idle_s=3600) as app:
        await clock.turn(timedelta(hours=1))
        ticked = await app.db.read(lambda c: positions_below(c, "tick:"))

    assert ticked >= {"roll", "reconcile"}
