"""Cards staff press, and moments staff publish: what happens afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.simulator.corp import APP
from bot.simulator.faults import Fault
from bot.simulator.world import Line, app_talk
from sop.interaction import AnswerOption
from sop.message import Channel, Choice, Content, Message, Option
from sop.receipt import State
from sop.update import MessageWithdrawn
from storage.alarm import open_alarms
from storage.interaction import Run
from storage.outbox import Entry
from tests.world import World

TEA = Choice("w02", "周末想喝什么？", (Option("A", "燕麦拿铁"), Option("B", "冷泡茶")))


async def asked(world: World) -> Line:
    """A question on a card, as it lies in the app's conversation with an employee."""
    now = world.clock.now()
    options = (AnswerOption("A", "燕麦拿铁"), AnswerOption("B", "冷泡茶"))
    run = Run(
        id="w02", item="w02", kind="poll", question=TEA.question, options=options,
        opened=now, closes=now + timedelta(days=1),
    )  # fmt: skip
    await world.change(lambda tx: tx.interactions.open(run))
    await world.change(
        lambda tx: tx.outbox.add(
            Message(
                key="ask", channel=Channel.APP, content=Content("每周一问", choice=TEA),
                to_staff="linmo", sender=APP, urgent=True, marketing=False,
            )
        )
    )  # fmt: skip
    (line,) = [line for line in world.sim.world.talks[app_talk(APP, "linmo")] if line.kind == "card"]
    return line


def vote(world: World, card: Line) -> None:
    world.sim.acts.press_card("linmo", card.data["card"]["task_id"], "submit", options={"choice": ["B"]})


async def test_a_press_changes_the_card(world: World) -> None:
    card = await asked(world)

    vote(world, card)
    await world.settle()

    assert card.data["replaced"] == "已提交"


async def test_a_press_changes_the_card_even_when_the_answer_is_lost(world: World) -> None:
    card = await asked(world)
    world.sim.faults.add(Fault(where="api", what="lose", match="message/update_template_card"))

    vote(world, card)
    await world.turn(minutes=5)

    assert card.data["replaced"] == "已提交"
    assert await world.ask(lambda tx: tx.errands.troubled()) == []


async def test_a_vote_on_a_card_is_an_answer(world: World) -> None:
    card = await asked(world)

    vote(world, card)
    await world.settle()

    assert await world.ask(lambda tx: tx.interactions.answer_of("w02", "linmo")) == "B"


# ---------------------------------------------------------------- taking back


async def told(world: World) -> Entry:
    """An app message that has reached an employee."""
    note = Message(
        key="note", channel=Channel.APP, content=Content("明早十点开会"),
        to_staff="linmo", sender=APP, urgent=True, marketing=False,
    )  # fmt: skip
    await world.change(lambda tx: tx.outbox.add(note))
    return await note_of(world)


async def note_of(world: World) -> Entry:
    entry = await world.ask(lambda tx: tx.outbox.by_key("note"))
    assert entry is not None
    return entry


async def withdraw(world: World, message: int) -> str:
    wanted = MessageWithdrawn(at=world.clock.now(), id=f"w{message}", message=message, by="运营小周")
    reply = await world.app.desk.ask(wanted)
    await world.settle()
    return reply.content.text if reply else ""


async def test_an_operator_takes_an_app_message_back(world: World) -> None:
    entry = await told(world)

    await withdraw(world, entry.id)

    (line,) = world.sim.world.talks[app_talk(APP, "linmo")]
    assert line.data["recalled"]
    after = await note_of(world)
    assert (after.state, after.reason) == (State.CANCELLED, "运营 运营小周 撤回了这条消息")


async def test_after_a_day_nothing_is_taken_back_and_the_operator_hears_why(world: World) -> None:
    entry = await told(world)
    await world.turn(hours=25)

    said = await withdraw(world, entry.id)

    assert "24 小时" in said
    assert (await note_of(world)).state is State.SENT


async def test_a_refusal_to_take_back_is_an_alarm(world: World) -> None:
    entry = await told(world)
    world.sim.world.sent.clear()

    await withdraw(world, entry.id)

    alarms = await world.app.db.read(open_alarms)
    assert any("没有撤回" in alarm.text for alarm in alarms)


# ---------------------------------------------------------------- moments


async def moment(world: World) -> str:
    await world.change(
        lambda tx: tx.outbox.add(
            Message(
                key="moment", channel=Channel.MOMENT, content=Content("新豆子到了"),
                to_staff="linmo", sender="linmo", urgent=True, marketing=False,
            )
        )
    )  # fmt: skip
    (job,) = world.sim.world.moments
    return job


async def state(world: World) -> State:
    entry = await world.ask(lambda tx: tx.outbox.by_key("moment"))
    assert entry is not None
    return entry.state


async def test_a_moment_is_said_only_once_its_sender_published_it(world: World) -> None:
    job = await moment(world)
    before = await state(world)
    world.sim.acts.publish("linmo", job)

    await world.turn(minutes=10)

    assert (before, await state(world)) == (State.CREATED, State.SENT)


async def test_likes_and_comments_are_activity_once_however_often_they_are_told(world: World) -> None:
    lin = await world.befriends("小林")
    job = await moment(world)
    world.sim.acts.publish("linmo", job)
    world.sim.acts.react(lin.id, "linmo", job)
    world.sim.acts.react(lin.id, "linmo", job, comment=True)

    await world.turn(minutes=10)
    await world.turn(minutes=30)

    kinds = [one.kind for one in await world.ask(lambda tx: tx.activity.of_member(lin.id))]
    assert (kinds.count("liked"), kinds.count("commented")) == (1, 1)


@pytest.mark.parametrize("fault", ["lose", "garble"])
async def test_a_moment_without_an_answer_waits_for_a_person(world: World, fault: str) -> None:
    world.sim.faults.add(Fault(where="api", what=fault, match="*/add_moment_task"))

    await moment(world)
    await world.turn(minutes=30)

    assert await state(world) == State.UNKNOWN
    assert len(world.sim.world.moments) == 1
