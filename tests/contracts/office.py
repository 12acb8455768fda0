"""A sender over a database, with its clock and its platform, for the sender's contracts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from bot.bell import Bell
from bot.clock import TurnedClock
from bot.gateway import Parcel
from bot.sender import Sender
from sop.message import Channel, Content, Message
from sop.receipt import Sent, State
from storage.engine import Database
from storage.errand import Errand, ErrandStore
from storage.member import MemberStore
from storage.outbox import Entry, OutboxStore
from storage.policy import House
from storage.task import Task, TaskStore
from tests.contracts.post import Post
from tests.contracts.world import NOW, after, message


@dataclass
class Office:
    """A sender over a database, with its clock and its platform."""

    db: Database
    clock: TurnedClock
    post: Post = field(default_factory=Post)

    def sender(self, name: str = "one", *, alone: bool = True) -> Sender:
        bells = Bell(self.clock), Bell(self.clock)
        return Sender(self.db, self.post, self.clock, *bells, House(), name, alone=alone)

    async def say(self, *messages: Message) -> None:
        now = self.clock.now()
        await self.db.write(lambda c: OutboxStore(c, now).add_all(messages))

    async def begin(self, name: str = "one", *, alone: bool = True) -> Sender:
        sender = self.sender(name, alone=alone)
        await sender.start()
        return sender

    async def send(self) -> None:
        """Everything that may leave now leaves."""
        sender = await self.begin()
        while await sender.send_once():
            pass

    async def entry(self, key: str) -> Entry:
        found = await self.db.read(lambda c: OutboxStore(c, NOW).by_key(key))
        assert found is not None
        return found

    async def state(self, key: str) -> State:
        return (await self.entry(key)).state

    async def befriend(self, *members: str, staff: str = "wang") -> None:
        for member in members:
            await self.db.write(
                lambda c, member=member: MemberStore(c, NOW, lambda u: None).befriend(
                    member, staff, since=NOW
                )  # type: ignore[misc]
            )

    async def tasks(self) -> list[Task]:
        return await self.db.read(lambda c: TaskStore(c).unfinished())

    async def errands(self) -> list[Errand]:
        far = after(days=1)
        return await self.db.read(lambda c: ErrandStore(c).waiting(far, 99))


@dataclass
class Slow(Post):
    """A platform that answers when it is allowed to."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    most: int = 0  # that ever waited for their answer at once

    async def send(self, parcel: Parcel) -> Sent:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        self.reached.set()
        await self.answers.wait()
        self.waiting -= 1
        return await super().send(parcel)


def app(key: str = "app", text: str = "早会改到十点") -> Message:
    return message(
        key, channel=Channel.APP, to_member="", to_staff="wang", sender="main", content=Content(text)
    )


def welcome(key: str = "welcome", *, deadline: datetime | None = None) -> Message:
    return message(
        key, channel=Channel.WELCOME, sender="wang", welcome_code="C", deadline=deadline or after(seconds=20)
    )


def hook(key: str = "hook", *, urgent: bool = True) -> Message:
    return message(
        key, channel=Channel.WEBHOOK, to_member="", to_group="report", sender="运营群", urgent=urgent
    )
