"""每周轻互动: a joke and a small question on Saturday evening, answered in three ways, counted once, told back on Sunday."""

from __future__ import annotations

from datetime import timedelta

from bot.simulator.world import SendRow
from sop.receipt import State
from storage.interaction import Run
from tests.world import LIBRARY, Person, World, july

BEGINNERS, ADVANCED = "新手答疑群", "进阶交流群"


async def test_on_saturday_evening_each_group_s_owner_is_asked_to_confirm_its_own_send(world: World) -> None:
    await two_groups(world)

    await saturday(world)

    assert [row.recipient for row in waiting_rows(world, "linmo")] == [world.groups[BEGINNERS]]
    assert [row.recipient for row in waiting_rows(world, "suhe")] == [world.groups[ADVANCED]]


async def test_no_group_reads_anything_before_its_owner_confirms(world: World) -> None:
    await two_groups(world)
    await saturday(world)

    await world.confirms_all("linmo")

    assert "周末一问" in world.group_heard(BEGINNERS)[0]
    assert world.group_heard(ADVANCED) == []
    assert await states(world) == {BEGINNERS: State.SENT, ADVANCED: State.CREATED}


async def test_an_answer_on_the_page_becomes_a_tag(world: World) -> None:
    (lin,) = await asked(world, "小林")

    done = await lin.sends(world.link_in(BEGINNERS), option="A")

    assert "收到，你选了" in done.html
    assert await lin.tags() == {await tag_of(world, "A")}


async def test_a_letter_said_to_微信客服_is_an_answer(world: World) -> None:
    (lin,) = await asked(world, "小林")

    reply = await lin.says("a")

    assert "收到，你选了" in reply
    assert await counted(world) == {"A": 1}
    assert await lin.tags() == {await tag_of(world, "A")}


async def test_a_letter_spoken_in_the_group_is_an_answer_without_a_reply(world: World) -> None:
    (lin,) = await asked(world, "小林")

    await lin.speaks(BEGINNERS, "A")
    await world.turn(minutes=10)

    assert await counted(world) == {"A": 1}
    assert world.group_heard(BEGINNERS)[-1] == "A"


async def test_talk_in_the_group_is_no_answer(world: World) -> None:
    (lin,) = await asked(world, "小林")

    await lin.speaks(BEGINNERS, "a 这个选项是不是去年也出现过，我记得大家当时笑了很久")
    await world.turn(minutes=10)

    assert await counted(world) == {}


async def test_who_answers_three_ways_is_counted_once_and_the_last_word_counts(world: World) -> None:
    (lin,) = await asked(world, "小林")

    await lin.sends(world.link_in(BEGINNERS), option="B")
    await lin.speaks(BEGINNERS, "B")
    await world.turn(minutes=10)
    await lin.says("A")

    assert await counted(world) == {"A": 1}
    assert await lin.tags() == {await tag_of(world, "A")}


async def test_the_result_is_posted_back_a_day_later_once_the_owner_confirms(world: World) -> None:
    lin, zhou, ali = await asked(world, "小林", "老周", "阿璃")
    await lin.says("A")
    await zhou.says("A")
    await ali.says("B")

    await world.leap_to(july(5, "19:45"))
    before = len(world.group_heard(BEGINNERS))
    await world.confirms_all()

    assert before == 2  # the post and its card
    result = world.group_heard(BEGINNERS)[-1]
    assert "一共 3 位伙伴作答" in result
    assert "2 票（67%）" in result


async def test_a_late_answer_is_told_kindly_and_changes_nothing(world: World) -> None:
    (lin,) = await asked(world, "小林")
    link = world.link_in(BEGINNERS)

    await world.leap_to(july(5, "19:40"))
    page = await lin.opens(link)
    await lin.says("A")

    assert page.forms == []
    assert "结束" in page.html
    assert await counted(world) == {}
    assert await lin.tags() == frozenset()


async def test_what_was_said_in_time_counts_though_the_archive_is_read_after_the_end(world: World) -> None:
    (lin,) = await asked(world, "小林", time="19:35:00")

    await world.leap_to(july(5, "19:34"))
    await lin.speaks(BEGINNERS, "A")
    await world.turn(minutes=15)
    await world.confirms_all()

    assert "一共 1 位伙伴作答" in world.group_heard(BEGINNERS)[-1]


async def test_what_was_said_before_the_question_is_no_answer_though_read_after_it(world: World) -> None:
    await world.publishes(text=weekly_light(time="19:35:00"))
    await world.founds(BEGINNERS)
    lin = await world.joins("小林", BEGINNERS)

    await world.leap_to(july(4, "19:33"))
    await lin.speaks(BEGINNERS, "A")
    await world.turn(minutes=10)

    assert await counted(world) == {}


