"""A world to tell stories in: a simulated corp, the whole bot on SQLite, and a clock that moves only when told.

People speak as people do (``await lin.says("领券")``) and get back what they would read. Nothing here reaches into the bot
except to ask what it remembers.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import structlog

from bot.app import App, Role
from bot.chance import SeededChance
from bot.clock import TurnedClock
from bot.config import Config
from bot.console.app import add_operator
from bot.simulator.corp import APP, BOT, KF_ACCOUNT, add_bot, open_corp
from bot.simulator.simulator import Simulator
from bot.simulator.task import waiting_for
from bot.simulator.visit import Page
from bot.simulator.world import (
    Line,
    Task,
    app_talk,
    bot_talk,
    friend_talk,
    group_talk,
    internal_talk,
    kf_talk,
)
from sop.coupon import Batch
from sop.file import read
from sop.member import Member
from storage.coupon import CouponStore
from storage.engine import SqliteDatabase
from storage.outbox import Entry
from storage.template import TemplateStore
from storage.tx import Tx

structlog.configure(
    wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
)  # tests read states, not logs

T = TypeVar("T")
LIBRARY = Path(__file__).resolve().parents[1] / "sop" / "library"
PASSWORD = "correct horse battery"
THURSDAY = datetime(2026, 7, 2, 11, 0, tzinfo=UTC)  # Thursday 19:00 in Shanghai
ADDRESS = re.compile(r"https?://[\w.:]+/l/[\w-]+")
LONGEST_ERRAND = timedelta(seconds=40)  # what a few seconds of the platform's own delays may take


def july(day: int, time: str = "12:00") -> datetime:
    """An instant of July 2026 as clocks in Shanghai show it; the 2nd is a Thursday, the 4th a Saturday."""
    return datetime.fromisoformat(f"2026-07-{day:02d}T{time}+08:00").astimezone(UTC)


@dataclass
class Person:
    """A member of the world, and what they can do."""

    world: World
    id: str
    name: str

    async def says(self, text: str, *, menu: str = "") -> str:
        """Write to 微信客服, or tap an entry of a menu; returns what comes back, empty when nothing does."""
        before = len(self._kf_lines())
        self.world.sim.acts.speak_kf(self.id, KF_ACCOUNT, text, menu=menu)
        await self.world.settle()
        return self._told_since(before)

    def _kf_lines(self) -> list[Line]:
        return self.world.sim.world.talks[kf_talk(KF_ACCOUNT, self.id)]

    def _told_since(self, before: int) -> str:
        return "\n".join(_read(line) for line in self._kf_lines()[before:] if line.speaker != self.id)

    def link(self, staff: str = "linmo") -> str:
        """The newest of our links in the conversation with a staff member."""
        return str(ADDRESS.findall("\n".join(self.heard_from(staff)))[-1])

    async def speaks(self, group: str, text: str) -> None:
        """Say something in a group; only the archive hears it."""
        self.world.sim.acts.speak(self.world.groups[group], self.id, text)
        await self.world.settle()

    async def opens(self, url: str) -> Page:
        page = await self.world.sim.browsers.open(self.id, url)
        await self.world.settle()
        return page

    async def sends(self, url: str, **answers: str) -> Page:
        """Open a page and send its first form."""
        page = await self.opens(url)
        done = await self.world.sim.browsers.submit(self.id, page.forms[0], **answers)
        await self.world.settle()
        return done

    async def leaves(self, group: str) -> None:
        self.world.sim.acts.leave(self.world.groups[group], self.id)
        await self.world.settle()

    async def deletes(self, staff: str) -> None:
        self.world.sim.acts.drop_staff(self.id, staff)
        await self.world.settle()

    def heard_from(self, staff: str) -> list[str]:
        """What reached this person in their conversation with a staff member."""
        lines = self.world.sim.world.talks[friend_talk(staff, self.id)]
        return [_read(line) for line in lines if line.speaker == staff]

    async def known(self) -> Member:
        """What the bot remembers of this person."""
        found = await self.world.ask(lambda tx: tx.members.get(self.id))
        assert found is not None, f"the bot does not know {self.name}"
        return found

    async def tags(self) -> frozenset[str]:
        return (await self.known()).tags

    async def messages(self) -> Sequence[Entry]:
        """The ledger's messages to this person, the oldest first."""
        return (await self.world.ask(lambda tx: tx.outbox.recent(member=self.id)))[::-1]

    async def pushes(self) -> Sequence[Entry]:
        """The same without replies: what we said unasked."""
        return [entry for entry in await self.messages() if not entry.message.urgent]


