"""What became of each recipient: the ledger counts what the platform counts, however many were bad."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.simulator.task import NOT_FRIEND, QUOTA_USED, SENT
from sop.message import Channel, Content, Message
from sop.receipt import Outcome, Sent, State
from tests.faults.mailing import Mailing
from tests.world import world_at

NOON = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
EACH = 10  # recipients of a batch, one of them bad
COUNTS = [12, pytest.param(1000, marks=pytest.mark.full)]
BAD = ("a stranger", "no friend any more", "quota used")


@pytest.fixture
async def mailing(tmp_path: Path) -> AsyncIterator[Mailing]:
    async with world_at(NOON, tmp_path) as world:
        yield Mailing(world, tmp_path)


async def batches(mailing: Mailing, count: int) -> None:
    """So many batches of ten; in each one recipient turns bad, in one way or another, and staff confirm them all."""
    members = await mailing.befriend(count * EACH)
    now = mailing.world.clock.now()
    messages = [
        Message(
            key=f"batch-{number:05d}",
            channel=Channel.GROUP_SEND,
            content=Content(f"第 {number // EACH} 批"),
            to_member=member,
            sender="linmo",
            urgent=True,
            marketing=False,
            not_before=now,
        )
        for number, member in enumerate(members)
    ]
    corp = mailing.world.sim.world
    for number in range(0, len(members), EACH):
        if BAD[number // EACH % 3] == "a stranger":  # to the platform, which refuses the name at once
            del corp.members[members[number]], corp.friendships["linmo", members[number]]
    await mailing.world.change(lambda tx: tx.outbox.add_all(messages))
    for number in range(0, len(members), EACH):
        bad = BAD[number // EACH % 3]
        if bad == "no friend any more":
            corp.friendships["linmo", members[number]].one_way = True
        if bad == "quota used":
            corp.delivered[members[number]] = [now] * 31
    await mailing.world.confirms_all()
    await mailing.world.turn(minutes=20)


def platform_counts(mailing: Mailing) -> Counter[str]:
    """How many recipients had which outcome, as the platform knows it."""
    names = {SENT: "sent", NOT_FRIEND: "not friend", QUOTA_USED: "quota"}
    told = Counter(
        names[row.status] for task in mailing.world.sim.world.tasks.values() for row in task.rows["linmo"]
    )
    made = mailing.world.sim.journal.of("call", api="externalcontact/add_msg_template")
    told["refused at once"] = sum(len(call["answer"].get("fail_list", ())) for call in made)
    return told


async def ledger_counts(mailing: Mailing) -> Counter[str]:
    entries = await mailing.world.ask(lambda tx: tx.outbox.recent(limit=100_000))
    words = {"好友": "not friend", "次数": "quota", "平台未接受": "refused at once"}
    return Counter(
        next((word for part, word in words.items() if part in entry.reason), str(entry.state))
        if entry.state is State.REFUSED
        else str(entry.state)
        for entry in entries
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", COUNTS)
async def test_the_ledger_counts_what_the_platform_counts(mailing: Mailing, count: int) -> None:
    await batches(mailing, count)

    platform, ledger = platform_counts(mailing), await ledger_counts(mailing)
    print(f"{count} batches of {EACH}: platform {dict(platform)}, ledger {dict(ledger)}")
    assert ledger == platform
    assert sum(platform.values()) == count * EACH
    assert platform["sent"] == count * (EACH - 1), "too few were good or bad to say anything"
    assert len(mailing.world.sim.world.tasks) == count


async def test_taking_every_recipient_for_reached_would_be_caught(
    mailing: Mailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "bot.wecom.task.OUTCOMES", dict.fromkeys((SENT, NOT_FRIEND, QUOTA_USED), Outcome.DELIVERED)
    )

    await batches(mailing, 3)

    assert await ledger_counts(mailing) != platform_counts(mailing)


async def test_overlooking_who_is_refused_at_once_would_be_caught(
    mailing: Mailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.wecom.send.Sent", lambda number, failed=(): Sent(number))

    await batches(mailing, 3)

    assert await ledger_counts(mailing) != platform_counts(mailing)
