"""Faults of the installation as the platform punishes them: we stop at once, say what to click, and go on when cured."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from bot.chance import SeededChance
from bot.gateway import Parcel
from bot.outgoing import Outgoing
from bot.setting import wecom_settings
from bot.wecom.gateway import WeComGateway
from sop.errors import Busy
from sop.message import Channel, Content, Message
from storage.alarm import open_alarms
from storage.shared_memory import MemoryShared
from storage.tx import Tx
from tests.world import THURSDAY, World, world_at

APP = "app/qunxing"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_at(THURSDAY, tmp_path) as opened:
        yield opened


def answered(world: World, code: int, api: str = "") -> int:
    """How often the platform answered with this number."""
    calls = world.sim.journal.of("call")
    return sum(
        one["answer"].get("errcode") == code and one["api"] in (api or one["api"], api) for one in calls
    )


def delivered(world: World) -> int:
    return len(world.sim.journal.of("delivery", channel="app", text="有一件事"))


async def alarms(world: World) -> str:
    return "\n".join(one.text for one in await world.app.db.read(lambda c: open_alarms(c)))


async def tell_staff(world: World, times: int) -> None:
    def queue(tx: Tx) -> None:
        for number in range(times):
            tx.outbox.add(
                Message(
                    key=f"test:{number}",
                    channel=Channel.APP,
                    content=Content("有一件事"),
                    to_staff="linmo",
                    sender="qunxing",
                    urgent=True,
                    marketing=False,
                )
            )

    await world.change(queue)


async def test_an_address_that_is_not_trusted_is_told_once_a_minute_and_used_again_when_it_is(
    world: World,
) -> None:
    world.sim.world.rules.allowed_ips = frozenset({"203.0.113.9"})
    await tell_staff(world, 10)
    await world.turn(minutes=30)
    refused, said = answered(world, 60020, "message/send"), await alarms(world)

    world.sim.world.rules.allowed_ips = None
    await world.turn(minutes=11)

    assert 1 <= refused <= 31
    assert "企业可信IP" in said
    assert "127.0.0.1" in said
    assert delivered(world) == 10


async def test_a_wrong_secret_is_hardly_tried_again_and_serves_when_it_is_right(world: World) -> None:
    right = world.sim.world.holders[APP]
    world.sim.world.holders[APP] = replace(right, secret="another")
    world.sim.credentials.revoke()
    await tell_staff(world, 10)
    await world.turn(hours=3)
    tried, banned, said = answered(world, 40001), answered(world, 45009), await alarms(world)

    world.sim.world.holders[APP] = right
    await world.turn(minutes=66)

    assert (1 <= tried <= 5, banned) == (True, 0)
    assert "Secret" in said
    assert "应用管理" in said
    assert "another" not in said
    assert delivered(world) == 10


async def test_a_banned_address_asks_for_no_token_for_an_hour_and_then_goes_on_by_itself(
    world: World,
) -> None:
    world.sim.limits.allowance.wrong_secrets = 1
    async with aiohttp.ClientSession() as stranger:
        for _ in range(2):
            query = {"corpid": world.sim.world.corp_id, "corpsecret": "wrong"}
            await stranger.get(f"{world.sim.api_base}/cgi-bin/gettoken", params=query)
    world.sim.credentials.revoke()
    await tell_staff(world, 10)
    await world.turn(minutes=50)
    asked, said, early = answered(world, 45009), await alarms(world), delivered(world)

    await world.turn(minutes=20)

    assert (1 <= asked <= 4, early) == (True, 0)  # at most once for each secret
    assert "约 1 小时" in said
    assert "qunxing check" in said
    assert delivered(world) == 10


async def test_after_a_restart_what_staff_were_told_before_still_counts(world: World) -> None:
    """As many messages as may go, a restart, and as many again: the platform would drop the rest in silence."""
    await tell_staff(world, 40)
    before, sent = delivered(world), 0
    async with Outgoing(world.clock) as outgoing:
        gateway = WeComGateway(
            wecom_settings(world.app.config),
            outgoing,
            world.clock,
            SeededChance(3),
            MemoryShared(),
            world.app.db,
        )
        for number in range(30):
            with suppress(Busy):
                await gateway.send(parcel(f"again:{number}"))
                sent += 1

    assert before >= 12
    assert before + sent <= 24


def parcel(key: str) -> Parcel:
    return Parcel(
        channel=Channel.APP, content=Content("再说一件事"), recipients=("linmo",), audience="staff", key=key
    )