async def test_no_answer_at_all_is_told_too(world: World) -> None:
    await asked(world, "小林")

    await world.leap_to(july(5, "19:45"))
    await world.confirms_all()

    assert "还没有人作答" in world.group_heard(BEGINNERS)[-1]


async def test_one_group_s_answers_are_not_the_other_s(world: World) -> None:
    await two_groups(world)
    lin, su = await world.joins("小林", BEGINNERS), await world.joins("苏苏", ADVANCED, staff="suhe")
    await saturday(world)

    await lin.says("A")
    await su.says("B")

    assert await counted(world, BEGINNERS) == {"A": 1}
    assert await counted(world, ADVANCED) == {"B": 1}


async def test_who_sits_in_no_group_has_nothing_to_answer(world: World) -> None:
    await asked(world, "小林")
    stranger = await world.befriends("路过")

    reply = await stranger.says("A")

    assert "收到，你选了" not in reply
    assert await counted(world) == {}


async def test_a_group_reads_no_item_twice_within_eight_weeks_and_rather_nothing(world: World) -> None:
    await world.publishes(text=weekly_light(items=2))
    await world.founds(BEGINNERS)

    for week in range(3):
        await world.leap_to(july(4, "19:29") + timedelta(weeks=week))
        await world.turn(minutes=2)

    assert sorted(await items_read(world, BEGINNERS)) == ["first_coffee", "unread_books"]
    assert await world.missed() == ["题库里没有这个群近期没做过的题目"]


async def test_after_eight_weeks_an_item_may_come_again(world: World) -> None:
    await world.publishes(text=weekly_light(items=1))
    await world.founds(BEGINNERS)

    for week in (0, 7, 8):
        await world.leap_to(july(4, "19:29") + timedelta(weeks=week))
        await world.turn(minutes=2)

    assert await items_read(world, BEGINNERS) == ["first_coffee", "first_coffee"]


# ---------------------------------------------------------------- the evening


async def two_groups(world: World) -> None:
    await world.publishes("weekly_light")
    await world.founds(BEGINNERS, "linmo")
    await world.founds(ADVANCED, "suhe")


async def saturday(world: World, time: str = "19:30:00") -> None:
    """It becomes Saturday, half past seven in the evening, and a few minutes more."""
    await world.leap_to(july(4, time) - timedelta(minutes=1))
    await world.turn(minutes=5)


def weekly_light(*, time: str = "19:30:00", items: int = 16) -> str:
    """The template of the library, at another time of Saturday or with fewer items in its pool."""
    text = (LIBRARY / "weekly_light.toml").read_text("utf-8").replace("time = 19:30:00", f"time = {time}")
    return "\n[[item]]\n".join(text.split("\n[[item]]\n")[: items + 1])


async def asked(world: World, *names: str, time: str = "19:30:00") -> list[Person]:
    """A group whose owner has confirmed the send on Saturday evening; its members."""
    await world.publishes(text=weekly_light(time=time))
    await world.founds(BEGINNERS)
    members = [await world.joins(name, BEGINNERS) for name in names]
    await saturday(world, time)
    await world.confirms_all()
    return members


def waiting_rows(world: World, staff: str) -> list[SendRow]:
    return [row for task in world.waiting_for(staff) for row in task.rows[staff]]


async def states(world: World) -> dict[str, State]:
    """How far each group's message is."""
    entries = await world.ask(lambda tx: tx.outbox.recent())
    names = {chat: name for name, chat in world.groups.items()}
    return {names[entry.message.to_group]: entry.state for entry in entries}


async def run(world: World, group: str = BEGINNERS) -> Run:
    """What was asked of a group this Saturday."""
    found = await world.ask(
        lambda tx: tx.interactions.get(f"weekly_light.play.{world.groups[group]}.2026-07-04")
    )
    assert found is not None
    return found


async def counted(world: World, group: str = BEGINNERS) -> dict[str, int]:
    asked = await run(world, group)
    return await world.ask(lambda tx: tx.interactions.counts(asked.id))


async def tag_of(world: World, option: str) -> str:
    return next(one.tag for one in (await run(world)).options if one.id == option)


async def items_read(world: World, group: str) -> list[str]:
    """What a group has been asked so far."""
    posted = await world.ask(lambda tx: tx.interactions.history(world.groups[group]))
    return [one.item for one in posted]
