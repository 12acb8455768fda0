"""What a 智能机器人 says leaves on either transport as the platform wants it, once, and ends as it truly ended."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.chance import SeededChance
from bot.cipher import open_file
from bot.simulator.faults import Fault
from bot.wecom.aibot_socket import Line, Lost, TakenOver
from sop.card import Action, Button, Buttons, Notice, Opening, Picker, Questionnaire
from sop.errors import Blocked, Busy, Refused, Unanswered
from sop.message import Channel, Choice, Content, Link, Markup, Option
from tests.contracts.robots import Bench, bench_of, connected, held, parcel, restarted

CHOICE = Choice("run:1", "周末想喝什么?", (Option("latte", "燕麦拿铁"), Option("tea", "冷泡茶")))
ALONE = "aibot/helper/linmo"


@pytest.fixture
async def called(tmp_path: Path) -> AsyncIterator[Bench]:
    """A bot that is called back."""
    async with bench_of("webhook", tmp_path) as bench:
        yield bench


@pytest.fixture
async def lined() -> AsyncIterator[Bench]:
    """A bot on its long connection."""
    async with bench_of("websocket") as bench, connected(bench):
        yield bench


def ticket_for(bench: Bench, staff: str = "linmo", group: str = "") -> str:
    """A response_url as a message brings it."""
    code = bench.sim.world.code("AIBOT", 3600, bot="helper", staff=staff, group=group).code
    url = f"{bench.sim.api_base}/cgi-bin/aibot/response?response_code={code}"
    return json.dumps({"kind": "message", "url": url, "chat": group or staff})


async def spoken(bench: Bench, text: str = "待办", group: str = "") -> str:
    """Somebody speaks to the bot on the line; the ticket for an answer."""
    bench.sim.bots.say("linmo", text, group=group)
    _, request = await bench.told()
    return json.dumps({"kind": "message", "request": request, "chat": group or "linmo"})


# ---------------------------------------------------------------- response_url


async def test_a_response_arrives_once_and_a_second_use_never_leaves(called: Bench) -> None:
    ticket = ticket_for(called)

    await called.gateway.send(parcel("已处理", ticket=ticket))
    with pytest.raises(Refused, match="已经用过"):
        await called.gateway.send(parcel("再说一次", ticket=ticket, key="k:2"))

    assert called.said(ALONE) == ["已处理"]
    assert len(called.sim.journal.of("call", api="aibot/response")) == 1


async def test_a_restart_does_not_forget_what_was_used(called: Bench, tmp_path: Path) -> None:
    ticket = ticket_for(called)
    await called.gateway.send(parcel("已处理", ticket=ticket))

    async with restarted(called, tmp_path) as anew:
        with pytest.raises(Refused, match="已经用过"):
            await anew.gateway.send(parcel("再说一次", ticket=ticket, key="k:2"))

    assert len(called.sim.journal.of("call", api="aibot/response")) == 1


async def test_a_response_that_could_not_leave_may_leave_later(called: Bench) -> None:
    ticket = ticket_for(called)
    called.sim.faults.add(Fault(where="api", what="refuse", code=-1, match="aibot/response", times=1))

    with pytest.raises(Busy):
        await called.gateway.send(parcel("在吗", ticket=ticket))
    await called.gateway.send(parcel("在吗", ticket=ticket))

    assert called.said(ALONE) == ["在吗"]


async def test_after_an_hour_a_response_is_refused(called: Bench) -> None:
    ticket = ticket_for(called)
    await called.clock.turn(timedelta(hours=1, seconds=1))

    with pytest.raises(Refused):
        await called.gateway.send(parcel("太晚了", ticket=ticket))


async def test_a_response_in_a_group_appears_in_the_group(called: Bench) -> None:
    group = called.sim.bots.found("社群运营组", "linmo", "suhe")

    await called.gateway.send(parcel("大家好", ticket=ticket_for(called, group=group), group=True, to=group))

    assert called.said(f"internal/{group}") == ["大家好"]


@pytest.mark.parametrize(
    ("what", "ending"), [("error", Unanswered), ("cut", Unanswered), ("garble", Unanswered)]
)
async def test_what_got_no_answer_is_unknown(called: Bench, what: str, ending: type[Exception]) -> None:
    called.sim.faults.add(Fault(where="api", what=what, match="aibot/response"))

    with pytest.raises(ending):
        await called.gateway.send(parcel("在吗", ticket=ticket_for(called)))


@pytest.mark.parametrize(
    "ticket",
    [
        "",
        "{}",
        '{"kind": "message"}',
        '{"kind": "message", "url": "https://evil.example/cgi-bin/aibot/response?response_code=1"}',
        '{"kind": "message", "url": "http://qyapi.weixin.qq.com.evil.example/x"}',
        '{"kind": "message", "url": "file:///etc/passwd"}',
        "[]",
        "not json",
    ],
)
async def test_without_an_address_of_the_platform_nothing_leaves(called: Bench, ticket: str) -> None:
    with pytest.raises(Refused):
        await called.gateway.send(parcel("你好", ticket=ticket))

    assert called.sim.journal.of("call") == []


async def test_what_a_bot_says_that_is_no_longer_set_up_does_not_wait_for_ever(called: Bench) -> None:
    assert "stranger" not in called.gateway.silent(Channel.AIBOT)
    with pytest.raises(Refused, match="aibot"):
        await called.gateway.send(replace(parcel("你好"), sender="stranger"))


# ---------------------------------------------------------------- the long connection


async def test_an_answer_on_the_line_is_a_finished_stream(lined: Bench) -> None:
    ticket = await spoken(lined)

    await lined.gateway.send(parcel("没有待办", ticket=ticket))

    assert lined.frames == ["aibot_subscribe", "aibot_respond_msg"]
    assert lined.said(ALONE) == ["没有待办"]
    assert lined.sim.world.talks[ALONE][-1].data["finished"]


async def test_who_spoke_first_can_be_spoken_to(lined: Bench) -> None:
    group = lined.sim.bots.found("社群运营组", "linmo", "suhe")
    lined.sim.bots.invite(group, "helper")
    await spoken(lined, "@群星 待办", group)

    await lined.gateway.send(parcel("周五 19:30 直播提醒", to=group, group=True))

    assert lined.frames[-1] == "aibot_send_msg"
    assert lined.said(f"internal/{group}") == ["周五 19:30 直播提醒"]


async def test_where_nobody_spoke_to_it_a_push_is_refused(lined: Bench) -> None:
    with pytest.raises(Refused):
        await lined.gateway.send(parcel("你好", to="suhe"))


@pytest.mark.parametrize("late", ["unknown number", "stream over"])
async def test_an_answer_that_comes_too_late_becomes_a_push(lined: Bench, late: str) -> None:
    ticket = json.loads(await spoken(lined))
    if late == "unknown number":
        ticket["request"] = "req-of-an-older-connection"
    else:
        await lined.clock.turn(timedelta(minutes=10, seconds=1))

    await lined.gateway.send(parcel("没有待办", ticket=json.dumps(ticket)))

    assert lined.frames[-2:] == ["aibot_respond_msg", "aibot_send_msg"]
    assert lined.said(ALONE) == ["没有待办"]


async def test_a_greeting_is_a_text_within_five_seconds(lined: Bench) -> None:
    lined.sim.bots.open_chat("linmo")
    _, request = await lined.told()

    await lined.gateway.send(parcel("你好", ticket=json.dumps({"kind": "greeting", "request": request})))

    assert lined.frames[-1] == "aibot_respond_welcome_msg"
    assert lined.said(ALONE) == ["你好"]


async def test_without_a_connection_a_message_waits() -> None:
    async with bench_of("websocket") as bench:
        assert list(bench.gateway.silent(Channel.AIBOT)) == ["helper"]
        with pytest.raises(Busy):
            await bench.gateway.send(parcel("你好"))


async def test_wrong_credentials_are_said_in_words() -> None:
    async with bench_of("websocket") as bench:
        bench.sim.world.bots["helper"].secret = "changed in the console"

        with pytest.raises(Blocked, match="bot_id"):
            await (await held(bench))


async def test_the_newest_connection_takes_over_and_the_older_one_knows() -> None:
    async with bench_of("websocket") as bench:
        newer = Line(bench.line.bot, bench.line.url, bench.line.outgoing, bench.clock, SeededChance(9))
        older = await held(bench)

        taking = await held(bench, newer)

        with pytest.raises(TakenOver):
            await older
        assert (bench.line.open, newer.open) == (False, True)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)


async def test_two_heartbeats_without_an_answer_are_the_end() -> None:
    async with bench_of("websocket") as bench:
        bench.line.ack_s = 0.05
        holding = await held(bench)
        bench.sim.bots.sockets.deaf = True

        await bench.clock.turn(timedelta(seconds=61))

        with pytest.raises(Lost):
            await holding


async def test_heartbeats_that_are_answered_keep_it_open(lined: Bench) -> None:
    await lined.clock.turn(timedelta(minutes=10))

    assert lined.line.open
    assert lined.frames.count("ping") == 20


async def test_a_broken_connection_leaves_what_was_on_its_way_unknown(lined: Bench) -> None:
    ticket = await spoken(lined)
    lined.sim.bots.sockets.deaf = True
    sending = asyncio.create_task(lined.gateway.send(parcel("在吗", ticket=ticket)))
    await asyncio.sleep(0.05)

    lined.sim.bots.sockets.cut("helper")

    with pytest.raises(Unanswered):
        await sending


async def test_a_request_nobody_acknowledges_is_unknown(lined: Bench) -> None:
    lined.line.ack_s = 0.05
    ticket = await spoken(lined)
    lined.sim.bots.sockets.deaf = True

    with pytest.raises(Unanswered, match="没有得到确认"):
        await lined.gateway.send(parcel("在吗", ticket=ticket))


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "not json",
        "[]",
        "{}",
        '{"cmd": "aibot_msg_callback"}',
        '{"cmd": "aibot_msg_callback", "headers": {"req_id": 7}, "body": {}}',
        '{"cmd": "aibot_msg_callback", "headers": {"req_id": "1"}, "body": []}',
        '{"cmd": "something_new", "headers": {"req_id": "1"}, "body": {}}',
        '{"headers": {"req_id": "nobody asked"}, "errcode": 0}',
        '{"cmd": "aibot_msg_callback", "headers": {"req_id": "1"}, "body": {"msgtype": "\\ud800"}}',
        '{"cmd": ["aibot_msg_callback"], "headers": {"req_id": "1"}, "body": {}}',
        '{"cmd": null, "headers": {"req_id": "1"}, "body": {}}',
        '{"cmd": "aibot_event_callback", "headers": {"req_id": "1"}, "body": {"event": {"eventtype": []}}}',
        '{"headers": {"req_id": "1"}, "errcode": {}}',
        "[" * 50_000,
    ],
)
async def test_a_frame_that_makes_no_sense_stops_nothing(lined: Bench, frame: str) -> None:
    await lined.sim.bots.sockets.living["helper"].socket.send_str(frame)

    ticket = await spoken(lined)
    await lined.gateway.send(parcel("还在", ticket=ticket))

    assert lined.said(ALONE) == ["还在"]


async def test_the_thirty_first_message_of_a_minute_waits_at_home(lined: Bench) -> None:
    await spoken(lined)
    sent, waits = 0, 0.0
    for number in range(40):
        try:
            await lined.gateway.send(parcel("你好", key=f"k:{number}"))
            sent += 1
        except Busy as busy:
            waits = busy.retry_after
            break

    assert 0 < sent <= 30
    assert waits > 0
    assert 45009 not in [entry["code"] for entry in lined.sim.journal.of("frame")]


async def test_a_file_is_handed_over_in_pieces(lined: Bench) -> None:
    content = hashlib.sha256(b"qunxing").digest() * 40_000  # 1.2 MiB: three pieces

    number = await lined.line.upload("file", "名单.xlsx", content)

    assert number in lined.sim.world.codes
    assert lined.frames.count("aibot_upload_media_chunk") == 3


@pytest.mark.parametrize(("kind", "size"), [("voice", (2 << 20) + 1), ("file", 0), ("hologram", 10)])
async def test_a_file_the_platform_would_not_take_stays_here(lined: Bench, kind: str, size: int) -> None:
    with pytest.raises(Refused):
        await lined.line.upload(kind, "x", b"x" * size)

    assert lined.frames == ["aibot_subscribe"]


# ---------------------------------------------------------------- what is said


async def test_links_are_said_in_markdown_and_plain_words_stay_words(called: Bench) -> None:
    content = Content("<think>小心</think> <@linmo>", link=Link("报名", "https://example.com/l/1"))

    await called.gateway.send(parcel(content, ticket=ticket_for(called)))

    (said,) = called.said(ALONE)
    assert "<think" not in said
    assert "<@" not in said
    assert said.endswith("[报名](https://example.com/l/1)")


async def test_what_is_meant_as_markdown_is_left_alone(called: Bench) -> None:
    await called.gateway.send(
        parcel(Content("**38/52** <@linmo>", markup=Markup.MARKDOWN), ticket=ticket_for(called))
    )

    assert called.said(ALONE) == ["**38/52** <@linmo>"]


CARDS = {
    "choice": Content("每周小调查", choice=CHOICE),
    "buttons": Content(
        card=Buttons(title="审批", task="t", buttons=(Button("yes", "同意"), Button("no", "拒绝")))
    ),
    "questionnaire": Content(
        card=Questionnaire(
            title="问卷", task="q", pickers=(Picker("a", (Action("1", "一"), Action("2", "二"))),)
        )
    ),
    "notice": Content(card=Notice(title="直播", opens=Opening(url="https://example.com"))),
}


@pytest.mark.parametrize("name", CARDS)
async def test_every_card_is_shown_on_the_line(lined: Bench, name: str) -> None:
    await spoken(lined)

    sent = await lined.gateway.send(parcel(CARDS[name], key=f"k:{name}"))

    line = lined.sim.world.talks[ALONE][-1]
    assert line.kind == "card"
    assert line.data["card"].get("task_id", sent.number) == sent.number


async def test_too_many_options_for_a_card_are_said_in_words(called: Bench) -> None:
    many = Choice("run:2", "选哪个", tuple(Option(str(number), f"选项{number}") for number in range(21)))

    await called.gateway.send(parcel(Content("投票", choice=many), ticket=ticket_for(called)))

    assert "20. 选项20" in called.said(ALONE)[0]


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("mode", ["webhook", "websocket"])
async def test_a_file_shown_to_the_bot_can_be_fetched_and_opened(mode: str) -> None:
    async with bench_of(mode) as bench:
        bot = bench.sim.world.bots["helper"]
        place = bench.sim.bots._file(bot, b"\x89PNG picture")
        door = bench.sim.world.doors.get("aibot/helper")

        sealed = await bench.gateway._client.outgoing.file(place["url"])

        assert isinstance(sealed, bytes)
        assert open_file(place.get("aeskey") or door.aes_key, sealed) == b"\x89PNG picture"  # type: ignore[union-attr]