def ready(name: str) -> str:
    """A template of the library for everybody it is for: whom the lot holds out is another question."""
    lines = (LIBRARY / f"{name}.toml").read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("hold_out"))


class World:
    """The simulator, the bot, and the clock between them."""

    def __init__(self, sim: Simulator, app: App, clock: TurnedClock) -> None:
        self.sim, self.app, self.clock = sim, app, clock
        self.groups: dict[str, str] = {}

    # ------------------------------------------------------------ time

    async def settle(self) -> None:
        """Let everything set off so far arrive, the platform's few seconds of delay included."""
        await self.sim.quiet()
        await self.app.quiet()
        await self.clock.turn(LONGEST_ERRAND)
        await self.sim.quiet()
        await self.app.quiet()

    async def turn(self, **step: float) -> None:
        """Let time pass: ``turn(days=1)``."""
        await self.clock.turn(timedelta(**step))
        await self.settle()

    async def turn_to(self, instant: datetime) -> None:
        await self.clock.turn_to(instant)
        await self.settle()

    async def leap(self, **step: float) -> None:
        """Sleep for a while, in which nothing is expected: ``leap(days=2)``."""
        await self.leap_to(self.clock.now() + timedelta(**step))

    async def leap_to(self, instant: datetime) -> None:
        """Sleep through the time between, in which nothing is expected."""
        await self.clock.leap_to(instant)
        await self.settle()

    # ------------------------------------------------------------ people and groups

    def hires(self, staff: str, name: str) -> str:
        self.sim.acts.hire(staff, name)
        return staff

    async def befriends(
        self, name: str, staff: str = "linmo", *, source: str = "", half: bool = False
    ) -> Person:
        """Somebody new adds a staff member."""
        person = self.sim.acts.meet(name)
        self.sim.acts.add_friend(person.id, staff, state=source, half=half)
        await self.settle()
        return Person(self, person.id, name)

    async def founds(self, name: str, owner: str = "linmo") -> str:
        self.groups[name] = self.sim.acts.create_group(owner, name)
        await self.settle()
        return self.groups[name]

    async def joins(self, name: str, group: str, staff: str = "linmo") -> Person:
        """Somebody new becomes a friend and then joins a group."""
        person = await self.befriends(name, staff)
        await self.seat(person, group)
        return person

    async def seat(self, person: Person, group: str) -> None:
        self.sim.acts.join(self.groups[group], person.id)
        await self.settle()

    async def all_say(self, text: str, *people: Person) -> list[str]:
        """Several write the same to 微信客服 in the same instant; what each hears back."""
        before = [len(person._kf_lines()) for person in people]
        for person in people:
            self.sim.acts.speak_kf(person.id, KF_ACCOUNT, text)
        await self.settle()
        return [person._told_since(number) for person, number in zip(people, before, strict=True)]

    async def confirms_all(self, staff: str = "linmo") -> int:
        """A staff member taps 确认 on everything that waits; returns how many tasks that was."""
        waiting = self.waiting_for(staff)
        for task in waiting:
            self.sim.acts.confirm(staff, task.id)
        await self.turn(minutes=15)
        return len(waiting)

    async def bot_hears(self, text: str, staff: str = "linmo", *, group: str = "") -> str:
        """Speak to the 智能机器人, alone or in an internal group; returns what it answers there."""
        talk = internal_talk(group) if group else bot_talk(BOT, staff)
        before = len(self.sim.world.talks[talk])
        self.sim.bots.say(staff, text, group=group)
        await self.settle()
        lines = self.sim.world.talks[talk][before:]
        return "\n".join(_read(line) for line in lines if line.speaker.startswith("aibot/"))

    async def staff_says(self, text: str, staff: str = "linmo") -> str:
        """Write to the app; returns what comes back."""
        before = len(self.app_told(staff))
        self.sim.acts.tell(staff, text)
        await self.settle()
        return "\n".join(self.app_told(staff)[before:])

    def app_told(self, staff: str) -> list[str]:
        """What the app has written to a staff member."""
        return [_read(line) for line in self.sim.world.talks[app_talk(APP, staff)] if line.speaker != staff]

    def waiting_for(self, staff: str = "linmo") -> list[Task]:
        """Group sends that wait on a staff member's phone."""
        return waiting_for(self.sim.world, staff)

    def link_in(self, group: str) -> str:
        """The newest of our links a group has read."""
        return str(ADDRESS.findall("\n".join(self.group_heard(group)))[-1])

    async def missed(self) -> list[str]:
        """Why planned steps were not said as planned, the newest first."""
        return [row.reason for row in await self.ask(lambda tx: tx.due.missed())]

    def group_heard(self, group: str) -> list[str]:
        return [_read(line) for line in self.sim.world.talks[group_talk(self.groups[group])]]

    # ------------------------------------------------------------ plans and coupons

    async def publishes(self, *names: str, text: str = "") -> None:
        """Publish templates of the ready library, which hold nobody out here, or one given as text."""
        texts = [*map(ready, names), *([text] if text else [])]
        for one in texts:
            template = read(one)

            def keep(
                tx: Tx, one: str = one, template_id: str = template.id, name: str = template.name
            ) -> None:
                store: TemplateStore = tx.templates
                saved = store.save(template_id, name, one, by="test")
                store.publish(template_id, saved.version, zone="Asia/Shanghai")

            await self.change(keep)

    async def coupons(self, batch: str, size: int, **rules: object) -> None:
        def stock(tx: Tx) -> None:
            store: CouponStore = tx.coupons
            store.open(Batch(id=batch, name=str(rules.pop("name", batch)), **rules))  # type: ignore[arg-type]
            store.stock(batch, [f"{batch}-{number:04d}" for number in range(size)])

        await self.change(stock)

    # ------------------------------------------------------------ asking and changing

    async def console(self, path: str) -> str:
        """A page of the console, as an administrator reads it."""
        base, browsers = f"{self.app.settings.public_url}/console", self.sim.browsers
        await add_operator(self.app.db, "admin", PASSWORD, "admin", self.clock.now())
        door = await browsers.open("admin", f"{base}/login")
        await browsers.submit("admin", door.forms[0], name="admin", password=PASSWORD)
        return (await browsers.open("admin", base + path)).html

    async def ask(self, question: Callable[[Tx], T]) -> T:
        now = self.clock.now()
        return await self.app.db.read(lambda c: question(Tx(c, now)))

    async def change(self, work: Callable[[Tx], T]) -> T:
        now = self.clock.now()
        done = await self.app.db.write(lambda c: work(Tx(c, now)))
        self.app.bells["scheduler"].ring()
        await self.settle()
        return done


