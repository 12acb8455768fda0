"""Why somebody got something, or nothing, as an operator reads it."""

from __future__ import annotations

from sop.why import Because
from storage.version import VersionStore
from storage.why import WhyStore
from tests.conversations.test_pause import PLAN
from tests.world import Person, World, july

NIGHTLY = PLAN.replace('19:30:00, window = "2h"', '22:00:00, window = "14h"').replace(
    "[[step]]", "[rules]\nquiet_hours = { from = 22:00:00, to = 08:00:00 }\n\n[[step]]", 1
)
BRANCHED = """
id = "plan"
name = "问候"

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "hello"
name = "问候"
when = { after = "1m" }
text = "在吗？"

  [[step.branch]]
  on = "replied"
  to = "thanks"

  [[step.branch]]
  on = "else"
  to = "end"

[[step]]
id = "thanks"
name = "谢谢"
when = { wait = "1h" }
text = "谢谢"
"""


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

    because = await why(world, lin)

    assert because.line.startswith("「三天计划」里的推广内容不再发：对方 7月2日 周四 19:0")
    assert because.trace[-1].what == "对方已退订，不再发送推送"


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


async def test_what_kept_a_message_back_is_told_long_after_it_was_sent(world: World) -> None:
    """Quiet hours first, then a pause, looked at every ten minutes: each is one line, with its moment."""
    await world.publishes(text=NIGHTLY)
    lin = await world.befriends("小林")
    await world.leap_to(july(3, "21:59"))
    await world.turn(minutes=3)
    await world.leap_to(july(4, "07:55"))
    await world.change(lambda tx: tx.pauses.pause("plan", "linmo"))
    await world.turn(hours=1)
    await world.change(lambda tx: tx.pauses.resume("plan"))
    await world.turn(minutes=5)
    await world.confirms_all()

    because = await why(world, lin)

    words = [mark.what for mark in because.trace]
    kept = [
        words.index(next(word for word in words if part in word)) for part in ("免打扰时段", "模板已暂停")
    ]
    assert kept == sorted(kept)
    assert len([word for word in words if "已暂停" in word]) == 1
    assert words.index("linmo 点了确认") > kept[1]
    assert all(mark.at is not None for mark in because.trace)


async def test_the_way_a_journey_took_is_told_with_what_decided(world: World) -> None:
    await world.publishes(text=BRANCHED)
    lin = await world.befriends("小林")
    await world.turn(minutes=5)
    await world.confirms_all()
    await lin.says("你好")
    zhou = await world.befriends("老周")
    await world.turn(minutes=5)
    await world.confirms_all()
    await world.leap(hours=25)

    did = [mark.what for mark in (await why(world, lin)).trace]
    did_nothing = [mark.what for mark in (await why(world, zhou)).trace]

    assert "「问候」之后已经回复，接着走「谢谢」" in did
    assert "「问候」之后1 天内没有动作，到此结束" in did_nothing


async def test_another_version_is_part_of_the_story(world: World) -> None:
    await world.publishes(text=PLAN)
    lin = await world.befriends("小林")
    await world.publishes(text=PLAN.replace("第二天", "第二天了"))
    await world.change(lambda tx: VersionStore(tx.connection, tx.now).migrate("plan", 2))

    assert "从第 1 版移到第 2 版，接着走「one」" in [mark.what for mark in (await why(world, lin)).trace]


# ---------------------------------------------------------------- asked by who got it


async def test_the_member_hears_what_they_did_that_brought_it(world: World) -> None:
    await world.publishes(text=PLAN)
    lin = await world.befriends("小林")
    await world.leap_to(july(3, "19:29"))
    await world.turn(minutes=5)
    await world.confirms_all()

    reply = await lin.says("为什么发给我")

    assert "发给你的「第一天……」来自「三天计划」的「one」，因为7月2日你加了我们好友。" in reply
    assert "回复「退订」就停" in reply


async def test_what_a_group_was_told_is_explained_to_who_sat_there_and_to_nobody_else(world: World) -> None:
    await world.publishes("weekly_light")
    await world.founds("新手答疑群")
    lin = await world.joins("小林", "新手答疑群")
    await world.leap_to(july(4, "19:29"))
    await world.turn(minutes=5)
    await world.confirms_all()
    zhou = await world.joins("老周", "新手答疑群")

    sat, late = await lin.says("为什么发给我"), await zhou.says("为什么发给我")

    assert "因为你在「新手答疑群」群里，这是每周一次的内容。" in sat
    assert "最近没有给你推送过内容" in late


async def test_an_employee_may_ask_the_app(world: World) -> None:
    assert "运营名单" in await world.staff_says("为什么发给我")


async def test_what_a_rule_refused_was_never_handed_to_the_platform(world: World) -> None:
    await world.publishes(text=PLAN.replace("[[step]]", "[rules]\nweekly_cap = 0\n\n[[step]]", 1))
    lin = await world.befriends("小林")
    await world.leap_to(july(3, "19:29"))
    await world.turn(minutes=5)

    because = await why(world, lin)

    assert because.line.endswith("没有发到：每周上限设为 0，一条也不发")
    assert [mark.what for mark in because.trace if "交给平台" in mark.what] == []
    assert because.trace[-1].at is not None
