"""The worker: in order, all or nothing, once, and a bad update stops nobody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from bot.bell import Bell
from bot.clock import TurnedClock
from bot.worker import TERM, Worked, Worker, understand
from handlers.context import Context, Settings
from handlers.filters import Anything, Keyword
from handlers.router import Router, Switchboard
from sop.errors import Malformed
from sop.message import Reply
from sop.update import Kind, MessageHeard, TagChanged, Update
from storage import inbox, lease
from storage.engine import Database
from storage.outbox import OutboxStore
from storage.position import read_position, write_position
from storage.tag import TagStore
from storage.tx import Tx
from tests.contracts.world import NOW, counted_commits, heard, knock, said


class NotToday(Exception):
    """A handler's fault."""


@dataclass
class House:
    """A worker over a database, with three handlers that write down what they hear."""

    db: Database
    clock: TurnedClock
    heard: list[str] = field(default_factory=list)
    poison: Callable[[str], bool] = lambda text: "poison" in text

    def router(self) -> Router:
        router = Router("test")

        @router.observe(Kind.MESSAGE)
        def fact(update: MessageHeard, ctx: Context) -> None:
            """The log: every text in order, by member."""
            before = read_position(ctx.tx.connection, update.member)
            write_position(ctx.tx.connection, update.member, f"{before} {update.text}".strip())
            if "broken fact" in update.text:
                raise NotToday

        @router.reply_to(Kind.MESSAGE, Keyword("标签"))
        def tag(update: MessageHeard, ctx: Context) -> None:
            ctx.tx.tags.add(update.member, "活跃", reason="说了标签")

        @router.observe(Kind.TAG_CHANGED)
        def noted(update: TagChanged, ctx: Context) -> None:
            write_position(ctx.tx.connection, f"noted {update.member}", update.tag)

        @router.reply_to(Kind.MESSAGE, Anything())
        def answer(update: MessageHeard, ctx: Context) -> Reply:
            ctx.tx.tags.know(f"answered {update.text}")
            if self.poison(update.text):
                raise NotToday
            return Reply.of(f"收到 {update.text}")

        return router

    def worker(self, name: str = "one", *, batch: int = 50, alone: bool = False) -> Worker:
        def parse(door: str, body: bytes, identity: str) -> Update:
            if body == b"surprise":
                raise KeyError("ToUserName")
            raise Malformed("no such event")

        def context_of(update: Update, tx: Tx) -> Context:
            return Context(tx, tx.now, Settings(), lambda: "token", lambda: 0.5, update)

        board, bell = Switchboard([self.router()]), Bell(self.clock)
        return Worker(
            self.db, board, context_of, understand(parse), self.clock, bell, name, batch=batch, alone=alone
        )

    async def arrive(self, *updates: Update) -> None:
        await self.db.write(lambda c: inbox.insert(c, [heard(update) for update in updates]))

    async def work(self, worker: Worker | None = None) -> Worked:
        """Until nothing is ready."""
        total, worker = Worked(), worker or self.worker()
        while worked := await worker.work_once():
            total.handled += worked.handled
            total.parked += worked.parked
            total.retried += worked.retried
        return total

    async def facts(self, member: str = "lin") -> str:
        return await self.db.read(lambda c: read_position(c, member))

    async def replies(self) -> list[str]:
        entries = await self.db.read(lambda c: OutboxStore(c, NOW).recent())
        return [entry.message.content.text for entry in reversed(entries)]

    async def counts(self) -> dict[str, int]:
        return await self.db.read(inbox.counts)

    async def tags(self) -> set[str]:
        return set(await self.db.read(lambda c: TagStore(c, NOW).counts()))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What goes wrong here is meant to."""
    with capture_logs():
        yield


@pytest.fixture
def house(db: Database, clock: TurnedClock) -> House:
    return House(db, clock)


# ---------------------------------------------------------------- once, in order


async def test_fact_reply_and_done_mark_are_one(house: House) -> None:
    await house.arrive(said("你好"))

    worked = await house.work()

    assert worked.handled == 1
    assert (await house.facts(), await house.replies()) == ("你好", ["收到 你好"])
    assert await house.counts() == {"waiting": 0, "done": 1, "parked": 0}


async def test_a_lane_is_handled_in_the_order_it_came_whatever_the_batch(house: House) -> None:
    await house.arrive(*(said(str(number), member=f"m{number % 3}") for number in range(30)))

    await house.work(house.worker(batch=7))

    assert await house.facts("m1") == " ".join(str(number) for number in range(1, 30, 3))


async def test_workers_side_by_side_handle_everything_once_and_in_order(house: House) -> None:
    members = [f"m{number}" for number in range(24)]
    for round_ in range(6):
        await house.arrive(*(said(f"{round_}", member=member) for member in members))

    async def until_done(worker: Worker) -> int:
        handled = 0
        while (await house.counts())["waiting"]:
            handled += (await worker.work_once()).handled
        return handled

    shares = await asyncio.gather(*(until_done(house.worker(f"w{n}", batch=5)) for n in range(3)))

    assert sum(shares) == 144
    assert {await house.facts(member) for member in members} == {"0 1 2 3 4 5"}
    assert len(await house.replies()) == 100


async def test_a_slow_batch_gives_the_writer_back_and_goes_on_later(house: House) -> None:
    def slow(text: str) -> bool:
        time.sleep(0.004)
        return False

    house.poison = slow
    await house.arrive(*(said(str(number)) for number in range(20)))

    with counted_commits() as commits:
        await house.worker(alone=True).work_once()

    assert len(commits) > 5
    assert await house.facts() == " ".join(map(str, range(20)))


async def test_what_a_handler_changed_is_heard_in_the_same_transaction(house: House) -> None:
    await house.arrive(said("标签"))

    await house.work()

    assert await house.db.read(lambda c: read_position(c, "noted lin")) == "活跃"


# ---------------------------------------------------------------- poison


async def test_a_failing_answer_keeps_the_fact_and_takes_back_its_own_work(house: House) -> None:
    await house.arrive(said("poison"))

    worked = await house.work()

    assert (worked.handled, worked.retried) == (0, 1)
    assert await house.facts() == "poison"
    assert "answered poison" not in await house.tags()


async def test_one_bad_update_takes_nobody_in_its_batch_with_it(house: House) -> None:
    await house.arrive(*(said(f"{n}", member=f"m{n}") for n in range(10)), said("poison", member="bad"))

    worked = await house.work()

    assert (worked.handled, worked.retried) == (10, 1)
    assert len(await house.replies()) == 10


async def test_many_bad_updates_stop_nobody_else(house: House) -> None:
    await house.arrive(*(said("poison", member=f"bad{n}") for n in range(60)), said("你好"))

    worked = await house.work(house.worker(batch=20))

    assert (worked.handled, await house.replies()) == (1, ["收到 你好"])


async def test_behind_a_bad_update_its_own_lane_waits_until_it_is_parked(house: House) -> None:
    await house.arrive(said("poison"), said("你好"))
    waited = await house.work()

    for seconds in (1, 5, 30):
        await house.clock.turn(timedelta(seconds=seconds))
        await house.work()

    assert waited.handled == 0
    assert await house.replies() == ["收到 你好"]
    assert await house.counts() == {"waiting": 0, "done": 1, "parked": 1}


async def test_a_parked_update_says_why_and_works_when_replayed_after_the_mend(house: House) -> None:
    await house.arrive(said("poison"))
    for seconds in (0, 1, 5, 30):
        await house.clock.turn(timedelta(seconds=seconds))
        await house.work()
    (parked,) = await house.db.read(inbox.parked)

    house.poison = lambda text: False
    await house.db.write(lambda c: inbox.replay(c, parked.id))
    await house.work()

    assert "NotToday" in parked.error
    assert await house.replies() == ["收到 poison"]


async def test_a_failing_observer_does_not_keep_the_answer_from_its_member(house: House) -> None:
    await house.arrive(said("broken fact"))

    await house.work()

    assert await house.replies() == ["收到 broken fact"]
    assert await house.facts() == ""


@pytest.mark.parametrize("body", ["nonsense", "surprise"])
async def test_what_cannot_be_understood_is_parked_at_once(house: House, body: str) -> None:
    await house.db.write(lambda c: inbox.insert(c, [knock(body)]))
    await house.arrive(said("你好"))

    worked = await house.work()

    assert (worked.parked, worked.handled) == (1, 1)


async def test_a_database_in_trouble_parks_nobody(house: House) -> None:
    await house.arrive(said("你好"))

    def full(text: str) -> bool:
        raise OSError("no space left on device")

    house.poison = full
    for _ in range(6):
        with pytest.raises(OSError, match="space"):
            await house.worker(alone=True).work_once()

    assert (await house.counts(), await house.facts()) == ({"waiting": 1, "done": 0, "parked": 0}, "")


# ---------------------------------------------------------------- leases


async def test_a_worker_that_slept_past_its_lease_writes_nothing(house: House) -> None:
    await house.arrive(said("你好"))
    slow = house.worker("slow")

    def overtaken(text: str) -> bool:
        raise lease.Stale("shard")

    house.poison = overtaken
    worked = await slow.work_once()

    assert (bool(worked), await house.facts()) == (False, "")


async def test_the_shards_of_a_dead_worker_are_taken_over_when_its_lease_ends(house: House) -> None:
    await house.arrive(said("你好"))
    dead = house.worker("dead")
    await dead._lease()

    too_early = await house.work(house.worker("heir"))
    await house.clock.turn(TERM)
    in_time = await house.work(house.worker("heir"))

    assert (too_early.handled, in_time.handled) == (0, 1)


async def test_who_works_alone_waits_for_no_dead_predecessor(house: House) -> None:
    await house.arrive(said("你好"))
    dead = house.worker("dead", alone=True)
    await dead._lease()

    worked = await house.work(house.worker("heir", alone=True))

    assert worked.handled == 1


async def test_a_stale_worker_neither_parks_nor_retries_what_others_handled(house: House) -> None:
    await house.arrive(said("poison"), said("poison", member="bo"))
    slow, rows = house.worker("slow", alone=True), []
    await slow._lease()
    rows = await house.db.read(lambda c: inbox.waiting(c, range(16), NOW, 10))
    house.poison = lambda text: False
    await house.work(house.worker("quick", alone=True))

    house.poison = lambda text: True
    with pytest.raises(lease.Stale):
        await slow._handle(rows)

    assert await house.counts() == {"waiting": 0, "done": 2, "parked": 0}


async def test_no_shard_is_left_for_last_for_ever(house: House) -> None:
    worker = house.worker(batch=1)
    for round_ in range(70):
        await house.arrive(*(said(f"{round_}", member=f"m{n}") for n in range(32)))
        await worker.work_once()

    served = [n for n in range(32) if await house.facts(f"m{n}")]
    assert len({inbox.shard_of(f"m{n}") for n in served}) > 4


async def test_the_worker_sleeps_until_the_next_retry_and_wakes_for_the_bell(house: House) -> None:
    await house.arrive(said("poison"))
    worker = house.worker()
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        await house.clock.turn(timedelta(seconds=60))
        await house.arrive(said("你好", member="bo"))
        worker.bell.ring()
        await house.clock.settle()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert await house.counts() == {"waiting": 0, "done": 1, "parked": 1}
