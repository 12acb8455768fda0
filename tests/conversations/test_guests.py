"""Visitors who are neither members nor staff: they may read, are nobody by name, and are known again as members."""

from __future__ import annotations

import re
from datetime import timedelta

from bot.simulator.visit import Page
from sop.update import ClockTicked
from storage.guest import GuestStore
from storage.tables import activity, guest_visit
from tests.world import Person, World


def stranger(world: World, name: str = "路人") -> Person:
    return Person(world, world.sim.acts.meet(name).id, name)


async def link(world: World) -> str:
    made = await world.change(
        lambda tx: tx.links.make("/m/article/growth-1", lambda: "t0ken-of-the-poster-0001", owner="poster")
    )
    return f"{world.app.settings.public_url}/l/{made.token}"


async def visitors(world: World) -> list[str]:
    rows = await world.app.db.read(
        lambda c: c.execute(
            activity.select().where(activity.c.kind == "visited").order_by(activity.c.id)
        ).all()
    )
    return [row.member for row in rows]


def words(page: Page) -> str:
    return re.sub(r"<[^>]+>|\s+", " ", page.html)


async def test_a_stranger_may_read_and_is_told_how_to_join(world: World) -> None:
    passer = stranger(world)

    page = await passer.opens(await link(world))

    assert page.status == 200
    assert await visitors(world) == [""]
    home = await passer.opens(f"{world.app.settings.public_url}/m/")
    assert "加一下群主的企业微信" in words(home)


async def test_what_a_stranger_read_is_theirs_once_they_are_a_member(world: World) -> None:
    passer, address = stranger(world), await link(world)
    await passer.opens(address)

    world.sim.acts.add_friend(passer.id, "linmo")
    await world.settle()
    world.sim.browsers._cookies.clear()  # the stranger's short session is over
    await passer.opens(address)

    assert await visitors(world) == [passer.id, passer.id]
    assert await world.app.db.read(lambda c: c.execute(guest_visit.select()).all()) == []


async def test_no_name_of_a_stranger_is_kept(world: World) -> None:
    passer = stranger(world)
    await passer.opens(await link(world))

    (row,) = await world.app.db.read(lambda c: c.execute(guest_visit.select()).all())

    assert world.sim.world.members[passer.id].openid not in str(tuple(row))
    assert passer.id not in str(tuple(row))
    assert await world.ask(lambda tx: tx.members.get(passer.id)) is None


async def test_two_strangers_stay_two(world: World) -> None:
    address, one, other = await link(world), stranger(world), stranger(world, "另一位")
    await one.opens(address)
    await other.opens(address)

    world.sim.acts.add_friend(one.id, "linmo")
    await world.settle()
    world.sim.browsers._cookies.clear()
    await one.opens(address)

    assert sorted(await visitors(world)) == ["", one.id, one.id]


async def test_what_nobody_claimed_within_a_month_is_forgotten(world: World) -> None:
    long_ago = world.clock.now() - timedelta(days=31)
    await world.change(lambda tx: GuestStore(tx.connection, long_ago).visit("guest", "visit:old"))

    tick = ClockTicked(at=world.clock.now(), id="day", name="day", slot=world.clock.now())
    await world.app.desk.tell(tick, lane="clock:day")
    await world.settle()

    assert await world.app.db.read(lambda c: c.execute(guest_visit.select()).all()) == []
