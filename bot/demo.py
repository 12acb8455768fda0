"""The demo: simulator, bot and console in one process, with a living sample community and eight weeks behind it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from importlib.resources import files
from pathlib import Path

from aiohttp import web

from bot.app import App
from bot.chance import SeededChance
from bot.clock import TurnedClock
from bot.config import Config
from bot.console.app import add_operator
from bot.pages.visitor import COOKIES
from bot.simulator.sample import SEED, Sample, sample_world
from bot.simulator.script import Script
from bot.simulator.simulator import Simulator
from sop.activity import Activity, talk
from sop.coupon import Batch
from sop.file import read
from sop.timing import next_weekday
from sop.update import ClockTicked, GroupDescribed, MemberDescribed
from storage import inbox
from storage.coupon import CouponStore
from storage.engagement import EngagementStore
from storage.engine import Connection
from storage.group import GroupStore
from storage.template import TemplateStore
from storage.tx import Tx

LIBRARY = Path(__file__).resolve().parents[1] / "sop" / "library"
PASSWORD = "qunxing-demo"
HISTORY_DAYS = 56
SATURDAY = 5
NOBODY_ELSE_WRITES_S = 3600.0  # virtual: a fast clock would otherwise wake everybody all the time
BATCHES = {
    "welcome": "新人咖啡券",
    "winback": "老友回归券",
    "regular": "老朋友券",
    "birthday": "生日券",
    "growth_gift": "成长礼券",
    "checkin_14": "打卡两周券",
    "checkin_21": "打卡三周券",
}
BATCH_SIZE = 100
LINES = {"进阶交流群": 72.0}  # it has been falling for weeks: the alarm should be seen

Say = Callable[[str], None]


@dataclass
class Demo:
    """The running demo: where to look, and what to compare in the end."""

    app: App
    simulator: Simulator
    sample: Sample
    url: str


@asynccontextmanager
async def demo(
    *, port: int, speed: float, start: datetime, say: Say, play: bool = True
) -> AsyncIterator[Demo]:
    """Everything at once, in a folder of its own that goes when the demo ends."""
    clock, chance = TurnedClock(start), SeededChance(SEED)
    sample = sample_world(clock, chance)
    with tempfile.TemporaryDirectory(prefix="qunxing-demo-") as folder:
        async with Simulator(
            clock=clock, chance=chance, world=sample.world, visitor_cookies=COOKIES
        ) as simulator:
            await simulator.serve()
            config = _config(simulator, port, Path(folder))
            async with App(config, clock=clock, idle_s=NOBODY_ELSE_WRITES_S, front=_front(simulator)) as app:
                url = f"http://127.0.0.1:{app.port}"
                say("正在准备一个有 56 天历史的社群……")
                await furnish(app, sample)
                await simulator.connect(url)
                simulator.pace(speed)
                if play:
                    simulator.start(Script(simulator, sample).run())
                yield Demo(app, simulator, sample, url)
                simulator.pace(0)


def saturday_evening(now: datetime) -> datetime:
    """The last Saturday 18:45 in Shanghai: three quarters of an hour before the weekly interaction."""
    return next_weekday(now - timedelta(days=7), SATURDAY, time(18, 45), "Asia/Shanghai", after=True)


async def ask_for_results(app: App) -> None:
    """Poll every open group-send task now, as the timetable would some minutes later."""
    now = app.clock.now()
    ticked = ClockTicked(at=now, name="tasks", slot=now, id=f"tick:tasks:{now.isoformat()}")
    await app.desk.tell(ticked, lane="clock:tasks")


def _front(simulator: Simulator) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The page at the one address the demo prints: the phone here, the console there."""
    page = files("bot").joinpath("demo.html").read_text("utf-8")
    page = page.replace("{{chat}}", simulator.chat_url).replace("{{password}}", PASSWORD)

    async def front(request: web.Request) -> web.StreamResponse:
        return web.Response(text=page, content_type="text/html")

    return front


def _config(simulator: Simulator, port: int, folder: Path) -> Config:
    plain = simulator.settings()
    plain["server"] = {"host": "127.0.0.1", "port": port, "public_url": f"http://127.0.0.1:{port}"}
    plain["storage"] = {"database": f"sqlite:///{folder / 'qunxing.sqlite'}", "data_dir": str(folder)}
    plain["community"] = {"operators": list(simulator.world.staff)}
    return Config.model_validate(plain)


async def furnish(app: App, sample: Sample) -> None:
    """What a community that has run for eight weeks has: people, groups, history, plans, coupons, an account."""
    now = app.clock.now()
    groups = [await app.gateway.group(group) for group in await app.gateway.groups()]
    people = {seat.member for group in groups for seat in group.seats if not seat.staff}
    members = [await app.gateway.member(member) for member in sorted(people)]
    await app.db.write(lambda c: _introduce(c, groups, members, now))
    app.bells["worker"].ring()
    await app.quiet()
    await _remember(app, sample)
    await app.db.write(lambda c: _plan(c, now, app.settings.zone))
    await app.desk.tell(
        ClockTicked(at=now, name="roll", slot=now, id=f"tick:roll:{now.isoformat()}"), lane="clock:roll"
    )
    await add_operator(app.db, "demo", PASSWORD, "admin", now)


def _introduce(
    connection: Connection, groups: list[GroupDescribed], members: list[MemberDescribed], now: datetime
) -> None:
    knocks = [inbox.knock_of(group, lane=group.group, now=now) for group in groups]
    knocks += [inbox.knock_of(member, lane=member.member, now=now) for member in members]
    inbox.insert(connection, knocks)


async def _remember(app: App, sample: Sample) -> None:
    """Eight weeks of talk, logged day by day as if the archive had told it."""
    day: list[Activity] = []
    last: dict[str, datetime] = {}
    for number, record in enumerate(sample.history(HISTORY_DAYS)):
        day.append(talk(record, number))
        last[record.member] = record.at
        if len(day) >= 500:
            await _log(app, day)
            day = []
    await _log(app, day)
    now = app.clock.now()
    await app.db.write(lambda c: _touch(Tx(c, now), last))


def _touch(tx: Tx, last: dict[str, datetime]) -> None:
    for member, at in last.items():
        tx.members.touch(member, at)


async def _log(app: App, facts: list[Activity]) -> None:
    now = app.clock.now()
    await app.db.write(lambda c: Tx(c, now).activity.log_all(facts))


def _plan(connection: Connection, now: datetime, zone: str) -> None:
    templates = TemplateStore(connection, now)
    for path in sorted(LIBRARY.glob("*.toml")):
        text = path.read_text("utf-8")
        template = read(text, source=path.name)
        saved = templates.save(template.id, template.name, text, by="演示")
        templates.publish(template.id, saved.version, zone=zone)
    for group in GroupStore(connection, now).all():
        if group.name in LINES:
            EngagementStore(connection).set_line(group.id, LINES[group.name])
    coupons = CouponStore(connection, now)
    for batch, name in BATCHES.items():
        coupons.open(Batch(id=batch, name=name, ends=now + timedelta(days=90), valid_days=14))
        coupons.stock(batch, [f"{batch[:2].upper()}{number:05d}" for number in range(1, BATCH_SIZE + 1)])
