"""Internal groups: made once at an operator's wish, known from then on, spoken in by steps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.simulator.corp import APP
from bot.simulator.faults import Fault
from bot.simulator.world import appchat_talk
from sop.message import Channel, Content, Message
from sop.receipt import State
from storage.alarm import open_alarms
from storage.errand import Errand
from tests.world import THURSDAY, World, world_at

ROOM = "opsroom1"
WANTED = {"do": "found", "name": "运营群", "owner": "linmo", "staff": ["linmo", "suhe"]}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_at(THURSDAY, tmp_path) as world:
        yield world


async def asked(world: World, **data: Any) -> None:
    now = world.clock.now()
    await world.change(lambda tx: tx.errands.add(Errand(what="appchat", whom=ROOM, data=data, at=now)))


async def test_a_group_is_made_and_known(world: World) -> None:
    await asked(world, **WANTED)

    chat, known = world.sim.world.chats[ROOM], await world.ask(lambda tx: tx.groups.get(ROOM))
    assert (chat.name, chat.owner, chat.staff) == ("运营群", "linmo", ["linmo", "suhe"])
    assert known is not None
    assert (known.name, known.kind) == ("运营群", "internal")


async def test_a_lost_answer_makes_no_second_group(world: World) -> None:
    world.sim.faults.add(Fault(where="api", what="lose", match="appchat/create"))

    await asked(world, **WANTED)
    await world.turn(minutes=5)

    assert list(world.sim.world.chats) == [ROOM]
    assert await world.ask(lambda tx: tx.groups.get(ROOM)) is not None


async def test_a_group_is_changed(world: World) -> None:
    await asked(world, **WANTED)
    world.sim.acts.hire("amo", "阿莫")

    await asked(world, do="change", name="新名字", add=["amo"], remove=["suhe"])

    chat = world.sim.world.chats[ROOM]
    assert (chat.name, chat.staff) == ("新名字", ["linmo", "amo"])


async def test_a_group_that_cannot_be_made_is_an_alarm(world: World) -> None:
    await asked(world, **{**WANTED, "staff": ["linmo", "nobody"]})

    (alarm,) = await world.app.db.read(open_alarms)
    assert "内部群「运营群」没有办成" in alarm.text
    assert await world.ask(lambda tx: tx.groups.get(ROOM)) is None


async def test_what_the_app_says_in_its_group_is_read_there(world: World) -> None:
    await asked(world, **WANTED)
    said = Message(
        key="weekly", channel=Channel.APPCHAT, content=Content("本周活跃 48 次", mentions=("suhe",)),
        to_group=ROOM, sender=APP, urgent=True, marketing=False,
    )  # fmt: skip

    await world.change(lambda tx: tx.outbox.add(said))
    await world.turn(seconds=timedelta(minutes=1).total_seconds())

    entry = await world.ask(lambda tx: tx.outbox.by_key("weekly"))
    assert entry is not None
    assert entry.state is State.SENT
    assert [line.text for line in world.sim.world.talks[appchat_talk(ROOM)]] == ["本周活跃 48 次"]
