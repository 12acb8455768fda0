"""The simulator's 智能机器人: who is heard, how often an answer is fetched, and what the platform would not take."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.cipher import Cipher
from bot.simulator.aibot_reply import INVALID_REQUEST, STREAM_OVER, Exchange, take
from bot.simulator.calls import Refusal
from tests.contracts.robots import START, Bench, bench_of, connected

ALONE = "aibot/helper/linmo"
Answer = Callable[[dict[str, Any]], dict[str, Any] | None]


@dataclass
class Stub:
    """Stands where the bot will be; ``answer`` says what it replies."""

    bench: Bench
    answer: Answer = lambda told: None
    slow: bool = False
    told: list[dict[str, Any]] = field(default_factory=list)
    sealed: list[str] = field(default_factory=list)

    async def listen(self, request: web.Request) -> web.StreamResponse:
        door = self.bench.sim.world.doors["aibot/helper"]
        cipher, query = Cipher(door.token, door.aes_key, ""), request.query
        sealed = (await request.json())["encrypt"]
        assert cipher.verified(query["msg_signature"], query["timestamp"], query["nonce"], sealed)
        self.sealed.append(sealed)
        self.told.append(json.loads(cipher.open(sealed)))
        if self.slow:
            await asyncio.sleep(1)
        reply = self.answer(self.told[-1])
        if reply is None:
            return web.Response()
        body = cipher.seal(json.dumps(reply).encode(), b"0123456789abcdef")
        signature = cipher.sign("1767225700", query["nonce"], body)
        envelope = {"encrypt": body, "msgsignature": signature, "timestamp": 1767225700}
        return web.json_response({**envelope, "nonce": query["nonce"]})


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async with bench_of("webhook") as bench:
        stub = Stub(bench)
        app = web.Application()
        app.router.add_post("/callback/aibot/helper", stub.listen)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        bench.sim.bots.bot_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield stub
        await bench.sim.bots.aclose()
        await runner.cleanup()


def piece(finish: bool, content: str = "…", number: str = "s-1", **more: Any) -> dict[str, Any]:
    return {"msgtype": "stream", "stream": {"id": number, "finish": finish, "content": content, **more}}


async def test_in_a_group_only_what_names_the_bot_is_told(stub: Stub) -> None:
    bots = stub.bench.sim.bots
    group = bots.found("社群运营组", "linmo")
    bots.invite(group, "helper")

    heard = [bots.say("linmo", text, group=group) for text in ("待办", "@群星 待办")]
    await bots.quiet()

    assert heard == [False, True]
    assert [told["text"]["content"] for told in stub.told] == ["@群星 待办"]
    assert stub.told[0]["chatid"] == group


async def test_a_customer_group_takes_no_bot(stub: Stub) -> None:
    sim = stub.bench.sim
    group = sim.acts.create_group("linmo", "新手群")

    with pytest.raises(Refusal):
        sim.bots.invite(group, "helper")


async def test_nobody_answers_and_it_is_told_three_times_more_sealed_anew(stub: Stub) -> None:
    stub.slow = True
    stub.bench.sim.bots.answer_s = 0.05

    stub.bench.sim.bots.say("linmo", "待办")
    await stub.bench.sim.bots.quiet()

    assert len(stub.told) == 4
    assert len(set(stub.sealed)) == 4
    assert len({json.dumps(told) for told in stub.told}) == 1


async def test_a_click_is_told_once(stub: Stub) -> None:
    stub.slow = True
    stub.bench.sim.bots.answer_s = 0.05

    stub.bench.sim.bots.press("linmo", "t", "yes", {})
    await stub.bench.sim.bots.quiet()

    assert len(stub.told) == 1


async def test_a_stream_is_fetched_until_it_is_finished(stub: Stub) -> None:
    said = iter([piece(False, "一"), piece(False, "一二"), piece(True, "一二三")])
    stub.answer = lambda told: next(said)

    stub.bench.sim.bots.say("linmo", "数数")
    await stub.bench.sim.bots.quiet()
    await stub.bench.clock.turn(timedelta(seconds=10))

    assert [told["msgtype"] for told in stub.told] == ["text", "stream", "stream"]
    assert "response_url" not in stub.told[1]
    assert stub.bench.said(ALONE) == ["一二三"]


async def test_a_stream_is_fetched_for_six_minutes_at_most(stub: Stub) -> None:
    stub.answer = lambda told: piece(False)
    stub.bench.sim.bots.poll_s = 60.0

    stub.bench.sim.bots.say("linmo", "数数")
    await stub.bench.sim.bots.quiet()
    await stub.bench.clock.turn(timedelta(minutes=30))

    assert len(stub.told) == 6


async def test_a_fourth_question_at_once_is_not_told(stub: Stub) -> None:
    stub.answer = lambda told: piece(False, number=told["msgid"])

    told = []
    for _ in range(4):
        told.append(stub.bench.sim.bots.say("linmo", "在吗"))
        await stub.bench.sim.bots.quiet()

    assert told == [True, True, True, False]
    assert stub.bench.sim.bots.say("suhe", "在吗")


async def test_the_chat_opened_twice_a_day_is_told_once(stub: Stub) -> None:
    bots = stub.bench.sim.bots

    opened = [bots.open_chat("linmo"), bots.open_chat("linmo")]
    await stub.bench.clock.turn(timedelta(days=1))

    assert [*opened, bots.open_chat("linmo")] == [True, False, True]
    await bots.quiet()


async def test_who_is_not_known_by_userid_has_an_id_of_the_bot_s_own(stub: Stub) -> None:
    stub.bench.sim.world.bots["helper"].plain_ids = False

    stub.bench.sim.bots.say("linmo", "待办")
    await stub.bench.sim.bots.quiet()

    assert stub.told[0]["from"]["userid"].startswith("woQX")


@pytest.mark.parametrize(
    "spoilt",
    [{"nonce": "other"}, {"timestamp": "1767225700"}, {"msgsignature": "0" * 40}],
    ids=lambda one: next(iter(one)),
)
async def test_an_answer_wrongly_wrapped_is_not_taken(stub: Stub, spoilt: dict[str, str]) -> None:
    whole = stub.listen

    async def spoiling(request: web.Request) -> web.StreamResponse:
        answer = await whole(request)
        assert isinstance(answer, web.Response)
        return web.json_response({**json.loads(answer.body), **spoilt})  # type: ignore[arg-type]

    stub.answer = lambda told: piece(True)
    app = web.Application()
    app.router.add_post("/callback/aibot/helper", spoiling)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stub.bench.sim.bots.bot_url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    stub.bench.sim.bots.say("linmo", "待办")
    await stub.bench.sim.bots.quiet()

    assert stub.bench.said(ALONE) == []
    await runner.cleanup()


async def test_the_chat_page_tells_of_everything_that_happened() -> None:
    async with bench_of("websocket") as bench, connected(bench), aiohttp.ClientSession() as browser:
        bench.sim.bots.say("linmo", "待办")
        await bench.told()
        bench.sim.journal.note("aibot", bot="helper", refused=40058, reason="stream.id")
        bench.sim.journal.note("poll", door="aibot/helper", attempt=1, outcome="acked")

        async with browser.get(f"{bench.sim.api_base}/sim/api/view", params={"who": "linmo"}) as shown:
            ticker = [tick["text"] for tick in (await shown.json())["ticker"]]

    assert ticker[:2] == ["aibot_subscribe → ok", "aibot/helper · text → 已收到"]


async def test_the_chat_page_has_the_bot_and_its_groups(stub: Stub) -> None:
    sim, talk = stub.bench.sim, f"internal/{stub.bench.sim.bots.found('社群运营组', 'linmo')}"
    sim.bots.invite(talk.removeprefix("internal/"), "helper")
    stub.answer = lambda told: piece(True, "收到")
    async with aiohttp.ClientSession() as browser:
        for place, text in ((ALONE, "待办"), (talk, "@群星 待办")):
            deed = {"who": "linmo", "deed": "say", "talk": place, "text": text}
            async with browser.post(f"{sim.api_base}/sim/api/do", json=deed) as done:
                assert done.status == 200
        await sim.bots.quiet()

        async with browser.get(
            f"{sim.api_base}/sim/api/view", params={"who": "linmo", "talk": talk}
        ) as shown:
            seen = await shown.json()

    assert {ALONE, talk} <= {one["id"] for one in seen["talks"]}
    assert [(line["who"], line["text"]) for line in seen["talk"]["lines"]] == [
        ("林墨", "@群星 待办"),
        ("群星", "收到"),
    ]


# ---------------------------------------------------------------- what the platform would not take

CARD = {"card_type": "vote_interaction", "task_id": "t-1", "main_title": {"title": "?"}}


@pytest.mark.parametrize(
    ("sort", "reply", "code"),
    [
        ("message", {"msgtype": "text", "text": {"content": "你好"}}, 40008),
        ("message", {"msgtype": "stream"}, 40058),
        ("message", piece(True, number=""), 40058),
        ("message", piece(True, "长" * 7000), 45002),
        ("message", piece(True, feedback={"id": "x" * 257}), 40058),
        ("message", {"msgtype": "template_card", "template_card": {"card_type": "vote_interaction"}}, 40058),
        ("greeting", piece(True), 40008),
        ("greeting", {"msgtype": "text", "text": {"content": ""}}, 44004),
        ("click", {"msgtype": "text", "text": {"content": "收到"}}, 40008),
        ("click", {"response_type": "update_template_card", "template_card": {"task_id": "other"}}, 40058),
        ("feedback", {"msgtype": "text", "text": {"content": "谢谢"}}, 40008),
    ],
)
async def test_a_reply_out_of_shape_is_refused(
    stub: Stub, sort: str, reply: dict[str, Any], code: int
) -> None:
    exchange = Exchange("helper", "webhook", "linmo", "", sort, START, task="t-1")

    with pytest.raises(Refusal) as refused:
        take(stub.bench.sim.world, exchange, reply)

    assert refused.value.code == code


@pytest.mark.parametrize(
    "second",
    [piece(True, number="s-2"), piece(True, feedback={"id": "f"})],
    ids=["another stream", "feedback too late"],
)
async def test_a_stream_goes_on_as_it_began(stub: Stub, second: dict[str, Any]) -> None:
    exchange = Exchange("helper", "webhook", "linmo", "", "message", START)
    take(stub.bench.sim.world, exchange, piece(False, feedback={"id": "f"}))

    with pytest.raises(Refusal):
        take(stub.bench.sim.world, exchange, second)


async def test_a_card_is_shown_once_a_message_and_its_number_never_again(stub: Stub) -> None:
    world = stub.bench.sim.world
    shown = {"msgtype": "template_card", "template_card": CARD}
    take(world, Exchange("helper", "webhook", "linmo", "", "message", START), shown)

    with pytest.raises(Refusal):
        take(world, Exchange("helper", "webhook", "suhe", "", "message", START), shown)


@pytest.mark.parametrize(("sort", "seconds"), [("message", 360), ("greeting", 5), ("click", 5)])
async def test_too_late_is_too_late(stub: Stub, sort: str, seconds: int) -> None:
    exchange = Exchange("helper", "webhook", "linmo", "", sort, START)
    await stub.bench.clock.turn(timedelta(seconds=seconds))

    with pytest.raises(Refusal) as refused:
        take(stub.bench.sim.world, exchange, piece(True))

    assert refused.value.code == STREAM_OVER


# ---------------------------------------------------------------- frames


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"cmd": "ping"}, 40014),
        ({"cmd": "aibot_subscribe", "body": {"bot_id": "BOT-1", "secret": "wrong"}}, 40001),
        ({"cmd": "aibot_send_msg", "body": {}}, 40014),
    ],
)
async def test_without_a_subscription_nothing_is_taken(frame: dict[str, Any], code: int) -> None:
    async with (
        bench_of("websocket") as bench,
        bench.gateway._client.outgoing.socket(bench.line.url) as socket,
    ):
        await socket.say({"headers": {"req_id": "1"}, **frame})

        ack = json.loads(await socket.hear() or "{}")

        assert (ack["errcode"], ack["headers"]) == (code, {"req_id": "1"})


async def test_a_number_nobody_was_told_is_refused() -> None:
    async with (
        bench_of("websocket") as bench,
        bench.gateway._client.outgoing.socket(bench.line.url) as socket,
    ):
        bot = bench.sim.world.bots["helper"]
        await socket.say(
            {
                "cmd": "aibot_subscribe",
                "headers": {"req_id": "1"},
                "body": {"bot_id": bot.bot_id, "secret": bot.secret},
            }
        )
        await socket.hear()
        await socket.say({"cmd": "aibot_respond_msg", "headers": {"req_id": "req-9"}, "body": piece(True)})

        assert json.loads(await socket.hear() or "{}")["errcode"] == INVALID_REQUEST
