"""What a start does before the first callback comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.app import App, Role
from bot.cli.run import catch_up
from bot.clock import TurnedClock
from bot.config import from_plain
from storage.errand import ErrandStore


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
