"""What a new friend hears, and what the bot remembers of them."""

from __future__ import annotations

from datetime import timedelta

from bot.simulator.faults import Fault
from tests.world import World


async def test_a_new_friend_is_welcomed_while_the_welcome_code_lives(world: World) -> None:
    await world.publishes("welcome")

    lin = await world.befriends("小林")

    assert "很高兴认识你" in lin.heard_from("linmo")[0]
    (welcome,) = await lin.messages()
    assert welcome.sent_at is not None
    assert welcome.sent_at - welcome.created_at < timedelta(seconds=20)


async def test_a_new_friend_is_tagged_by_where_they_came_from(world: World) -> None:
    lin = await world.befriends("小林", source="poster_0103")

    known = await lin.known()

    assert known.source == "poster_0103"
    assert "来自:poster_0103" in known.tags
    assert known.name == "小林"


async def test_a_friend_from_the_poster_hears_the_poster_s_welcome(world: World) -> None:
    await world.publishes("welcome")

    lin = await world.befriends("小林", source="poster_0103")

    assert "那张海报" in lin.heard_from("linmo")[0]


async def test_a_new_friend_begins_the_seven_day_plan(world: World) -> None:
    await world.publishes("seven_day_growth")

    lin = await world.befriends("小林")

    journeys = await world.ask(lambda tx: tx.journeys.of(lin.id))
    assert [journey.template for journey in journeys] == ["seven_day_growth"]


async def test_who_deletes_the_last_staff_friend_leaves_their_journeys(world: World) -> None:
    await world.publishes("seven_day_growth")
    lin = await world.befriends("小林")

    await lin.deletes("linmo")

    (journey,) = await world.ask(lambda tx: tx.journeys.of(lin.id))
    assert (journey.state, journey.reason) == ("exited", "已退群或不再是好友")


async def test_the_half_friend_is_welcomed_and_only_the_whole_one_begins_the_plan(world: World) -> None:
    await world.publishes("welcome", "seven_day_growth")

    lin = await world.befriends("小林", half=True)

    assert "很高兴认识你" in lin.heard_from("linmo")[0]
    journeys = await world.ask(lambda tx: tx.journeys.of(lin.id))
    assert [journey.template for journey in journeys] == ["welcome"]


async def test_who_asks_why_right_after_the_welcome_hears_about_the_welcome(world: World) -> None:
    await world.publishes("welcome")
    lin = await world.befriends("小林")

    reply = await lin.says("为什么发给我")

    assert "欢迎新朋友" in reply


async def test_a_welcome_that_would_come_too_late_is_listed_and_not_tried(world: World) -> None:
    await world.publishes("welcome")
    world.sim.faults.add(Fault(where="callback", what="delay", match="contact", seconds=30))

    lin = await world.befriends("小林")
    await world.turn(minutes=1)

    assert lin.heard_from("linmo") == []
    assert world.sim.world.journal.of("call", api="externalcontact/send_welcome_msg") == []
    assert "错过了发送窗口" in (await world.missed())[0]


async def test_a_staff_member_with_a_welcome_of_their_own_is_not_talked_over(world: World) -> None:
    await world.publishes("welcome")
    world.sim.world.staff["linmo"].console_welcome = True

    lin = await world.befriends("小林")

    assert lin.heard_from("linmo") == []
    assert await world.missed() == ["没有欢迎码：客户端已设置欢迎语，或已经聊过"]


async def test_the_welcome_s_question_is_answered_on_its_page(world: World) -> None:
    await world.publishes("welcome")
    lin = await world.befriends("小林")

    await lin.sends(lin.link(), option="C")

    assert await lin.tags() == {"创业人群"}


async def test_who_comes_back_after_deleting_us_is_welcomed_again(world: World) -> None:
    await world.publishes("welcome")
    lin = await world.befriends("小林")
    await lin.deletes("linmo")

    world.sim.acts.add_friend(lin.id, "suhe")
    await world.settle()

    assert "很高兴认识你" in lin.heard_from("suhe")[0]
