"""Why somebody got something, or nothing, as an operator reads it."""

from __future__ import annotations

from sop.why import Because
from storage.why import WhyStore
from tests.conversations.test_pause import PLAN
from tests.world import Person, World, july


async def test_a_delivered_message_tells_its_whole_way(world: World) -> None:
    await world.publishes(text=PLAN)
    lin = await world.befriends("小林")
    await world.leap_to(july(3, "19:29"))
    await world.turn(minutes=5)
    await world.confirms_all()

    because = await why(world, lin)

    assert "已送达" in because.line
    assert [mark.what[:2] for mark in because.trace][:1] == ["触发"]
    assert any("平台编号" in mark.what for mark in because.trace)


async def test_who_opted_out_is_explained(world: World) -> None:
    await world.publishes(text=PLAN)
    lin = await world.befriends("小林")
    await lin.says("退订")
    await world.leap_to(july(3, "19:29"))
    await world.turn(minutes=5)

    assert "退订" in (await why(world, lin)).line


async def test_the_page_of_a_message_says_it_too(world: World) -> None:
    await world.publishes(text=PLAN)
    lin = await world.befriends("小林")
    await world.leap_to(july(3, "19:29"))
    await world.turn(minutes=5)
    (entry,) = await lin.pushes()

    assert "等员工 linmo 点确认" in await world.console(f"/messages/{entry.id}")


async def why(world: World, member: Person) -> Because:
    return await world.ask(
        lambda tx: WhyStore(tx.connection, tx.now, "Asia/Shanghai").template(member.id, "plan")
    )


async def test_the_page_of_a_member_says_why_nothing_came(world: World) -> None:
    lin = await world.befriends("小林")
    await world.publishes(text=PLAN)

    assert "在适用人群里，但触发条件还没有发生" in await world.console(f"/members/{lin.id}")
