"""微信客服: what a member hears, who attends to them, and what is said about what did not arrive."""

from __future__ import annotations

from datetime import timedelta

from bot.simulator.corp import KF_ACCOUNT
from bot.simulator.faults import Fault
from bot.simulator.world import kf_talk
from sop.kf import Care
from sop.message import Channel, Content, Message
from sop.receipt import State
from storage import inbox
from storage.alarm import open_alarms
from storage.outbox import Entry
from storage.position import write_position
from tests.world import Person, World, july

OTHER = "wkQXdemoKF000000000000000002"


def shown(world: World, person: Person, account: str = KF_ACCOUNT) -> list[str]:
    """What the account said to this person."""
    lines = world.sim.world.talks[kf_talk(account, person.id)]
    return [
        f"{line.text}{line.data.get('menu', {}).get('head_content', '')}"
        for line in lines
        if line.speaker == account
    ]


async def push(world: World, person: Person, *keys: str, account: str = KF_ACCOUNT) -> list[Entry]:
    """Messages of ours, and what the ledger says of them afterwards."""
    messages = [
        Message(
            key=key, channel=Channel.KF, content=Content(f"第 {key} 条"), to_member=person.id, sender=account,
            urgent=True, marketing=False,
        )
        for key in keys
    ]  # fmt: skip
    await world.change(lambda tx: tx.outbox.add_all(messages))
    return [entry for entry in await person.messages() if entry.message.key in keys]


async def care(world: World, person: Person, account: str = KF_ACCOUNT) -> Care | None:
    session = await world.ask(lambda tx: tx.kf.session(person.id, account))
    return session.care if session else None


async def write(world: World, name: str, value: str) -> None:
    """Pretend that this is how far we have read."""
    await world.change(lambda tx: write_position(tx.connection, name, value))


async def tick(world: World) -> None:
    """The slow look at every account, a slot later."""
    await world.turn(minutes=10)


# ---------------------------------------------------------------- coming in, and menus


async def test_who_comes_in_is_greeted_once(world: World) -> None:
    lin = await world.befriends("小林")
    for _ in range(2):
        world.sim.acts.enter_kf(lin.id, KF_ACCOUNT, scene="poster", param="sp1")
        await world.settle()

    (greeting,) = shown(world, lin)
    assert "群星小助手" in greeting
    (entry, *_) = await lin.messages()
    assert entry.sent_at is not None
    assert entry.sent_at - entry.created_at < timedelta(seconds=20)


async def test_a_stranger_who_comes_in_is_known_by_name_and_entry(world: World) -> None:
    stranger = world.sim.acts.meet("阿远")

    world.sim.acts.enter_kf(stranger.id, KF_ACCOUNT, scene="poster", param="sp1")
    await world.settle()

    known = await Person(world, stranger.id, "阿远").known()
    assert (known.name, known.source) == ("阿远", "sp1")


async def test_a_tap_on_a_menu_answers_the_question_it_stood_under(world: World) -> None:
    await world.publishes("weekly_light")
    await world.founds("新手答疑群")
    lin = await world.joins("小林", "新手答疑群")
    await world.leap(days=2, minutes=35)
    await lin.says("今日任务")
    menu = world.sim.world.talks[kf_talk(KF_ACCOUNT, lin.id)][-1].data["menu"]["list"]
    second = menu[1]["click"]

    world.sim.acts.speak_kf(lin.id, KF_ACCOUNT, "就它吧", menu=second["id"])
    await world.settle()

    assert second["content"] in shown(world, lin)[-1]
    deeds = await world.ask(lambda tx: tx.activity.of_member(lin.id))
    (answer,) = [deed for deed in deeds if deed.kind == "answered"]
    assert answer.ref == second["id"]


# ---------------------------------------------------------------- to a person and back


async def test_who_asks_for_a_person_is_queued_and_we_keep_quiet_until_it_is_over(world: World) -> None:
    lin = await world.befriends("小林")
    world.sim.acts.kf.serve("suhe", KF_ACCOUNT)
    queued = await lin.says("转人工")
    waiting = await lin.says("签到")
    world.sim.acts.kf.take("suhe", lin.id, KF_ACCOUNT)
    world.sim.acts.kf.write("suhe", lin.id, KF_ACCOUNT, "你好，我是苏禾")
    await world.settle()
    attended = await lin.says("签到")

    world.sim.acts.kf.end("suhe", lin.id, KF_ACCOUNT)
    await world.settle()

    assert "叫同事" in queued
    assert (waiting, attended) == ("", "")
    assert "我回来啦" in shown(world, lin)[-1]
    assert "打卡" in await lin.says("签到")


