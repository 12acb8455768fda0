"""However much is demanded, the platform is never asked more than it allows, and everything arrives in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.wecom.client import WeComClient
from sop.message import Channel
from storage.shared_memory import MemoryShared
from tests.faults.mailing import Mailing
from tests.world import world_at

NOON = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3600, 86_400
LIMITS = {  # developer.work.weixin.qq.com path 90454
    "webhook/send": [[20, MINUTE]],
    "appchat/send": [
        [200, MINUTE],
        [10_000, DAY],
    ],  # with two readers in the one group, what one reader may see
    "externalcontact/add_moment_task": [[10, MINUTE]],
    "kf/send_msg": [[10_000, MINUTE], [150_000, HOUR]],
    "push": [[30, MINUTE], [1000, HOUR]],
}
SHARES = {  # of everything demanded
    Channel.APP: 0.6,
    Channel.KF: 0.2,
    Channel.APPCHAT: 0.17,
    Channel.WEBHOOK: 0.02,
    Channel.MOMENT: 0.01,
}
COUNTS = [200, pytest.param(10_000, marks=pytest.mark.full)]


@pytest.fixture
async def mailing(tmp_path: Path) -> AsyncIterator[Mailing]:
    async with world_at(NOON, tmp_path) as world:
        yield Mailing(world, tmp_path)


async def demand(mailing: Mailing, count: int) -> None:
    for channel, share in SHARES.items():
        await mailing.say(channel, max(15, int(count * share)), each=100 if channel is Channel.APP else 0)
    while await mailing.waiting():
        await mailing.world.turn(seconds=20)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", COUNTS)
async def test_no_limit_is_ever_exceeded_and_everything_arrives(mailing: Mailing, count: int) -> None:
    await demand(mailing, count)

    broken = mailing.verdict("limits_oracle.py", LIMITS)
    refusals = mailing.refused(45009)
    states = await mailing.states()
    print(f"{count} demanded: {states}, {refusals} refused as too often, {len(broken)} broken {broken[:3]}")
    assert broken == []
    assert refusals == 0
    assert set(states) <= {"sent", "created"}
    assert sum(states.values()) >= count
    assert mailing.arrived() >= count, "somebody's push was dropped in silence"


@pytest.mark.timeout(300)
async def test_a_platform_stricter_than_its_word_is_left_alone_after_its_first_refusal(
    mailing: Mailing,
) -> None:
    mailing.world.sim.limits.allowance.webhook_minute = 5
    await mailing.say(Channel.WEBHOOK, 8)
    while await mailing.waiting():
        await mailing.world.turn(minutes=15)

    broken = mailing.verdict("limits_oracle.py", {**LIMITS, "webhook/send": [[5, MINUTE]]})

    print(f"{mailing.refused(45009)} refusals, {len(broken)} broken {broken[:3]}")
    assert broken == []
    assert mailing.refused(45009) > 0
    assert await mailing.states() == {"sent": 8}


async def test_taking_no_turns_would_be_caught(mailing: Mailing, monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(*_: object) -> float:
        return 0.0

    monkeypatch.setattr(MemoryShared, "take", at_once)

    await mailing.say(Channel.APP, 100, each=50)
    await mailing.world.turn(seconds=20)

    assert mailing.verdict("limits_oracle.py", LIMITS) != []


async def test_asking_on_after_a_refusal_would_be_caught(
    mailing: Mailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_window(*_: object) -> float:
        return 5.0

    monkeypatch.setattr(WeComClient, "_block", no_window)
    mailing.world.sim.limits.allowance.webhook_minute = 5
    await mailing.say(Channel.WEBHOOK, 12)
    for _ in range(6):
        await mailing.world.turn(seconds=10)

    assert mailing.verdict("limits_oracle.py", {**LIMITS, "webhook/send": [[5, MINUTE]]}) != []
