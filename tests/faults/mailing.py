"""A world whose ledger is filled by hand, and the oracle's verdict on what became of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bot.simulator.corp import APP, KF_ACCOUNT
from bot.simulator.faults import Fault
from bot.simulator.world import AppChat, Friendship, Member, Staff
from sop.message import Channel, Content, Message
from tests.world import World

HERE = Path(__file__).resolve().parent
CHAT = "oracleroom"
PATHS = {
    Channel.APP: "message/send",
    Channel.APPCHAT: "appchat/send",
    Channel.WELCOME: "externalcontact/send_welcome_msg",
    Channel.GROUP_SEND: "externalcontact/add_msg_template",
    Channel.KF: "kf/send_msg",
    Channel.WEBHOOK: "webhook/send",
    Channel.MOMENT: "externalcontact/add_moment_task",
}


class Mailing:
    """Messages on one channel, each of a text that is its key."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self._corp = world.sim.world

    # ------------------------------------------------------------ who there is

    def hire(self, count: int) -> list[str]:
        names = [f"staff{number:03d}" for number in range(count)]
        for name in names:
            self._corp.staff[name] = Staff(name, name)
        return names

    async def befriend(self, count: int, staff: str = "linmo") -> list[str]:
        """Members who are friends of one employee, on the platform and in our memory, and who have just written to us."""
        now = self.world.clock.now()
        members = [f"wmQX{number:05d}" for number in range(count)]
        for member in members:
            self._corp.members[member] = Member(member, member)
            self._corp.friendships[staff, member] = Friendship(staff, member, now)
            self._corp.accounts[KF_ACCOUNT].sessions[member].wrote = now
        await self.world.change(lambda tx: [tx.members.befriend(one, staff, since=now) for one in members])
        return members

    # ------------------------------------------------------------ what is said

    async def say(self, channel: Channel, count: int, *, each: int = 0) -> list[Message]:
        """So many messages on a channel wait, all at once; to staff so many ``each``, else ten."""
        messages = [message async for message in self._messages(channel, count, each or 10)]
        await self.world.change(lambda tx: tx.outbox.add_all(messages))
        return messages

    async def _messages(self, channel: Channel, count: int, each: int) -> AsyncIterator[Message]:
        to = await self._recipients(channel, count, each)
        for number in range(count):
            key = f"{channel}-{number:05d}"
            plain = Message(key=key, channel=channel, content=Content(key), urgent=True, marketing=False)
            yield replace(plain, **to[number % len(to)])  # type: ignore[arg-type]

    async def _recipients(self, channel: Channel, count: int, each: int) -> Sequence[dict[str, str]]:
        match channel:
            case Channel.APP:
                return [{"to_staff": one, "sender": APP} for one in self.hire(max(2, count // each))]
            case Channel.APPCHAT:
                self._corp.chats[CHAT] = AppChat(CHAT, "运营", "linmo", ["linmo", "suhe"], APP)
                return [{"to_group": CHAT, "sender": APP}]
            case Channel.WEBHOOK:
                return [{"to_group": "ops", "sender": "ops"}]
            case Channel.MOMENT:
                return [{"to_staff": "linmo", "sender": "linmo"}]
            case Channel.KF:
                return [{"to_member": one, "sender": KF_ACCOUNT} for one in await self.befriend(count)]
            case Channel.WELCOME:
                return [self._welcomed(one) for one in await self.befriend(count)]
            case _:
                return [{"to_member": one, "sender": "linmo"} for one in await self.befriend(count)]

    def _welcomed(self, member: str) -> dict[str, str]:
        code = self._corp.code("WCODE", 20, staff="linmo", member=member).code
        return {"to_member": member, "sender": "linmo", "welcome_code": code}

    def lose_answers(self, channel: Channel, count: int) -> None:
        """The platform does what it is asked, and the answer is lost, so many times."""
        self.world.sim.faults.add(Fault(where="api", what="lose", match=PATHS[channel], times=count))

    # ------------------------------------------------------------ what became of it

    def verdict(self, oracle: str = "sends_oracle.py", limits: object = None) -> list[str]:
        """Every broken promise, as an oracle sees it: of sends against the ledger, or of calls against limits."""
        journal = self.folder / "journal.jsonl"
        with journal.open("w", encoding="utf-8") as out:
            for entry in self.world.sim.journal.since():
                out.write(json.dumps(entry, ensure_ascii=False) + "\n")
        against = json.dumps(limits) if limits is not None else str(self.folder / "world.sqlite")
        asked = subprocess.run(
            [sys.executable, str(HERE / oracle), str(journal), against],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        found: list[str] = json.loads(asked.stdout or json.dumps([f"the oracle died: {asked.stderr[-300:]}"]))
        return found

    async def states(self) -> dict[str, int]:
        counts = await self.world.ask(lambda tx: tx.outbox.counts())
        return {state: count for state, count in counts.items() if count}

    async def waiting(self) -> int:
        states = await self.states()
        return states.get("waiting", 0) + states.get("sending", 0)

    async def hidden(self, longest: timedelta) -> list[str]:
        """Messages that may have arrived longer ago than that, and that neither the ledger nor a person was told of."""
        now = self.world.clock.now()
        open_ = await self.world.ask(lambda tx: tx.outbox.recent(states=("waiting", "sending"), limit=5000))
        doubted = [entry for entry in open_ if entry.doubt_at is not None and now - entry.doubt_at > longest]
        return [f"{entry.message.key} was hidden since {entry.doubt_at}" for entry in doubted]

    def refused(self, code: int) -> int:
        """How often the platform refused with a number."""
        calls = self.world.sim.journal.of("call")
        return sum(1 for call in calls if call["answer"].get("errcode") == code)

    def arrived(self) -> int:
        """How many messages reached somebody, and how many moments were made."""
        return len(self.world.sim.journal.of("delivery")) + len(self._corp.moments)

    def lost(self) -> int:
        """How many answers were really lost."""
        return sum(1 for entry in self.world.sim.journal.of("call") if entry.get("fault") == "lose")