async def test_who_is_with_a_person_can_ask_us_back(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("人工")
    world.sim.acts.kf.write("suhe", lin.id, KF_ACCOUNT, "在的")
    await world.settle()

    reply = await lin.says("小助手")

    assert "我回来啦" in reply
    assert await care(world, lin) is Care.ENDED
    assert "打卡" in await lin.says("签到")
    assert await care(world, lin) is Care.NEW


async def test_an_opt_out_counts_while_a_person_attends(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("人工")

    await lin.says("退订")

    assert await world.ask(lambda tx: tx.consent.refused([lin.id])) == {lin.id}


async def test_while_a_person_attends_nothing_is_given_that_nobody_could_tell(world: World) -> None:
    await world.coupons("coffee", 3, name="咖啡券")
    lin = await world.befriends("小林")
    await lin.says("人工")
    before = len(await lin.messages())

    await lin.says("领券")

    assert await world.ask(lambda tx: tx.coupons.held_by(lin.id)) == []
    assert len(await lin.messages()) == before


async def test_a_way_the_platform_does_not_know_is_explained(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("你好")
    world.sim.faults.add(Fault(where="api", what="refuse", match="kf/service_state/trans", code=95016))

    reply = await lin.says("人工")

    assert "现在转不到同事" in reply
    assert await care(world, lin) is Care.NEW


async def test_what_people_did_unseen_is_found_out_when_the_platform_refuses(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("你好")
    world.sim.world.accounts[KF_ACCOUNT].sessions[lin.id].state = 3

    (entry,) = await push(world, lin, "a")

    assert (entry.state, await care(world, lin)) == (State.REFUSED, Care.PERSON)
    assert await lin.says("签到") == ""


async def test_a_session_long_in_people_s_hands_is_asked_for_anew(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("人工")
    await world.turn(minutes=30)
    world.sim.world.accounts[KF_ACCOUNT].sessions[lin.id].state = 0

    first, second = await lin.says("签到"), await lin.says("签到")

    assert first == ""
    assert "打卡" in second


async def alarms(world: World) -> list[str]:
    return [alarm.text for alarm in await world.app.db.read(open_alarms)]


async def attended(world: World) -> Person:
    """A member in the middle of a conversation with Su He."""
    lin = await world.befriends("小林")
    world.sim.acts.kf.serve("suhe", KF_ACCOUNT)
    await lin.says("人工")
    world.sim.acts.kf.take("suhe", lin.id, KF_ACCOUNT)
    await world.settle()
    return lin


async def test_who_stops_attending_in_the_middle_is_told_operators_until_they_are_back(world: World) -> None:
    await attended(world)

    world.sim.acts.kf.serve("suhe", KF_ACCOUNT, on_duty=False)
    await world.settle()
    told = await alarms(world)
    world.sim.acts.kf.serve("suhe", KF_ACCOUNT)
    await world.settle()

    assert any("suhe" in text and "1 位成员" in text for text in told)
    assert await alarms(world) == []


async def test_who_stops_attending_with_nobody_left_is_no_news(world: World) -> None:
    lin = await attended(world)
    world.sim.acts.kf.end("suhe", lin.id, KF_ACCOUNT)

    world.sim.acts.kf.serve("suhe", KF_ACCOUNT, on_duty=False)
    await world.settle()

    assert await alarms(world) == []


async def test_who_is_barred_by_a_colleague_is_told_operators_until_it_is_over(world: World) -> None:
    lin = await attended(world)

    world.sim.acts.kf.bar("suhe", lin.id, KF_ACCOUNT)
    await world.settle()
    told = await alarms(world)
    world.sim.acts.kf.bar("suhe", lin.id, KF_ACCOUNT, barred=False)
    await world.settle()

    assert any("拒收了 小林 的消息" in text for text in told)
    assert await alarms(world) == []


# ---------------------------------------------------------------- what may be said


async def test_the_sixth_message_is_kept_back_with_its_reason_until_they_write_again(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("你好")  # the reply is the first
    entries = await push(world, lin, "b", "c", "d", "e", "f")
    calls = len(world.sim.journal.of("call", api="kf/send_msg"))

    await lin.says("你好")
    again = await push(world, lin, "g")

    assert [entry.state for entry in entries] == [State.SENT] * 4 + [State.REFUSED]
    assert "已连发 5 条" in entries[-1].reason
    assert calls == 5
    assert again[0].state is State.SENT


async def test_after_two_days_nothing_is_said_and_the_reason_is_kept(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("你好")
    await world.leap(hours=48)
    calls = len(world.sim.journal.of("call", api="kf/send_msg"))

    (entry,) = await push(world, lin, "late")

    assert (entry.state, entry.reason) == (State.REFUSED, "客服 48 小时窗口已过，要等对方再来信")
    assert len(world.sim.journal.of("call", api="kf/send_msg")) == calls


async def test_accepted_is_not_delivered(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("你好")
    world.sim.world.kf_failures = [10]

    (entry,) = await push(world, lin, "a")
    await world.settle()
    (entry,) = [one for one in await lin.messages() if one.id == entry.id]

    assert (entry.state, entry.reason) == (State.REFUSED, "微信客服没有送达：对方拒收")


async def test_after_what_did_not_arrive_we_ask_who_attends_now(world: World) -> None:
    lin = await world.befriends("小林")
    world.sim.world.kf_failures = [5]

    await lin.says("签到")

    asked = world.sim.journal.of("call", api="kf/service_state/get")
    assert len(asked) == 1


async def test_each_account_answers_for_itself(world: World) -> None:
    lin = await world.befriends("小林")
    world.sim.acts.kf.open_account(OTHER, "第二个客服")
    world.sim.acts.trust(OTHER)
    await lin.says("你好")

    world.sim.acts.speak_kf(lin.id, OTHER, "签到")
    await world.settle()

    assert "打卡" in shown(world, lin, OTHER)[-1]
    assert len(shown(world, lin)) == 1
    assert await world.ask(lambda tx: tx.kf.account_of(lin.id)) == OTHER


# ---------------------------------------------------------------- the stream


async def test_what_a_lost_bell_did_not_tell_is_heard_all_the_same(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("你好")
    world.sim.faults.add(Fault(where="callback", what="drop", match="kf"))
    unheard = await lin.says("签到")

    await tick(world)

    assert unheard == ""
    assert "打卡" in shown(world, lin)[-1]


async def test_an_account_no_bell_told_of_is_found(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("你好")
    world.sim.acts.kf.open_account(OTHER, "第二个客服")
    world.sim.faults.add(Fault(where="callback", what="drop", match="kf"))
    world.sim.acts.speak_kf(lin.id, OTHER, "签到")

    await world.turn(hours=1, minutes=10)

    assert "打卡" in shown(world, lin, OTHER)[-1]


async def test_an_empty_page_that_promises_more_is_turned(world: World) -> None:
    lin = await world.befriends("小林")
    world.sim.world.kf_empty_pages = 3

    assert "打卡" in await lin.says("签到")


async def test_pages_that_stay_empty_are_left_for_later(world: World) -> None:
    lin = await world.befriends("小林")
    world.sim.world.kf_empty_pages = 12

    await lin.says("签到")

    pages = world.sim.journal.of("call", api="kf/sync_msg")
    assert len(pages) >= 13
    assert "打卡" in shown(world, lin)[-1]


async def test_a_cursor_that_is_lost_tells_nothing_twice(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("签到")
    before = shown(world, lin)
    await write(world, "kf:" + KF_ACCOUNT, "LOST")

    await tick(world)

    assert shown(world, lin) == before
    deeds = await world.ask(lambda tx: tx.activity.of_member(lin.id))
    assert len([deed for deed in deeds if deed.kind == "asked"]) == 1


async def test_a_garbled_item_is_parked_and_the_next_ones_go_on(world: World) -> None:
    lin = await world.befriends("小林")
    world.sim.acts.kf.garble(KF_ACCOUNT, {"msgid": "odd", "send_time": "soon", "msgtype": "text"})

    reply = await lin.says("签到")

    (parked,) = await world.app.db.read(inbox.parked)
    assert "打卡" in reply
    assert (parked.door, b"odd" in parked.body) == ("kf/item", True)
    assert "ValueError" in parked.error


async def test_who_has_not_listened_for_three_days_says_that_some_is_gone(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("你好")
    four_days_ago = (world.clock.now() - timedelta(days=4)).isoformat()
    await write(world, "heard:kf:" + KF_ACCOUNT, four_days_ago)

    await lin.says("签到")

    (alarm,) = await world.app.db.read(open_alarms)
    assert "4 天没有读到" in alarm.text


async def test_the_bell_s_token_is_used_while_it_lives_and_not_after(world: World) -> None:
    lin = await world.befriends("小林")
    await lin.says("你好")
    await tick(world)

    asked = [call["request"] for call in world.sim.journal.of("call", api="kf/sync_msg")]
    assert '"token"' in asked[0]
    assert '"token"' not in asked[-1]


# ---------------------------------------------------------------- one person, two ids


async def test_a_friend_whom_kf_knows_by_another_id_is_the_same_member(world: World) -> None:
    lin = await world.befriends("小林")
    other = world.sim.acts.meet("小林")
    other.unionid = world.sim.world.members[lin.id].unionid
    visitor = Person(world, other.id, "小林")
    await visitor.says("你好")

    reply = await visitor.says("签到")
    await visitor.says("人工")

    assert "打卡" in reply
    assert len(await world.ask(lambda tx: tx.activity.of_member(lin.id))) >= 2
    checked = await world.ask(lambda tx: tx.interactions.days(lin.id, july(2).date()))
    assert checked
    assert await care(world, lin) is Care.QUEUED


async def test_a_description_without_friendships_ends_none(world: World) -> None:
    lin = await world.befriends("小林")
    await world.change(lambda tx: tx.members.describe(lin.id, name=""))

    await lin.says("你好")

    assert (await lin.known()).name == "小林"
    assert [bond.staff for bond in await world.ask(lambda tx: tx.members.friends(lin.id))] == ["linmo"]