@asynccontextmanager
async def world_at(
    start: datetime, folder: Path, *, aibot: str = "", plain_ids: bool = True, archive_door: bool = False
) -> AsyncIterator[World]:
    """A corp with two employees and nobody else, and the bot connected to it.

    ``aibot`` is the mode of its 智能机器人, if there is to be one, ``plain_ids`` whether it knows userids; the archive rings if it has a door.
    """
    clock, chance = TurnedClock(start), SeededChance(7)
    corp = open_corp(clock, chance, archive_door=archive_door)
    async with Simulator(clock=clock, chance=chance, world=corp) as sim:
        await sim.serve()
        sim.acts.hire("linmo", "林墨")
        sim.acts.hire("suhe", "苏禾")
        if aibot:
            add_bot(sim.world, aibot, plain_ids=plain_ids)
        config = config_of(sim, folder)
        store = SqliteDatabase(
            config.storage.database.get_secret_value(), synchronous="OFF"
        )  # nobody pulls the plug
        async with App(config, clock=clock, chance=SeededChance(8), store=store, idle_s=3600.0) as app:
            await sim.connect(f"http://127.0.0.1:{app.port}")
            yield World(sim, app, clock)


@asynccontextmanager
async def fleet_at(start: datetime, folder: Path, database: str, redis: str) -> AsyncIterator[World]:
    """The same corp, and the four roles as processes would run them: apart, meeting only in the database and Redis."""
    clock = TurnedClock(start)
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(Simulator(clock=clock, chance=SeededChance(7)))
        await sim.serve()
        sim.acts.hire("linmo", "林墨")
        config = config_of(sim, folder, database=database, redis=redis)
        roles = [await stack.enter_async_context(App(config, clock=clock, roles=[role])) for role in Role]
        await sim.connect(f"http://127.0.0.1:{roles[0].port}")
        yield World(sim, roles[0], clock)


def config_of(sim: Simulator, folder: Path, **storage: str) -> Config:
    """The bot's configuration for this corp."""
    plain = sim.settings()
    port = free_port()
    plain["server"] = {"host": "127.0.0.1", "port": port, "public_url": f"http://127.0.0.1:{port}"}
    plain["storage"] = {"database": f"sqlite:///{folder / 'world.sqlite'}", **storage}
    plain["community"] = {"operators": ["linmo"]}
    return Config.model_validate(plain)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _read(line: Line) -> str:
    """A line as a person reads it: words, and what a card or menu shows."""
    shown = (line.data.get(key) for key in ("title", "url", "head", "tail"))
    parts = [line.text, *(str(part) for part in shown if part)]
    return "\n".join(part for part in parts if part)
