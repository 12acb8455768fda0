"""The platform did it and the answer was lost: nothing is said twice beyond what is promised, nothing is hidden.

No double in 1,000 lost answers bounds the rate at about 3/1,000 an answer (95 %).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import sender
from bot.sender import Sender
from sop.message import CAPABILITIES, Channel
from sop.receipt import State
from tests.faults.mailing import Mailing
from tests.world import world_at

NOON = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
SOME, STATED = 12, 1000
COUNTS = [SOME, pytest.param(STATED, marks=pytest.mark.full)]
CHANNELS = [channel for channel in Channel if channel is not Channel.AIBOT]


@pytest.fixture
async def mailing(tmp_path: Path) -> AsyncIterator[Mailing]:
    async with world_at(NOON, tmp_path) as world:
        yield Mailing(world, tmp_path)


async def ran(mailing: Mailing, channel: Channel, count: int) -> list[str]:
    """Say it all while every answer is lost; a minute after the last left, the oracle looks."""
    mailing.lose_answers(channel, count)
    await mailing.say(channel, count)
    hidden: list[str] = []
    while await mailing.waiting():
        await mailing.world.turn(seconds=60)
        hidden += await mailing.hidden(timedelta(seconds=100))  # the turn, and the seconds that settle it
    return hidden + mailing.verdict()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_lost_answer_is_never_a_silent_loss_or_a_second_message(
    mailing: Mailing, channel: Channel, count: int
) -> None:
    broken = await ran(mailing, channel, count)

    states = await mailing.states()
    print(f"{channel}: {mailing.lost()} answers lost, {states}, {len(broken)} broken {broken[:3]}")
    assert broken == []
    assert mailing.lost() == count, "too few answers were lost to say anything"
    if channel is Channel.GROUP_SEND:
        assert set(states) <= {"created", "unknown"}
    elif not CAPABILITIES[channel].safe_to_repeat:
        assert states == {"unknown": count}


@pytest.mark.parametrize("channel", [Channel.WEBHOOK, Channel.APPCHAT, Channel.MOMENT, Channel.GROUP_SEND])
async def test_repeating_blindly_would_be_caught(
    mailing: Mailing, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sender, "_may_repeat", lambda *_: True)

    broken = await ran(mailing, channel, 10)

    assert any("arrived 2 times" in one for one in broken)


async def test_taking_silence_for_a_refusal_would_be_caught(
    mailing: Mailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> object:
        return sender._Fate(State.REFUSED, "no answer")

    monkeypatch.setattr(Sender, "_fate", refused)

    broken = await ran(mailing, Channel.KF, 10)

    assert any("the ledger says refused" in one for one in broken)
