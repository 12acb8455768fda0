"""One Saturday on four channels at once: a 客户群, an internal group with the bot and a webhook, 微信客服 and the archive.

The day is lived once; every story below looks back at it. 小林 takes part in the group, 老周 never agreed to be archived and writes
to 微信客服 instead, 阿远 only looks for a person to talk to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.simulator.corp import KF_ACCOUNT
from bot.simulator.faults import Fault
from bot.simulator.world import internal_talk, kf_talk, webhook_talk
from sop.activity import Activity
from sop.message import Channel, Content, Message
from sop.receipt import State
from storage import inbox
from storage.outbox import Entry
from tests.world import Person, World, july, world_at

pytestmark = pytest.mark.timeout(300)

GROUP = "新手答疑群"


@dataclass
class Day:
    """What is left of it on Sunday evening."""

    replies: dict[str, str] = field(default_factory=dict)  # what was answered, by the moment of the day
    group: list[str] = field(default_factory=list)
    team: list[str] = field(default_factory=list)
    hook: list[str] = field(default_factory=list)
    kf: dict[str, list[str]] = field(default_factory=dict)
    deeds: dict[str, list[Activity]] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    entries: Sequence[Entry] = ()
    inbox: dict[str, int] = field(default_factory=dict)
    bodies: bytes = b""
    callbacks: set[str] = field(default_factory=set)  # doors that were knocked at


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return asyncio.run(live(tmp_path_factory.mktemp("day")))


async def live(folder: Path) -> Day:
    async with world_at(july(4, "18:30"), folder, aibot="webhook", archive_door=True) as world:
        day = Day()
        lin, zhou, yuan = await people(world)
        team = world.sim.bots.found("社群运营组", "linmo", "suhe")
        world.sim.bots.invite(team, "helper")
        await before_the_question(world, day, lin, zhou, team)
        await world.turn_to(july(4, "19:33"))
        await the_question(world, day, lin, zhou, team)
        await a_person_is_wanted(world, day, yuan, lin)
        await trouble(world, day, lin)
        await world.leap_to(july(5, "19:50"))
        await world.confirms_all()
        await look_back(world, day, {"lin": lin, "zhou": zhou, "yuan": yuan}, team)
        return day


async def people(world: World) -> tuple[Person, Person, Person]:
    await world.publishes("weekly_light")
    await world.founds(GROUP)
    lin, zhou = await world.joins("小林", GROUP), await world.joins("老周", GROUP)
    world.sim.world.members[zhou.id].archived = False
    world.sim.world.rules.archive_everyone = True  # a platform that hands out too much
    return lin, zhou, await world.befriends("阿远")


async def before_the_question(world: World, day: Day, lin: Person, zhou: Person, team: str) -> None:
    """Everybody talks at once, each where they are."""
    world.sim.acts.speak(world.groups[GROUP], lin.id, "签到")
    world.sim.acts.speak(world.groups[GROUP], zhou.id, "我的悄悄话")
    world.sim.acts.speak_kf(zhou.id, KF_ACCOUNT, "签到")
    day.replies["team, idle"] = await world.bot_hears("@群星 待办", group=team)
    await world.change(lambda tx: tx.outbox.add(report(team)))


def report(team: str) -> Message:
    return Message(
        key="report", channel=Channel.WEBHOOK, content=Content("今晚 19:30 有小调研"), to_group=team,
        sender="ops", marketing=False,
    )  # fmt: skip


async def the_question(world: World, day: Day, lin: Person, zhou: Person, team: str) -> None:
    """The owner is asked in the team's group, confirms, and two members answer on two ways."""
    day.replies["team, asked"] = await world.bot_hears("@群星 待办", group=team)
    await world.confirms_all()
    await zhou.says("今日任务")
    menu = world.sim.world.talks[kf_talk(KF_ACCOUNT, zhou.id)][-1].data["menu"]["list"]
    await lin.speaks(GROUP, "A")
    day.replies["zhou, tapped"] = await zhou.says(menu[0]["click"]["content"], menu=menu[0]["click"]["id"])


async def a_person_is_wanted(world: World, day: Day, yuan: Person, lin: Person) -> None:
    """阿远 talks with 苏禾 while 小林 goes on talking with the bot."""
    await yuan.says("人工")
    world.sim.acts.kf.take("suhe", yuan.id, KF_ACCOUNT)
    world.sim.acts.kf.write("suhe", yuan.id, KF_ACCOUNT, "在呢，你说")
    await world.settle()
    day.replies["yuan, attended"], day.replies["lin, meanwhile"] = await world.all_say("签到", yuan, lin)
    world.sim.acts.kf.end("suhe", yuan.id, KF_ACCOUNT)
    await world.settle()
    day.replies["yuan, after"] = await yuan.says("签到")


async def trouble(world: World, day: Day, lin: Person) -> None:
    """One bell is lost, one record and one item are garbled; the rest goes on."""
    world.sim.faults.add(Fault(where="callback", what="drop", match="kf"))
    day.replies["lin, unheard"] = await lin.says("今日任务")
    world.sim.acts.archive.garble({"action": "send", "msgid": "odd", "from": lin.id, "msgtype": "text"})
    world.sim.acts.kf.garble(KF_ACCOUNT, {"msgid": "odd", "msgtype": "text"})
    world.sim.acts.archive.quote(world.groups[GROUP], lin.id, ("小林", "签到"), "再说一遍")
    await world.turn(minutes=11)


async def look_back(world: World, day: Day, people: dict[str, Person], team: str) -> None:
    talks = world.sim.world.talks
    day.group = world.group_heard(GROUP)
    day.team = [line.text for line in talks[internal_talk(team)]]
    day.hook = [line.text for line in talks[webhook_talk("ops")]]
    for name, person in people.items():
        day.kf[name] = [
            line.text for line in talks[kf_talk(KF_ACCOUNT, person.id)] if line.speaker == KF_ACCOUNT
        ]
        day.deeds[name] = (await world.ask(lambda tx, who=person.id: tx.activity.of_member(who)))[::-1]  # type: ignore[misc]
    run = next(deed.ref for deed in day.deeds["lin"] if deed.kind == "answered").rpartition(":")[0]
    day.answers = await world.ask(lambda tx: dict(tx.interactions.counts(run)))
    day.entries = await world.ask(lambda tx: tx.outbox.recent(limit=200))
    day.inbox = await world.app.db.read(inbox.counts)
    bodies = "select body from inbox"
    day.bodies = b"".join(await world.ask(lambda tx: tx.connection.exec_driver_sql(bodies).scalars().all()))
    day.callbacks = {entry["door"] for entry in world.sim.journal.of("callback", outcome="acked")}


# ---------------------------------------------------------------- the stories


def test_every_door_was_knocked_at(day: Day) -> None:
    assert day.callbacks >= {"contact", "kf", "archive", "aibot/helper"}


def test_both_check_in_each_where_they_are(day: Day) -> None:
    where = {
        name: [deed.group != "" for deed in day.deeds[name] if deed.kind == "checked_in"]
        for name in ("lin", "zhou")
    }

    assert where["lin"][0] is True
    assert where["zhou"] == [False]
    assert any("打卡" in said for said in day.kf["zhou"])


def test_who_did_not_agree_is_heard_in_kf_and_nowhere_else(day: Day) -> None:
    assert not [deed for deed in day.deeds["zhou"] if deed.level == "archive"]
    assert "我的悄悄话".encode() not in day.bodies


def test_the_team_s_group_hears_from_bot_and_webhook(day: Day) -> None:
    assert "没有等你确认的群发" in day.replies["team, idle"]
    assert "有 1 条群发等你" in day.replies["team, asked"]
    assert day.hook == ["今晚 19:30 有小调研"]


def test_the_question_goes_out_and_its_result_comes_back_with_both_answers(day: Day) -> None:
    (question,) = [said for said in day.group if "周末一问" in said]

    assert day.answers == {"A": 2}
    assert day.group.index(question) < len(day.group) - 1
    assert "一共 2 位伙伴作答" in day.group[-1]


def test_a_tap_is_thanked_for(day: Day) -> None:
    assert "收到，你选了" in day.replies["zhou, tapped"]


def test_while_a_person_attends_to_one_the_bot_answers_another(day: Day) -> None:
    assert day.replies["yuan, attended"] == ""
    assert "打卡" in day.replies["lin, meanwhile"]
    assert any("我回来啦" in said for said in day.kf["yuan"])
    assert "打卡" in day.replies["yuan, after"]


def test_a_lost_bell_is_made_up_for(day: Day) -> None:
    assert day.replies["lin, unheard"] == ""
    assert "等你回答的题目" in day.kf["lin"][-1]


def test_what_was_garbled_is_parked_and_stopped_nothing(day: Day) -> None:
    assert (day.inbox["parked"], day.inbox["waiting"]) == (2, 0)


def test_a_quotation_names_what_it_answers(day: Day) -> None:
    said = [deed for deed in day.deeds["lin"] if deed.kind == "spoke"]

    assert said[-1].ref == said[0].key


def test_every_message_has_an_end_and_none_is_doubtful(day: Day) -> None:
    states = {entry.state for entry in day.entries}

    assert states <= {State.SENT, State.CREATED, State.CONFIRMED}
    assert {entry.message.channel for entry in day.entries} >= {
        Channel.GROUP_SEND, Channel.KF, Channel.WEBHOOK, Channel.AIBOT,
    }  # fmt: skip
